"""Text of cards, rows and users inside Markdown and CSV: it stays text, and does nothing.

In a Markdown template every value is `plain` unless a filter says otherwise, as every value in an
HTML one is escaped by Jinja.
"""

import re
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import quote

from markdown_it import MarkdownIt
from markupsafe import Markup

ACTIVE = ("html_inline", "html_block", "code_block")  # the last: only where it is not in a list
FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")  # what a spreadsheet takes for the start of a formula
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # no inf, no 1_000


def printable(text: str) -> str:
    """The text without control characters, line breaks and halves of characters: blanks instead."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def plain(value: Any) -> Markup:
    """Plain text inside a line or table of Markdown: no markup of its own, no line break."""
    if hasattr(value, "__html__"):
        return Markup(value)
    line = " ".join(printable(str(value)).split())
    line = line.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for special in "|*`[]":
        line = line.replace(special, "\\" + special)
    return Markup(line)


def unescaped(line: str) -> str:
    """What `plain` was given, but for blanks: for where a line of Markdown is no Markdown."""
    return unescape(re.sub(r"\\([\\|*`[\]])", r"\1", line))


def code(value: Any) -> str:
    """A code span, also of a text with backticks."""
    text = " ".join(printable(str(value)).split())
    ticks = "`" * (1 + _longest_run(text))
    pad = " " if text[:1] == "`" or text[-1:] == "`" or not text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(value: Any, info: str = "") -> Markup:
    """A block of code, or of mathematics, also of a text with such blocks in it."""
    text = str(value).strip("\n")
    ticks = "`" * max(3, 1 + _longest_run(text))
    return Markup(f"{ticks}{info}\n{text}\n{ticks}")


def prose(text: str) -> Markup:
    """Markdown that stays Markdown, but for raw HTML and pictures, which become text.

    It has to begin after a blank line: what its blocks are depends on what stands before them.
    """
    tokens = _parser().parse(text) if "<" in text or "```" in text or "~~~" in text else []
    inside = [*tokens, *(child for token in tokens for child in token.children or ())]
    text = _disarmed(text, any(token.type in ACTIVE for token in inside))
    fences = [token for token in tokens if token.type == "fence" and token.level == 0]
    if fences and fences[-1] is tokens[-1] and not text.rstrip().endswith("\n" + fences[-1].markup):
        text = f"{text}\n{fences[-1].markup}"  # what was left open would take the rest of the page
    return Markup(text)


def line(text: str) -> Markup:
    """One line of Markdown; bars in a formula become words, which no table takes for its own."""

    def without_bars(formula: re.Match[str]) -> str:
        return formula[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")

    text = re.sub(r"\$[^$`]+\$", without_bars, " ".join(text.split()))
    tokens = (_parser().parseInline(text)[0].children or []) if "<" in text else []
    return Markup(_disarmed(text, any(token.type in ACTIVE for token in tokens)))


def _disarmed(text: str, has_html: bool) -> str:
    # a picture may have its address in another text of the page
    return (text.replace("<", "&lt;") if has_html else text).replace("![", "!\\[")


def anchor(value: Any) -> str:
    """An id as it can stand in a link: `loss-` and the like are put before it."""
    return quote(str(value), safe="", errors="replace")


def csv_cell(value: Any) -> Any:
    """A cell of a table for spreadsheets: a text that would be a formula begins with a quote."""
    if not isinstance(value, str):
        return value
    return (
        f"'{value}" if FORMULA.match(value.lstrip(" ")) and not NUMBER.fullmatch(value) else value
    )


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")
