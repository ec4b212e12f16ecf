"""A page's Markdown as one file for the browser: another form of it, with nothing of its own.

Raw HTML stays text, whatever a card or a row holds. What a page is made of gets its element here:
tables their captions and scopes, pictures their captions, formulas MathML, headings their anchors.
"""

import base64
import html
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_it.token import Token

from lossatlas.pages.formulas import mathml, renderer

# Lines of our templates; texts have no <.
ANCHOR = re.compile(r'<a id="([^"<>\s]+)"></a>')
FOLD = re.compile(r"<details><summary>([^<>]+)</summary>|</details>")


def body(text: str, pictures: Mapping[str, Any]) -> Iterator[str]:
    """HTML of a page, block by block: its pictures are large.

    Args:
        text: the page in Markdown, where the paragraph before a table or after a picture is its
            caption, and the first list of links its contents.
        pictures: SVG of each address `figures/...`; others are left out.
    """
    parser = renderer()
    parser.enable("image")
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("image", _image)
    tokens = list(_elements(parser.parse(text)))
    for child, inner in itertools.pairwise(c for token in tokens for c in token.children or ()):
        if child.type == "strong_open" and inner.content.startswith("✗"):
            child.attrSet("class", "fails")
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield str(parser.renderer.render(block, parser.options, {"pictures": pictures}))
            block = []


def _elements(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with what HTML has and Markdown has not."""
    i, anchor, contents, sections = 0, "", "above", 0
    while i < len(tokens):
        token, kind = tokens[i], tokens[i].type
        text = tokens[i + 1].content if i + 1 < len(tokens) else ""
        after = tokens[i + 3].type if i + 3 < len(tokens) else ""
        if kind == "paragraph_open" and token.level == 0 and (found := ANCHOR.fullmatch(text)):
            anchor, i = found[1], i + 3
            continue
        if kind == "paragraph_open" and token.level == 0 and FOLD.fullmatch(text):
            yield _raw(f"{text}\n")
            i += 3
            continue
        if kind == "paragraph_open" and token.level == 0 and after == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            yield from _table(tokens[i + 1], tokens[i + 4 : end])
            i = end + 1
            continue
        if kind == "paragraph_open" and _is_picture(tokens[i + 1]):
            yield from (_raw("<figure>\n"), tokens[i + 1], _raw("\n"))
            i += 3
            if after == "paragraph_open":
                yield from (_raw("<figcaption>"), tokens[i + 1], _raw("</figcaption>\n"))
                i += 3
            yield _raw("</figure>\n")
            continue
        if kind == "heading_open" and (anchor or token.tag == "h2"):
            name = anchor or re.sub(r"[^\w -]", "", text).lower().replace(" ", "-")
            token.attrSet("id", name)
            anchor = ""
        if kind == "heading_open" and token.tag == "h2":
            yield _raw("</section>\n" * (sections > 0) + f'<section class="{html.escape(name)}">\n')
            sections += 1
        if (
            kind == "bullet_list_open"
            and contents == "above"
            and tokens[i + 3].content.startswith("[")
        ):
            contents = "open"
            yield _raw('<nav aria-label="Contents">\n')
        if kind == "blockquote_open":
            token.attrs |= {"class": "notice", "role": "note"}
        yield token
        if kind == "bullet_list_close" and contents == "open":
            contents = "below"
            yield _raw("</nav>\n")
        i += 1
    yield _raw("</section>\n" * (sections > 0))


def _table(caption: Token, inside: Sequence[Token]) -> Iterator[Token]:
    words = not any(token.attrs for token in inside[1:])  # no column is aligned as numbers are
    label = html.escape(_text(caption))
    yield _raw(
        f'<div class="scroll{" words" * words}" role="region" tabindex="0" aria-label="{label}">\n'
        "<table>\n<caption><span>"
    )
    yield caption
    yield _raw("</span></caption>\n")
    first = False
    for token in inside:
        first = first or token.type == "tr_open"
        if token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type in ("td_open", "td_close") and first:
            token.tag = "th"
            if token.nesting == 1:
                token.attrs = {"scope": "row"}
            first = token.nesting == 1
        first = first and token.type != "tr_close"
        yield token
    yield _raw("</table>\n</div>\n")


def _is_picture(token: Token) -> bool:
    return token.children is not None and [one.type for one in token.children] == ["image"]


def _text(token: Token) -> str:
    return "".join(one.content for one in token.children or ())


def _raw(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def _fence(self: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    text = tokens[i].content
    if tokens[i].info != "math":
        return f"<pre>{html.escape(text)}</pre>\n"
    shown = mathml(text.strip(), "block")
    return f'<div class="formula" role="region" tabindex="0" aria-label="Formula">{shown}</div>\n'


def _image(self: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    svg = env["pictures"].get(tokens[i].attrs["src"])
    alt = html.escape(_text(tokens[i]))
    if svg is None:
        return alt
    data = base64.b64encode(svg.encode(errors="replace")).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}">'
