"""Text of rows and cards does nothing on a page or in a spreadsheet."""

import csv
import importlib
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from lossatlas import cards
from lossatlas.analysis import arms
from lossatlas.losses import registry
from lossatlas.pages import escape
from lossatlas.report import book
from report.fakes import add_run

build = importlib.import_module("lossatlas.report.build")  # the name is the function's, too

BAD = (
    "<script>alert(1)</script>", "![a](http://evil/x.png)", "[a](javascript:alert(1))",
    "![a][r]\n\n[r]: http://evil/y.png", "`<img src=http://evil/z.png>", "``` \n<iframe>", "a | b",
    "```\n\n<svg onload=alert(1)>", "</code></pre><script>", "<!-- ", "$\\href{javascript:x}{y}$",
    "--><style>*{}</style>", "&lt;b&gt;<b>", "\\<u>\\`", "\u2028<s>\r\n<s>", "<http://evil/>",
    "    <object data=x>", "~~~\n<embed>\n~~~", "~~~ <embed>", "-     <object data=x>",
    "\ud800<b>", '"><img src=x onerror=y>', "~~~\n<base href=http://evil/>",
)  # fmt: skip
ALL = " ".join(BAD) + "\n\n" + "\n\n".join(BAD)
OURS = {"a", "code", "em", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "strong",
        "table", "tbody", "td", "th", "thead", "tr", "ul", "details", "summary",
        "blockquote", "br", "b"}  # fmt: skip


