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
WORDS = ("text", "code_inline")  # a cell without any is read out as the heading of nothing
FOLD = re.compile(
    r'</details>|<details(?: id="[\w-]+")?><summary>(?:[^<>]|<b(?: class="\w+")?>|</b>)*</summary>'
)


def body(text: str, pictures: Mapping[str, Any], beside: bool = False) -> Iterator[str]:
    """HTML of a page, block by block: its pictures are large.

    Args:
        text: the page in Markdown, where the paragraph before a table or after a picture is its
            caption, the list after a paragraph of pictures theirs, the first list of links the
            contents, and a table's row of one bold cell the heading of those below.
        pictures: SVG of each address `figures/...`; others are left out.
        beside: whether they are linked, as files beside the page, instead of written into it.
    """
    parser, env = renderer(), {"pictures": pictures, "beside": beside}
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
            yield str(parser.renderer.render(block, parser.options, env))
            block = []


def _elements(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with what HTML has and Markdown has not."""
    i, anchor, contents, sections, folds = 0, "", "above", 0, 0
    while i < len(tokens):
        token, kind = tokens[i], tokens[i].type
        text = tokens[i + 1].content if i + 1 < len(tokens) else ""
        after = tokens[i + 3].type if i + 3 < len(tokens) else ""
        if kind == "paragraph_open" and token.level == 0 and (found := ANCHOR.fullmatch(text)):
            anchor, i = found[1], i + 3
            continue
        if kind == "paragraph_open" and token.level == 0 and FOLD.fullmatch(text):
            yield _raw(f"{text}\n")
            folds += -1 if text == "</details>" else 1
            i += 3
            continue
        if kind == "paragraph_open" and token.level == 0 and after == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            yield from _table(tokens[i + 1], tokens[i + 4 : end])
            i = end + 1
            continue
        if kind == "paragraph_open" and (shown := _pictures(tokens[i + 1])):
            several = len(shown) > 1
            end = i + 3
            if after == ("bullet_list_open" if several else "paragraph_open"):
                end = 1 + next(j for j in range(end + 1, len(tokens)) if tokens[j].level == 0)
            captions = [one for one in tokens[i + 3 : end] if one.type == "inline"]
            yield _raw('<div class="panels">\n' * several)
            for n, picture in enumerate(shown):
                yield from (_raw("<figure>\n"), picture, _raw("\n"))
                for caption in captions[n : n + 1]:
                    yield from (_raw("<figcaption>"), caption, _raw("</figcaption>\n"))
                yield _raw("</figure>\n")
            yield _raw("</div>\n" * several)
            i = end
            continue
        if kind == "heading_open" and (anchor or token.tag == "h2"):
            name = anchor or re.sub(r"[^\w -]", "", text).lower().replace(" ", "-")
            token.attrSet("id", name)
            anchor = ""
        if kind == "heading_open" and token.tag == "h2" and not folds:
            begin = f'<section data-part="{html.escape(name)}">\n'
            yield _raw("</section>\n" * (sections > 0) + begin)
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
        f'<div class="scroll{" words" * words}" role="group" tabindex="0" aria-label="{label}">\n'
        "<table>\n<caption><span>"
    )
    yield caption
    yield _raw("</span></caption>\n")
    for row in _rows(inside):
        cells = [token for token in row if token.type == "inline"]
        if len(cells) > 1 and cells[0].content[:2] == "**" and not any(_text(c) for c in cells[1:]):
            above = f'</tbody>\n<tbody>\n<tr><th scope="rowgroup" colspan="{len(cells)}">'
            yield from (_raw(above), cells[0], _raw("</th></tr>\n"))
        else:
            yield from row
    yield _raw("</table>\n</div>\n")


def _rows(inside: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of a table in rows, the first cell of each in the body a heading."""
    row: list[Token] = []
    for token in inside:
        if token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "inline" and row[-1].type == "td_open" and row[-2].type == "tr_open":
            if any(one.content.strip() for one in token.children or () if one.type in WORDS):
                row[-1].tag, row[-1].attrs = "th", {"scope": "row"}
        elif token.type == "td_close" and not any(one.type == "td_close" for one in row):
            token.tag = row[1].tag
        row.append(token)
        if not token.type.startswith(("th_", "td_", "inline", "tr_open")):
            yield row
            row = []


def _pictures(token: Token) -> list[Token]:
    """The pictures of a paragraph that holds nothing else."""
    inside = [one for one in token.children or () if one.type != "softbreak"]
    if any(one.type != "image" for one in inside):
        return []
    return [Token("inline", "", 0, children=[one]) for one in inside]


def _text(token: Token) -> str:
    return "".join(one.content for one in token.children or ())


def _raw(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def _fence(self: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    text = tokens[i].content
    if tokens[i].info != "math":
        return f"<pre>{html.escape(text)}</pre>\n"
    shown = mathml(text.strip(), "block")
    return f'<div class="formula" role="group" tabindex="0" aria-label="Formula">{shown}</div>\n'


def _image(self: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    address = tokens[i].attrs["src"]
    svg, alt = env["pictures"].get(address), html.escape(_text(tokens[i]))
    if svg is None:
        return alt
    if env["beside"] and "<title>" in svg:  # which only an element of its own shows
        kind = 'type="image/svg+xml" role="img"'
        shown = f'<object data="{address}" {kind} aria-label="{alt}"></object>'
        return f'<div class="scroll" role="group" tabindex="0" aria-label="{alt}">{shown}</div>'
    if env["beside"]:
        return f'<img src="{address}" alt="{alt}">'
    data = base64.b64encode(svg.encode(errors="replace")).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}">'
