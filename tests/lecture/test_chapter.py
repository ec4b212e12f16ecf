"""The lecture's pages: offline, stable, complete, honest about failures, and safe to write."""

import base64
import re
import shutil
import sys
from collections.abc import Iterator

import pytest
import torch

from lossatlas import cli
from lossatlas.errors import UserError
from lossatlas.lecture import SECTIONS, Relation, Section, figures
from lossatlas.lecture import chapter as lecture
from lossatlas.lecture.sample import Sample
from lossatlas.lecture.statement import statement
from lossatlas.losses.registry import get_card
from lossatlas.pages import formulas, render
from report.test_report import Page

pytestmark = pytest.mark.xdist_group("lecture")  # one worker, which builds its pages once
CARDS = [card for section in SECTIONS for card in section.cards]
STATEMENTS = [one for section in SECTIONS for one in section.statements]


@pytest.fixture(scope="module")
def chapter(tmp_path_factory: pytest.TempPathFactory) -> lecture.Chapter:
    return lecture.build(tmp_path_factory.mktemp("out") / "lecture")


@pytest.fixture(scope="module")
def html(chapter: lecture.Chapter) -> str:
    return chapter.page.read_text()


@pytest.fixture(scope="module")
def markdown(chapter: lecture.Chapter) -> str:
    return (chapter.page.parent / "REPORT.md").read_text()


@statement("One is two", "1=2")
def one_is_two(sample: Sample) -> Iterator[Relation]:
    """It is not."""
    one = torch.ones(5, dtype=torch.float64)
    yield Relation("$1=2$", one, "==", 2 * one)
    yield Relation("$1=1$", one, "==", one)


def _without_figures(monkeypatch: pytest.MonkeyPatch, *sections: Section) -> None:
    """A short chapter, built in no time."""
    monkeypatch.setattr(lecture, "SECTIONS", sections or SECTIONS[:1])
    monkeypatch.setattr(figures, "pictures", list)


def test_all_checks_hold_and_the_page_says_how_many(chapter, html, markdown):
    assert chapter.failures == []
    for text in (html, markdown):
        assert f"{len(STATEMENTS)} statements, " in text
        assert f"{sum(len(get_card(c).examples) for c in CARDS)} worked examples: all hold" in text
        assert "✗" not in text


def test_every_statement_appears_with_formula_reason_and_checks(html, markdown):
    for one in STATEMENTS:
        assert f'<h3 id="{one.id}">' in html
        assert f'<a id="{one.id}"></a>' in markdown
        assert one.formula in markdown
        assert one.words in markdown
        assert formulas.mathml(one.formula, "block") in html
    assert html.count("✓ holds") == markdown.count("✓ holds") > 2 * len(STATEMENTS)
    assert "<code>" not in html  # a formula that could not be converted


def test_worked_examples_come_from_the_cards(html, markdown):
    for text in (html, markdown):
        assert len(re.findall(r"✓\sagrees", text)) == sum(len(get_card(c).examples) for c in CARDS)


def test_errata_stand_beside_what_is_right(html, markdown):
    for text in (html, markdown):
        errata = re.sub(r"</?strong>|\*\*", "", text[text.index("Slips in the printed") :])
        assert "Printed: 0.2. Right: 0.1049. " in errata
        assert "allows 0.05903 to 0.1148 here" in errata
        assert "Printed: 0.448. Right: 1.263. " in errata
        assert "allows at least 0.98 here" in errata
        assert re.search(r"log loss of s \+ c1 differs from that of s\. Not so", errata)
        assert re.search(r"at [\d,]{6,} points, .* largest difference is \d\S*e−16 of", errata)


def test_dog_and_cat_under_each_loss(markdown):
    row = "| (0, 5, 0, 0) | 5 | 0 | 0.0133 | 1.827 | 0.006604 |"
    assert row in markdown
    assert "| (5, 5, 0, 0) | 5 | 0 | 0.006715 | 0.006715 | 0.4967 |" in markdown


def test_html_needs_no_network(html):
    svgs = [base64.b64decode(text).decode() for text in re.findall(r"base64,([\w+/=]+)", html)]
    assert len(svgs) == 3
    for text in (html, *svgs):
        for _, attributes in Page(re.sub(r"<\?xml.*?\?>|<!DOCTYPE[^>]*>", "", text)).tags:
            for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
                address = attributes.get(name) or "#"
                assert address.startswith(("#", "data:image/svg+xml;base64,")), address
        assert "@import" not in text
        assert re.findall(r"url\((?!#)", text) == []