class Elements(HTMLParser):
    """Elements with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_comment(self, data):
        self.comments.append(data)


def active(markdown: str) -> list[object]:
    """What a renderer that lets HTML through would do beyond text, links and our pictures."""
    page = Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    return [
        *page.comments[1:],  # the first is our mark
        *((tag, a) for tag, a in page.found if tag not in OURS),
        *((t, a) for t, a in page.found if not (a.get("src") or "figures/").startswith("figures/")),
        *((t, a) for t, a in page.found if re.match("javascript|data", a.get("href") or "")),
        *((t, a) for t, a in page.found if any(name.startswith("on") for name in a)),
    ]


def alive(page: str) -> list[object]:
    """The same of an HTML page, which has one script and pictures inside or beside it."""
    found = Elements(page).found
    scripts = [tag for tag, _ in found if tag == "script"]
    allowed = ("data:image/svg+xml;base64,", "figures/", "#")
    return [
        *scripts[1:],
        *((t, a) for t, a in found if t in ("iframe", "base", "svg", "object", "u", "s")),
        *((t, a) for t, a in found if not (a.get("src") or "#").startswith(allowed)),
        *((t, a) for t, a in found if (a.get("href") or "").startswith("javascript")),
        *((t, a) for t, a in found if any(name.startswith("on") for name in a)),
    ]


@pytest.mark.parametrize("text", [*BAD, ALL])
def test_text_stays_text_wherever_it_stands(text):
    for page in (
        f"a {escape.plain(text)} b", f"| a |\n| - |\n| {escape.plain(text)} |\n",
        f"a {escape.code(text)} <!-- mark -->", f"a {escape.line(escape.code(text))} b",
        escape.fenced(text, "math"), f"{escape.prose(text)}\n\nend",
        f"- ours\n- ours\n\n{escape.prose(text)}\n\n[r]: http://evil/y.png",
        f"{escape.line(text)}\n\nend", f"| a |\n| - |\n| {escape.line(text)} |\n",
        f"- {escape.line(text)}", f"> {escape.line(text)}", f"[x](#loss-{escape.anchor(text)})",
    ):  # fmt: skip
        assert active(f"<!-- mark -->\n\n{page}".replace("<!-- mark -->\n\na", "a")) == [], page


@pytest.mark.parametrize("text", ["a *b* [c] | `d` \\e \\[", "<b> &amp; & &lt;"])
def test_plain_text_can_be_had_back(text):
    assert escape.unescaped(str(escape.plain(text))) == text


def test_prose_that_does_no_harm_is_left_as_it_is():
    for card in map(registry.get_card, registry.list_losses()):
        for text in card.prose.values():
            assert escape.prose(text) == text
    assert escape.prose("`a <b>` and $a<b$ and 1 < 2") == "`a <b>` and $a<b$ and 1 < 2"
    assert escape.prose("x\n\n```\ny") == "x\n\n```\ny\n```"
    assert escape.prose("```\ny\n```\n") == "```\ny\n```\n"


def test_code_and_blocks_hold_backticks():
    assert escape.code("a`b") == "``a`b``"
    assert escape.code("`a") == "`` `a ``"
    assert escape.fenced("x\n```\ny", "math") == "````math\nx\n```\ny\n````"


def test_the_bars_of_a_formula_survive_a_table():
    assert escape.line(r"$\|a\| + |b|$ or c") == r"$\Vert a\Vert  + \vert b\vert $ or c"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("+1+1", "'+1+1"), ("-2+3", "'-2+3"), ("@x", "'@x"),
        ("\tx", "'\tx"), ("\r=x", "'\r=x"), (" =x", "' =x"), ("＝x", "'＝x"), ("a=b", "a=b"),
        ("-1.5", "-1.5"), ("+2e-3", "+2e-3"), (-1.5, -1.5), (-3, -3), (True, True), ("", ""),
    ],
)  # fmt: skip
def test_a_cell_is_no_formula_and_numbers_stay_numbers(value, cell):
    assert escape.csv_cell(value) == cell


def test_a_report_of_hostile_rows_has_no_active_element(tmp_path, monkeypatch):
    root = tmp_path / "runs"
    for seed in (0, 1):
        for loss in ("cross_entropy", "focal"):
            add_run(root, loss, "clean", seed)
    source = build.read(root)
    rows = list(source.rows)
    for i, text in enumerate((*BAD, ALL)):
        text = text.replace("\ud800", "")  # no table of pandas holds it
        base = {"seed": i, "state": "failed", "run_id": f"=1+{i} {text}", "reason": text}
        done = {"state": "done", "lr_source": text, "torch": text, "hardware": text}
        named = {"loss": text, "scenario": text, "recipe": text, "model": text, "sweep": text}
        rows += [
            rows[0] | base, rows[0] | base | done,
            *([rows[0] | base | done | named] if i in (0, len(BAD)) else []),
            rows[0] | base | done | {"loss": "focal", "loss.gamma": text, "sweep": text},
        ]  # fmt: skip
    rows = arms.rows(pd.DataFrame(rows))
    makers = sorted({str(row["sweep"]) for row in rows if "sweep" in row})
    source = source._replace(rows=rows, planned=makers)
    monkeypatch.setattr(build, "read", lambda *_: source)
    page = build.build(root, tmp_path / "out").page
    assert alive(page.read_text()) == []
    assert active((tmp_path / "out" / "REPORT.md").read_text()) == []
    table = list(csv.reader(io.StringIO((tmp_path / "out" / "results.csv").read_text())))
    assert len(table) > 3 * len(BAD)
    assert not [c for line in table for c in line if c[:1] in ("=", "+", "@")]


def test_a_page_of_a_hostile_card_has_no_active_element(tmp_path, monkeypatch):
    card = registry.get_card("cross_entropy")
    text = ALL.replace("\ud800", "")  # which no card can hold
    paper = {"title": text, "authors": [text], "venue": text, "code": "javascript:alert(1)",
             "code_licence": text, "see_also": text, "arxiv": None, "doi": None}  # fmt: skip
    hyper = cards.Hyperparameter(default=1.0, range="[0, 1]", meaning=text, source=text)
    hostile = {
        "name": text, "formula": text, "prose": dict.fromkeys([*card.prose, "Traps"], text),
        "paper": card.paper.model_copy(update=paper), "claims": [text],
        "hyperparameters": {"x": hyper},
        "evidence": card.evidence.model_copy(update={"checked": text}),
        "properties": {k: cards.Claim(value=True, note=text) for k in card.properties},
    }  # fmt: skip
    evil = card.model_copy(update=hostile)
    monkeypatch.setattr(registry, "get_card", lambda name: evil)
    add_run(tmp_path / "runs", "cross_entropy", "clean", 0)
    build.build(tmp_path / "runs", tmp_path / "out")
    book.build(["cross_entropy"], tmp_path / "cards", [])
    for page in ("out/REPORT.md", "cards/cross_entropy.md"):
        assert active((tmp_path / page).read_text()) == []
    for page in ("out/index.html", "cards/cross_entropy.html"):
        assert alive((tmp_path / page).read_text()) == []
