"""A page's content, rendered twice: as Markdown with pictures beside it, and as one HTML file."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossatlas.pages import browser, escape, formulas
from lossatlas.resources import PACKAGE

ROOMS = ("pages", "report", "lecture")  # with a folder of templates each


def mark(command: str) -> str:
    """The first line of what `lossatlas COMMAND` makes, by which it knows its own pages again."""
    return f"<!-- Made by 'lossatlas {command}'; edits are lost. -->"


def markdown(
    content: dict[str, Any], command: str = "report", page: str | None = None
) -> Iterator[str]:
    """A page of a command in GitHub's Markdown, piece by piece, with links to `figures/*.svg`.

    `page` names its template if the command has several.
    """
    environment = _environment(finalize=escape.plain)
    environment.filters |= {
        "cell": escape.plain,
        "code": lambda text: Markup(escape.code(text)),
        "fence": escape.fenced,
        "prose": escape.prose,
        "line": escape.line,
    }
    template = environment.get_template(f"{page or command}.md.j2")
    first = "" if content.get("html") else mark(command)
    return template.generate({"html": False} | content, mark=Markup(first))


def html(
    content: dict[str, Any], command: str = "report", page: str | None = None
) -> Iterator[str]:
    """The same page in HTML: self-contained; pictures are data URIs, formulas MathML."""
    environment = _environment()
    environment.filters |= {
        "prose": lambda text: Markup(formulas.markdown(text)),
        "line": lambda text: Markup(formulas.markdown_inline(text)),
        "mathml": lambda latex: Markup(formulas.mathml(latex, "block")),
        "data_uri": _data_uri,
    }
    template = environment.get_template(f"{page or command}.html.j2")
    return template.generate(content, mark=Markup(mark(command)))


def in_browser(
    content: dict[str, Any], command: str, pictures: Mapping[str, Any], sorting: bool = False
) -> Iterator[str]:
    """The Markdown page of a command as one self-contained HTML file, piece by piece.

    Its template sees `html`, for the few words that only one of the two forms says. `pictures` has
    the SVG of each address in it; with `sorting` a click on a heading sorts a table.
    """
    text = "".join(markdown(content | {"html": True}, command))
    title = re.search(r"^# (.*)$", text, re.M)
    layout = _environment().get_template("layout.html.j2")
    return layout.generate(
        mark=Markup(mark(command)), command=command, title=title[1] if title else command,
        body=map(Markup, browser.body(text, pictures)), sorting=sorting,
    )  # fmt: skip


def _environment(finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Every value is escaped, by `finalize` if it is given: a template says what is not to be."""
    environment = Environment(
        loader=FileSystemLoader([PACKAGE / room / "templates" for room in ROOMS]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        finalize=finalize,
    )  # fmt: skip
    environment.filters["anchor"] = escape.anchor
    environment.tests["web"] = lambda url: re.match(r"https?://[^<>\s]+$", url or "") is not None
    return environment


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode(errors="replace")).decode()
