"""LaTeX to MathML, alone and inside Markdown prose; what cannot be converted is shown as code."""

import html
import re
import xml.etree.ElementTree as ET

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def mathml(latex: str, display: str = "inline") -> str:
    """MathML of a formula, `display` being inline or block; escaped `<code>` if it is not legal."""
    # \mathrm{softmax} would become seven letters with the spacing of a product
    named = re.sub(r"\\mathrm\{([A-Za-z]{2,})\}", r"\\operatorname{\1}", latex)
    try:
        text = convert(named, display=display)
        safe = all(_is_mathml(element) for element in ET.fromstring(text).iter())
    except Exception:  # the converter raises what its parser happens to meet
        safe = False
    return text if safe else f"<code>{html.escape(latex)}</code>"


def _is_mathml(element: ET.Element) -> bool:
    # the converter copies \text{...} unescaped, so a tag in a formula would be a tag in the page
    tag = str(element.tag)
    return re.fullmatch(re.escape(MATHML) + "m[a-z]+", tag) is not None and not any(
        name.startswith("on") or name in ("href", "src", "style")
        for name in element.keys()  # noqa: SIM118
    )


def renderer() -> MarkdownIt:
    """A new parser and renderer of Markdown with formulas."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    renderer.inline.ruler.before("escape", "math", _math_rule)
    renderer.add_render_rule(
        "math", lambda self, tokens, i, options, env: mathml(tokens[i].content)
    )
    return renderer


def _math_rule(state: StateInline, silent: bool) -> bool:
    found = re.compile(r"\$(?! )([^$]+?)(?<! )\$").match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("math", "math", 0).content = found[1]
    state.pos = found.end()
    return True
