"""A page's content, rendered twice: as Markdown with pictures beside it, and as one HTML file."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossatlas.report import formulas

TEMPLATES = Path(__file__).parent / "templates"


def mark(command: str) -> str:
    """The first line of what `lossatlas COMMAND` makes, by which it knows its own pages again."""
    return f"<!-- Made by 'lossatlas {command}'; edits are lost. -->"


def markdown(
    content: dict[str, Any], command: str = "report", page: str | None = None
) -> Iterator[str]:
    """A page of a command in GitHub's Markdown, piece by piece, with links to `figures/*.svg`.

    `page` names its template if the command has several.
    """
    environment = _environment(autoescape=False)
    environment.filters["cell"] = markdown_cell
    template = environment.get_template(f"{page or command}.md.j2")
    return template.generate(content, mark=mark(command))


def html(
    content: dict[str, Any], command: str = "report", page: str | None = None
) -> Iterator[str]:
    """The same page in HTML: self-contained; pictures are data URIs, formulas MathML."""
    environment = _environment(autoescape=True)
    environment.filters |= {
        "prose": lambda text: Markup(formulas.markdown(text)),
        "line": lambda text: Markup(formulas.markdown_inline(text)),
        "mathml": lambda latex: Markup(formulas.mathml(latex, "block")),
        "data_uri": _data_uri,
    }
    template = environment.get_template(f"{page or command}.html.j2")
    return template.generate(content, mark=Markup(mark(command)))


def markdown_cell(text: Any) -> str:
    """Plain text inside a line or table of Markdown: no markup of its own, no line break."""
    line = (
        " ".join(str(text).split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    )
    for special in "|*`[]":
        line = line.replace(special, "\\" + special)
    return line


def _environment(autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
