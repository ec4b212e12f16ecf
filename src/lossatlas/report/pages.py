"""One report model, rendered twice: as Markdown with pictures beside it, and as one HTML file."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossatlas.report import formulas

MARK = "<!-- Made by 'lossatlas report'; edits are lost. -->"
TEMPLATES = Path(__file__).parent / "templates"


def markdown(report: dict[str, Any]) -> str:
    """REPORT.md: GitHub's Markdown, with links to `figures/*.svg`."""
    environment = _environment(autoescape=False)
    environment.filters["cell"] = markdown_cell
    return environment.get_template("report.md.j2").render(report, mark=MARK)


def html(report: dict[str, Any]) -> str:
    """index.html: self-contained; pictures are data URIs, formulas MathML."""
    environment = _environment(autoescape=True)
    environment.filters |= {
        "prose": lambda text: Markup(formulas.markdown(text)),
        "line": lambda text: Markup(formulas.markdown_inline(text)),
        "mathml": lambda latex: Markup(formulas.mathml(latex, "block")),
        "data_uri": _data_uri,
    }
    return environment.get_template("report.html.j2").render(report, mark=Markup(MARK))


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