def test_ids_are_unique_and_links_resolve(chapter, html, markdown):
    tags = Page(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {a["href"][1:] for t, a in tags if t == "a" and (a["href"] or "").startswith("#")}
    assert inside <= set(ids)
    anchors = set(re.findall(r'<a id="(.*?)">', markdown)) | {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)$", markdown, re.M)
    }
    assert set(re.findall(r"\]\(#(.*?)\)", markdown)) <= anchors
    files = [t for t in re.findall(r"\]\(([^)#]+)\)", markdown) if t.endswith((".svg", ".html"))]
    assert len(files) == 4
    assert all((chapter.page.parent / file).is_file() for file in files)


def test_pictures_tell_their_numbers(html, markdown):
    texts = [a.get("alt") or "" for t, a in Page(html).tags if t == "img"]
    texts += re.findall(r"!\[(.*?)\]\(figures", markdown)
    assert len(texts) == 2 * 3
    assert all(len(re.findall(r"\d", text)) > 3 for text in texts)
    simplex = next(text for text in texts if "triangles" in text)
    assert "soft target: five descents end with p of dog from 0.50 to 0.50" in simplex
    low, high = map(
        float, re.findall(r"log loss of the set: .* from (\S+) to (\d\.\d+)", simplex)[0]
    )
    assert high - low > 0.8


def test_tables_are_rectangular_captioned_and_scoped(html, markdown):
    tags = Page(html).tags
    assert sum(t == "table" for t, _ in tags) == sum(t == "caption" for t, _ in tags)
    assert all(a.get("scope") in ("col", "row") for t, a in tags if t == "th")
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.M)
    assert len(blocks) == sum(t == "table" for t, _ in tags)
    for block in blocks:
        lines = block.strip().splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines[0]


def test_second_build_is_byte_identical_and_small(chapter, tmp_path):
    first, again = chapter.page.parent, lecture.build(tmp_path / "again").page.parent
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in names:
        assert (again / name).read_bytes() == (first / name).read_bytes(), name
        assert str(first).encode() not in (first / name).read_bytes()
    assert sum((first / name).stat().st_size for name in names) < 600_000


def test_a_failing_check_is_shown_and_ends_with_code_1(monkeypatch, capsys, tmp_path):
    _without_figures(monkeypatch, Section("x", "Arithmetic", "Hm.", (one_is_two,), ()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lossatlas", "lecture"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    captured = capsys.readouterr()
    assert captured.err == "fails: One is two: $1=2$\n"
    html = (tmp_path / "reports" / "local" / "lecture" / "index.html").read_text()
    assert (
        html.count('<td><strong class="fails">✗ fails</strong></td>') == html.count("✓ holds") == 1
    )
    assert '<strong class="fails">✗ 1 of the checks fail' in html
    assert "all hold" not in html
    markdown = (tmp_path / "reports" / "local" / "lecture" / "REPORT.md").read_text()
    assert "1 of the checks fail" in markdown
    assert "### One is two (✗ the check fails)" in markdown


def test_a_wrong_example_or_erratum_fails_the_chapter(monkeypatch, tmp_path):
    card = get_card("cross_entropy")
    wrong = [e.model_copy(update={"value": 0.2} if e.printed else {}) for e in card.examples]
    edited = card.model_copy(update={"examples": wrong})
    monkeypatch.setattr("lossatlas.losses.registry.get_card", lambda name: edited)
    _without_figures(monkeypatch, Section("x", "X", "", (), ("cross_entropy",)))
    chapter = lecture.build(tmp_path / "out")
    assert [line.split(":")[0] for line in chapter.failures] == [
        "worked example of cross_entropy", "erratum of cross_entropy",
    ]  # fmt: skip
    assert "The check of this erratum fails" in chapter.page.read_text()


def test_the_command_works_in_an_empty_folder(monkeypatch, capsys, tmp_path):
    _without_figures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lossatlas", "lecture", "-o", "a/b"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    captured = capsys.readouterr()
    assert captured.out.strip() == str(tmp_path / "a/b/index.html")
    assert captured.err == ""
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir() if p.is_file()) == [
        "REPORT.md", "files.txt", "index.html",
    ]  # fmt: skip
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_a_file_and_a_strangers_folder_are_left_alone(monkeypatch, tmp_path):
    _without_figures(monkeypatch)
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        lecture.build(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "a file, not a folder"
    report = tmp_path / "report"
    report.mkdir()
    (report / "REPORT.md").write_text(render.mark("report") + "\n# Another command's page\n")
    with pytest.raises(UserError, match="not a page of 'lossatlas lecture'"):
        lecture.build(report)
    assert [p.name for p in report.iterdir()] == ["REPORT.md"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "report"]


def test_rebuilding_drops_stale_figures_and_restores_the_threads(chapter, monkeypatch, tmp_path):
    shutil.copytree(chapter.page.parent, tmp_path / "out")
    _without_figures(monkeypatch)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    lecture.build(tmp_path / "out")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert list((tmp_path / "out" / "figures").iterdir()) == []
