"""A page's content, rendered twice: as Markdown with pictures beside it, and as one HTML file."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossatlas.pages import browser, escape
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
    template = _environment(finalize=escape.plain).get_template(f"{page or command}.md.j2")
    first = "" if content.get("html") else mark(command)
    return template.generate({"html": False} | content, mark=Markup(first))


def in_browser(
    content: dict[str, Any],
    command: str,
    pictures: Mapping[str, Any],
    sorting: bool = False,
    page: str | None = None,
    beside: bool = False,
) -> Iterator[str]:
    """The Markdown page of a command as an HTML file that needs no network, piece by piece.

    Its template sees `html`, for the few words that only one of the two forms says. `pictures` has
    the SVG of each address in it, written into the page or, with `beside`, linked; with `sorting` a
    click on a heading sorts a table. A `page` may have a style sheet and a script of its own.
    """
    text = "".join(markdown(content | {"html": True}, command, page))
    title = re.search(r"^# (.*)$", text, re.M)
    layout = _environment().get_template("layout.html.j2")
    return layout.generate(
        mark=Markup(mark(command)), command=command,
        title=escape.unescaped(title[1]) if title else command,
        body=map(Markup, browser.body(text, pictures, beside)), sorting=sorting, page=page,
    )  # fmt: skip


@cache
def _environment(finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Every value is escaped, by `finalize` if it is given: a template says what is not to be."""
    environment = Environment(
        loader=FileSystemLoader([PACKAGE / room / "templates" for room in ROOMS]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        finalize=finalize,
    )  # fmt: skip
    environment.filters |= {
        "anchor": escape.anchor,
        "cell": escape.plain,
        "code": lambda text: Markup(escape.code(text)),
        "fence": escape.fenced,
        "prose": escape.prose,
        "line": escape.line,
    }
    environment.tests["web"] = lambda url: re.match(r"https?://[^<>\s]+$", url or "") is not None
    return environment
