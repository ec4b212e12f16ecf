"""The pages: offline, stable, complete, escaped, and safe to write."""

import base64
import hashlib
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lossatlas import drawing
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.pages import escape, formulas
from lossatlas.report import build, figures, source
from lossatlas.results import store, sweeps
from report.fakes import add_run
from rows import BASE

pytestmark = pytest.mark.xdist_group("report")  # one worker, which builds its pages once

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects tags with their attributes, and refuses tags that close what is not open."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(report: Path) -> str:
    return (report / "index.html").read_text()


@pytest.fixture(scope="module")
def markdown(report: Path) -> str:
    return (report / "REPORT.md").read_text()


@pytest.fixture
def few(runs: Path, tmp_path: Path, undrawn: None) -> Path:
    """One run of cross-entropy alone, quick to build from."""
    kept = "cross_entropy-clean-quick-s0-00000000000d"
    shutil.copytree(runs / kept, tmp_path / "runs" / kept)
    return tmp_path / "runs"


def test_html_needs_no_network(html):
    pictures = [base64.b64decode(text).decode() for text in re.findall(r"base64,([\w+/=]+)", html)]
    assert pictures
    for text in (html, *pictures):
        for tag, attributes in Page(re.sub(r"<\?xml.*?\?>|<!DOCTYPE[^>]*>", "", text)).tags:
            for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
                address = attributes.get(name) or "#"
                outside = tag == "a" and re.match(
                    "https://|figures/[^/]+csv$|results.csv$", address
                )
                assert outside or address.startswith(("#", "data:image/svg+xml;base64,")), address
        assert "@import" not in text
        assert re.findall(r"url\((?!#)", text) == []


def dead_links(folder: Path) -> list[str]:
    """What a report links to and does not have, in either page."""
    tags = Page((folder / "index.html").read_text()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {a["href"][1:] for t, a in tags if t == "a" and (a["href"] or "").startswith("#")}
    markdown = (folder / "REPORT.md").read_text()
    headings = re.findall(r"^#+ (.*)$", markdown, re.M)
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
    anchors |= set(re.findall(r'<a id="(.*?)">', markdown))
    linked = set(re.findall(r"\]\(#(.*?)\)", markdown))
    assert inside
    assert linked
    return [*(inside - set(ids)), *(linked - anchors)]


def test_links_of_the_pages_resolve(report):
    assert dead_links(report) == []


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("changes", [{}, {"lr_source": "default"}, {"lr": 1.125}])
def test_rates_are_shown_of_the_runs_that_have_them_from_the_table(tuned, tmp_path, changes):
    add_run(tmp_path / "runs", "cross_entropy", "clean", 0, **changes)
    add_run(tmp_path / "runs", "nt_xent", "clean", 0, recipe="long", lr=0.125)
    out = build(tmp_path / "runs", tmp_path / "out", tuned).page.parent
    assert dead_links(out) == []
    markdown = (out / "REPORT.md").read_text()
    rows = re.findall(r"^\| (\w+) .* 1 \+ 3 \| 66 \|", markdown, re.M)
    assert rows == ([] if changes else ["cross_entropy"])
    assert ("No learning rate of these runs came from a table" in markdown) is bool(changes)
    shutil.copytree(tuned, tmp_path / "tuned")
    (tmp_path / "tuned" / "other").mkdir()
    (tmp_path / "tuned" / "other" / "clean.yaml").write_text("not a table of these runs: [")
    again = build(tmp_path / "runs", tmp_path / "again", tmp_path / "tuned").page.parent
    assert (again / "REPORT.md").read_text() == markdown


@pytest.mark.usefixtures("undrawn")
def test_synthetic_and_smoke_runs_carry_a_banner(tmp_path):
    for loss in ("cross_entropy", "focal"):
        for seed in (0, 1):
            add_run(tmp_path / "runs", loss, "clean", seed, data="synthetic", recipe="smoke")
    out = build(tmp_path / "runs", tmp_path / "out").page.parent
    for page in ("REPORT.md", "index.html"):
        text = (out / page).read_text()
        assert "Synthetic images and smoke recipe: no finding." in text
        assert text.index("no finding") < text.index("The answer")
        assert "No finding: synthetic images and smoke recipe." in text
        assert "screened on" not in text
        assert "difference to" not in text
    assert not list(out.glob("figures/*difference*"))


def test_tables_have_captions_and_scoped_headings(html):
    tags = Page(html).tags
    assert sum(t == "table" for t, _ in tags) == sum(t == "caption" for t, _ in tags) > 5
    assert all(a.get("scope") in ("col", "row") for t, a in tags if t == "th")


@pytest.mark.usefixtures("undrawn")
def test_a_table_over_conditions_has_its_caption_once(tmp_path):
    for loss in ("cross_entropy", "focal"):
        add_run(tmp_path / "runs", loss, "clean", 0)
    out = build(tmp_path / "runs", tmp_path / "out", compare="focal,cross_entropy").page.parent
    assert (out / "REPORT.md").read_text().count("\nfocal minus cross_entropy\n") == 1


def test_every_picture_has_alternative_text_with_numbers(html, markdown):
    texts = [a.get("alt") or "" for t, a in Page(html).tags if t == "img"]
    texts += re.findall(r"!\[(.*?)\]\(figures", markdown)
    assert len(texts) == 2 * 12
    assert all(re.search(r"\d", text) and len(text) > 40 for text in texts)


def test_markdown_links_resolve(report, markdown):
    targets = re.findall(r"\]\(([^)#]+)\)", markdown)
    assert all((report / target).is_file() for target in targets if "://" not in target)
    drawn = {path.name for path in (report / "figures").iterdir()}
    assert drawn == {
        target.removeprefix("figures/") for target in targets if target.startswith("figures/")
    }


def test_markdown_tables_are_rectangular(markdown):
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.M)
    assert len(blocks) > 5
    for block in blocks:
        lines = block.strip().splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines[0]


def test_every_loss_of_the_rows_is_named_with_its_paper_and_nothing_else_of_its_card(
    markdown, runs
):
    losses = {row["loss"] for row in map(store.read_row, runs.glob("[a-z]*")) if row}
    assert len(losses) == 7
    for loss in losses:
        card = registry.get_card(loss)
        link = f"](<{card.paper.url}>)" if card.paper.url else ""
        row = rf"^\| {loss} \| {card.family} \| {card.target} \| .*{re.escape(link)} \|$"
        assert re.search(row, markdown, re.M), loss
        assert card.formula not in markdown


def test_losses_link_to_their_pages_that_lie_beside(few, tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "cross_entropy.md").write_text("its page")
    add_run(few, "focal", "clean", 0)
    out = build(few, tmp_path / "out").page.parent
    for page, link in (
        ("REPORT.md", "](../cards/{}.md)"),
        ("index.html", 'href="../cards/{}.html"'),
    ):
        text = (out / page).read_text()
        assert text.count(link.format("cross_entropy")) == 4
        assert link.format("focal") not in text


def test_failed_diverged_and_unfinished_runs_appear_with_their_reason(html, markdown):
    for text in (html, markdown):
        assert "loss is nan in epoch 3" in text
        assert "out of memory" in text
        assert "cut off after 0 epochs" in text
        assert "2 (1 diverged)" in text


def test_a_running_run_is_shown_without_its_clock(few, tmp_path):
    folder = few / ".running" / "focal-clean-quick-s1-000000000001"
    folder.mkdir(parents=True)
    start = {"run_id": folder.name, "loss": "focal", "seed": 1, "started": 0.0}
    store.write_json(folder / "start.json", start)
    with store.workshop(few, folder.name):
        page = build(few, tmp_path / "out").page.read_text()
    assert "not finished" in page
    assert " min<" not in page


def test_tuning_runs_are_not_part_of_the_comparison(html, markdown, report):
    for text in (html, markdown, (report / "results.csv").read_text()):
        assert "99.90" not in text
        assert "0.999," not in text


def test_the_rates_are_shown_with_what_they_took(markdown):
    assert "| cross_entropy | likelihood | 0.375 | 70.12 | 1 + 3 | 66 |" in markdown
    assert (
        "| focal | likelihood | 1.125 | 68.12 | 0 + 2 | 42 | at the edge of what is tried |"
        in markdown
    )
    assert "| nt_xent | contrastive_two_view | 0.125 | 34.12 | 0 + 2 | 60 |" in markdown
    line = next(r for r in markdown.splitlines() if r.startswith("| focal ") and "(tuned)" in r)
    assert line.endswith("| 2 |")


def test_every_picture_has_its_data_beside_it(report, markdown):
    for name in re.findall(r"\(figures/(\S+)\.svg\)", markdown):
        data = pd.read_csv(report / "figures" / f"{name}.csv")
        assert f"[The data of this figure](figures/{name}.csv)" in markdown
        assert {"loss"} < set(data.columns)
        assert len(data) >= 2
    forest = pd.read_csv(report / "figures" / "clean-difference.csv")
    assert list(forest.columns) == [
        "loss", "seed", "points", "low", "high", "n", "baseline_n", "conclusion",
    ]  # fmt: skip
    means = forest[forest["seed"].isna()].set_index("loss")["points"]
    seeds = forest.dropna(subset="seed").groupby("loss")["points"].mean()
    assert means.sort_index().to_dict() == pytest.approx(seeds.to_dict())
    line = next(r for r in markdown.splitlines() if r.startswith("| focal | likelihood"))
    assert f"| {means['focal']:+.2f} |".replace("-", "−") in line


def test_pictures_follow_a_dark_page(report):
    for path in (report / "figures").glob("*.svg"):
        text = path.read_text()
        assert text.count("prefers-color-scheme: dark") == 1
        used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text.partition("</style>")[2]))
        # what is drawn in other colours is seen on both grounds
        for colour in used - {*drawing.NIGHT, "#1a1a1a", "#fdfdfd", "#b0b0b0"}:
            if "recall" not in path.name:
                assert colour in (*figures.COLOURS, figures.OTHER), (path.name, colour)


def test_colours_are_seen_on_both_grounds_and_differ():
    def luminance(colour):
        return drawing.sns.utils.relative_luminance(colour)

    assert len(set(figures.COLOURS)) == 7
    for colour in (*figures.COLOURS, figures.OTHER):
        for ground in (drawing.LIGHT, drawing.NIGHT[drawing.LIGHT]):
            a, b = sorted((luminance(colour), luminance(ground)))
            assert (b + 0.05) / (a + 0.05) > 3, (colour, ground)


def test_what_is_equal_is_folded_and_the_page_is_well_formed(html, markdown):
    assert html.count("<details><summary>") == html.count("</details>") == 5
    assert markdown.count("<details><summary>") == markdown.count("\n</details>\n") == 5
    at = {part: markdown.index(part) for part in ("Settings that all runs share", "## Pictures")}
    assert at["## Pictures"] < at["Settings that all runs share"]
    first, rest = html.split("</section>", 1)
    assert first.count("<figure>") == 3
    assert 'data-part="the-answer"' in first
    assert "<table" not in first
    assert "<table" in rest
    said = re.search(r"## The answer\n\n(.*?)\n\n", markdown, re.S)[1].splitlines()
    assert 1 < len(said) <= 6


def test_no_row_is_emphasised(markdown):
    assert not [line for line in markdown.splitlines() if line.startswith("|") and "**" in line]


def test_no_number_is_nan_and_no_folder_of_the_machine_is_told(report, html, markdown, runs):
    for text in (html, markdown, (report / "results.csv").read_text()):
        assert not re.search(r"\bnan\b(?! in epoch)", re.sub(r"base64,[\w+/=]+|NaN", "", text))
        assert str(runs) not in text
        assert "/a/folder" not in text
        assert "n_train" not in text


def test_second_build_is_byte_identical(runs, tuned, report, tmp_path):
    again = build(runs, tmp_path / "again", tuned).page.parent
    names = sorted(p.relative_to(report) for p in report.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in names:
        assert (again / name).read_bytes() == (report / name).read_bytes(), name


def test_report_is_small(report):
    # the budget of 3 MB is for 8 losses and 3 seeds on 10,000 images; curves have 100 points each
    assert sum(p.stat().st_size for p in report.rglob("*") if p.is_file()) < 1_000_000


def test_hostile_rows_and_cards_are_escaped(few, tmp_path, monkeypatch):
    reason = "<script>alert(1)</script> | `x` \n ![a](http://evil/x.png)"
    add_run(few, "cross_entropy", "clean", 1, "diverged", reason=reason)
    card = registry.get_card("cross_entropy")
    hostile = {
        "name": '"><img src=http://evil/y.png>', "formula": r"\text{<script>alert(2)</script>}",
        "prose": {"Traps": "<iframe src=http://evil></iframe> ![p](http://evil/z.png)"},
    }  # fmt: skip
    monkeypatch.setattr(registry, "get_card", lambda name: card.model_copy(update=hostile))
    page = build(few, tmp_path / "out").page.read_text()
    tags = Page(page).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not [a for tag, a in tags if tag == "iframe" or "evil" in (a.get("src") or "")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    markdown = (tmp_path / "out" / "REPORT.md").read_text()
    assert "&lt;script>alert(1)&lt;/script> \\| \\`x\\` !\\[a\\](http://evil/x.png)" in markdown


def test_one_run_without_tuning_table_gives_a_report(few, tmp_path):
    page = build(few, tmp_path / "out").page.read_text()
    assert "With one seed a number has no interval" in page
    assert "No learning rate of these runs came from a table" in page
    assert "Every run here has finished, and none diverged." in page


def test_loss_without_card_is_named(few, tmp_path):
    add_run(few, "a_removed_loss", "clean", 0)
    page = build(few, tmp_path / "out").page.read_text()
    assert re.search('row">a_removed_loss</th>(.|\n)*?has no card in this installation', page)


def test_rebuilding_drops_stale_figures_and_leaves_other_files(few, tmp_path):
    out = tmp_path / "out"
    build(few, out)
    (out / "figures" / "mine.svg").write_text("mine")
    (out / "notes.txt").write_text("mine")
    add_run(few, "cross_entropy", "ambiguous_pets", 0)
    build(few, out)
    assert (out / "figures" / "ambiguous_pets-curves.svg").is_file()
    shutil.rmtree(next(few.glob("*ambiguous*")))
    build(few, out)
    assert not (out / "figures" / "ambiguous_pets-curves.svg").exists()
    assert (out / "figures" / "mine.svg").read_text() == "mine"
    assert (out / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["index.html", "REPORT.md", "results.csv"])
def test_a_strangers_page_is_not_overwritten(few, tmp_path, name):
    out = tmp_path / "site"
    out.mkdir()
    (out / name).write_text("my own page")
    with pytest.raises(UserError, match=name):
        build(few, out)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [(name, "my own page")]


def test_missing_and_empty_folders_of_runs_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        build(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="holds no runs"):
        build(tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_output_that_cannot_be_written_is_refused(few, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot be written"):
            build(few, out)
    assert (tmp_path / "file").read_text() == "a file, not a folder"


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_some_runs_is_that_of_a_store_of_those(runs, tuned, tmp_path):
    kept = [path for path in runs.iterdir() if path.match("[cf]*-clean-quick-s[01]-*")]
    assert len(kept) == 6
    for path in kept:
        shutil.copytree(path, tmp_path / "runs" / path.name)
    expected = build(tmp_path / "runs", tmp_path / "all", tuned).page.parent
    found = build(runs, tmp_path / "some", tuned, only="[cf]*-clean-quick-s[01]-*").page.parent
    names = sorted(p.relative_to(expected) for p in expected.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(found) for p in found.rglob("*") if p.is_file())
    for name in names:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_one_sweep_has_what_it_planned_whoever_made_it(tmp_path):
    root, line = tmp_path / "runs", "loss=focal 'model.widths=[8, 8]' seed=0 runs=/a/folder"
    made = [
        add_run(root, loss, "clean", 0, **more)
        for loss, more in (
            ("cross_entropy", {"sweep": "other-123456"}), ("focal", {"sweep": "mine-123456"}),
            ("label_smoothing", {}),
        )
    ]  # fmt: skip
    plan = [sweeps.Planned(path.name, {}, "class_index", "tuned") for path in made[:2]]
    name = sweeps.write(root, "mine", [line, "loss=gce threads=2"], plan).name
    out = build(root, tmp_path / "out", sweep="mine").page.parent
    rows = (out / "results.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [path.name for path in made[:2]]
    commands = (
        f"The runs of sweep {name}:\n\n```\n"
        "lossatlas train -m loss=focal 'model.widths=[8, 8]' seed=0\n"
        "lossatlas train -m loss=gce threads=2\n```\n"
    )
    assert commands in (out / "REPORT.md").read_text()
    assert "'model.widths=[8, 8]' seed=0\nlossatlas" in unescape((out / "index.html").read_text())
    with pytest.raises(UserError, match="no runs to report with --only '\\*-s1-\\*' with --sweep"):
        build(root, tmp_path / "none", only="*-s1-*", sweep="mine")
    with pytest.raises(UserError, match=f"no sweep 'other' in .* there are: {name}"):
        build(root, tmp_path / "none", sweep="other")
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("undrawn")
def test_only_the_runs_of_the_report_are_opened(runs, tmp_path, monkeypatch):
    opened = []
    for name in ("_config", "_scores", "read_epochs"):
        real = getattr(source, name)
        monkeypatch.setattr(source, name, lambda path, real=real: opened.append(path) or real(path))
    build(runs, tmp_path / "out", only="focal-clean-quick-s0-*")
    assert len(opened) == 3
    assert {path.name[:20] for path in opened} == {"focal-clean-quick-s0"}


def test_a_configuration_read_by_groups_is_the_whole_one(tmp_path):
    config = {
        "loss": {"name": "sum", "terms": "a\nb: c\n", "w": 2.0}, "seed": 3, "runs": "/x y: z",
        "scenario": {"name": "clean", "probability": 0.0, "text": "x\n\ny", "none": None},
        "model": {"name": "m", "widths": [1, 2], "long": "word " * 60, "deep": {"a": [{"b": 1}]}},
        "data": {"name": "d", "n_train": 0, "n_test": 5}, "logger": {"project": "p"},
        "Ünï": {"x": "null", "y": "1e3", "z": 1e3}, "holdout": 0, "recipe": {"lr": 1, "warmup": 1},
    }  # fmt: skip
    expected = {
        "config.scenario.probability": 0.0, "config.scenario.text": "x\n\ny",
        "config.model.widths": [1, 2], "config.model.long": "word " * 60,
        "config.model.deep": {"a": [{"b": 1}]}, "config.data.n_test": 5,
        "config.Ünï.x": "null", "config.Ünï.y": "1e3", "config.Ünï.z": 1e3,
        "config.recipe.warmup": 1,
    }  # fmt: skip
    for style in ({}, {"allow_unicode": True, "indent": 8}, {"width": 20}):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, **style))
        assert source._config(tmp_path) == expected
    assert source._config(tmp_path / "nowhere") == {}


@pytest.mark.usefixtures("undrawn")
def test_a_figure_draws_the_baseline_and_the_best_of_many(tmp_path, monkeypatch):
    for loss in ("cross_entropy", "focal", "label_smoothing", "crammer_singer_hinge", "gce"):
        changes = {"test_accuracy": 0.1} if loss == "cross_entropy" else {}
        add_run(tmp_path / "runs", loss, "clean", 0, **changes)
    monkeypatch.setattr(figures, "MOST", 3)
    monkeypatch.setattr(figures, "TALL", 3)
    monkeypatch.setattr(figures, "PANELS", 2)
    out = build(tmp_path / "runs", tmp_path / "out").page.parent
    markdown = (out / "REPORT.md").read_text()
    first, *_ = markdown.split("Sorted by the mean")
    rows = re.findall(r"^\| (\w+) \| \w+ \| [\d.]+ \|", first, re.M)
    assert len(rows) == 5
    assert rows[-1] == "cross_entropy"

    def drawn(name):
        return list(pd.read_csv(out / f"figures/clean-{name}.csv")["loss"].unique())

    assert drawn("difference") == rows[:4]  # the data are whole
    for name in ("curves", "reliability", "margins", "recall"):
        assert drawn(name) == [rows[-1], *rows[:2]]
    told = re.findall(r"^!\[(.*?)\].*\n\n(.*)$", markdown, re.M)
    assert len(told) == 5
    assert "1 more arm is in the data." in told[0][1]
    for alt, caption in told[1:3]:
        assert rows[-1] in alt
        assert rows[0] in alt
        assert rows[1] not in alt
        assert "1 more arm is in the data, 2 of the table are not." in caption


HOLLOW = (
    "recipe: quick\nscenario: clean\nmodel: a\ndata: b\nprotocol: x\nsaid: {{}}\n"
    "trials: {trials}\nchosen: {chosen}\n"
)


@pytest.mark.parametrize(
    "text",
    ["trials: [", "recipe: quick", "- 1", HOLLOW.format(trials="[1]", chosen="{}"),
     HOLLOW.format(trials="[]", chosen="{a: x}"), HOLLOW.format(trials="[]", chosen="1"),
     HOLLOW.format(trials="[{loss: a, lr: 1}]", chosen="{}")],
)  # fmt: skip
def test_unreadable_table_of_rates_is_refused(few, tmp_path, text):
    table = tmp_path / "tuned" / "quick" / "clean.yaml"
    table.parent.mkdir(parents=True)
    table.write_text(text)
    with pytest.raises(UserError, match=re.escape(str(table))):
        build(few, tmp_path / "out", tmp_path / "tuned")


@pytest.mark.parametrize(
    ("latex", "part"),
    [
        (r"\frac{1}{2}", "<mfrac>"),
        (r"\mathrm{softmax}(s)", "<mo>softmax</mo>"),
        (r"a < b", "&#x0003C;"),
        (r"\frac{", r"<code>\frac{</code>"),
        (r"\text{<b>x</b>}", r"<code>\text{&lt;b&gt;x&lt;/b&gt;}</code>"),
    ],
)
def test_formulas_become_mathml_or_code(latex, part):
    assert part in formulas.mathml(latex)


def test_prose_keeps_formulas_and_code_apart():
    html = formulas.renderer().render(
        "With $x_1 < y_2$ and `$x$`; it costs 5 $ or 6 $.\n\n- *one*\n"
    )
    assert "<msub><mi>x</mi><mn>1</mn></msub>" in html
    assert "<code>$x$</code>" in html
    assert "5 $ or 6 $" in html
    assert "<em>one</em>" in html


def test_markdown_cells_stay_in_their_cell():
    assert escape.plain("a|b\nc <i> [x](y)") == r"a\|b c &lt;i> \[x\](y)"


def store_of(root, accuracies, **more):
    """A store of runs with these accuracies by loss, a seed each."""
    for loss, many in accuracies.items():
        for seed, accuracy in enumerate(many):
            weights = hashlib.sha256(f"{root}{loss}{seed}".encode()).hexdigest()
            made = {"test_accuracy": accuracy, "weights_sha256": weights}
            add_run(root, loss, "clean", seed, **made, **more)
    return root


HERE = {"cross_entropy": BASE, "focal": [0.75, 0.751, 0.749]}


@pytest.mark.usefixtures("undrawn")
def test_statements_hold_or_not_in_other_runs(with_results, tmp_path, command):
    here, results = with_results
    for name, focal, outcome in (
        ("same", [0.751, 0.75, 0.752], "holds"),
        ("further", [0.80, 0.801, 0.799], "not confirmed"),
        ("wide", [0.80, 0.70, 0.76], "not confirmed"),
        ("below", [0.65, 0.651, 0.649], "turned over"),
    ):
        there = store_of(tmp_path / name, {"cross_entropy": BASE, "focal": focal})
        line = ("report", "--runs", here, "-o", tmp_path / "out", "--check", there)
        status, out, _ = command(*map(str, line))
        assert status == (1 if outcome == "turned over" else 0)
        assert f"{outcome}: `clean` (recipe `quick`" in out
        markdown = (tmp_path / "out" / "REPORT.md").read_text()
        by = "all by the same seeds, which tests the machine and not the luck of the seeds."
        none, named = ", none turns over", "(`focal` in `clean`)"
        told = {
            "holds": f"1 holds{none}",
            "not confirmed": f"1 is not confirmed {named}{none}",
            "turned over": f"1 turns over {named}",
        }[outcome]
        assert f"1 of 1 statements are in `{name}`, too: {told}; {by}" in markdown
        assert f"Made again from {name}" in (tmp_path / "out" / "index.html").read_text()
    other = store_of(tmp_path / "again", HERE)
    [[one]] = build(other, tmp_path / "out", check=[results]).repeated.values()
    assert (one.here.arm.label, one.here.conclusion, one.outcome) == ("focal", "higher", "holds")


@pytest.mark.usefixtures("undrawn")
def test_runs_do_not_confirm_themselves(with_results, tmp_path):
    here, results = with_results
    for same in (here, results):
        with pytest.raises(UserError, match=r"holds the runs of .* cannot confirm themselves"):
            build(here, tmp_path / "out", check=[same])
    assert not (tmp_path / "out").exists()
    more = shutil.copytree(here, tmp_path / "more")
    for loss in HERE:
        for seed in (8, 9, 10):
            add_run(more, loss, "clean", seed, test_accuracy=0.7 + seed / 1000)
    [[one]] = build(here, tmp_path / "out", check=[more]).repeated.values()
    assert (one.there.difference.n, one.there.difference.m) == (3, 3)  # the new seeds alone


@pytest.fixture(scope="module")
def with_results(tmp_path_factory):
    """A store, and the table of results of its report."""
    root = tmp_path_factory.mktemp("results")
    here = store_of(root / "here", HERE)
    return here, build(here, root / "pages").page.with_name("results.csv")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("seed", "abc", "row 2: field 'seed' is 'abc', but must be a valid integer"),
        ("seed", "0.5", "field 'seed' is 0.5, but must be a valid integer"),
        ("test_accuracy", "good", "field 'test_accuracy' is 'good', but must be a valid number"),
        ("test_accuracy", "9e99", "but must be less than or equal to 1"),
        ("state", "well", "field 'state' is 'well', but must be 'done', 'diverged' or 'failed'"),
        ("run_id", "../x", "field 'run_id' is '../x', but must be the name of a folder"),
        ("run_id", "", "field 'run_id' is missing"),
        ("loss", "", "field 'loss' is missing"),
    ],
)
def test_a_table_of_results_that_is_damaged_is_one_sentence(
    with_results, tmp_path, field, value, says
):
    here, whole = with_results
    path = tmp_path / "results.csv"
    table = pd.read_csv(whole, dtype=str, keep_default_na=False)
    table.loc[1, field] = value
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        build(here, tmp_path / "out", check=[path])
    assert says in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_check_without_counterparts_is_refused(tmp_path):
    here = store_of(tmp_path / "here", HERE)
    few = store_of(tmp_path / "few", {loss: many[:2] for loss, many in HERE.items()})
    with pytest.raises(UserError, match=r"makes none of the 1 statements of .* again"):
        build(here, tmp_path / "out", check=[few])
    with pytest.raises(UserError, match="there is no such folder of runs"):
        build(here, tmp_path / "out", check=[tmp_path / "nowhere"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"metric": "speed"}, "--metric 'speed': there is no such metric; legal: test_accuracy, "),
        ({"baseline": "gce"}, "--baseline 'gce': no run is of this loss; there are: cross_entropy"),
        ({"compare": "cross_entropy"}, "--compare 'cross_entropy': legal are two different losses"),
        ({"compare": "cross_entropy,"}, "--compare 'cross_entropy,': legal are two different"),
        ({"compare": "focal, focal"}, "legal are two different losses, as in 'mae,gce'"),
        ({"compare": "cross_entropy,gce"}, "--compare 'gce': no run is of this loss; there are"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused(few, tmp_path, asked, told):
    with pytest.raises(UserError, match=re.escape(told)):
        build(few, tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_a_metric_that_no_run_has_is_refused(tmp_path):
    add_run(tmp_path / "runs", "nt_xent", "clean", 0)
    with pytest.raises(UserError, match=r"--metric 'nll': no run of .* has it; they have: knn_acc"):
        build(tmp_path / "runs", tmp_path / "out", metric="nll")


def test_measures_of_older_rows_come_from_their_bundles(few, tmp_path):
    [path] = few.glob("*/row.json")
    row = store.read_row(path.parent)
    extra = {"test_aurc", "test_ece_equal_mass", "test_ece_classwise", "test_ece_debiased"}
    store.write_json(path, {key: v for key, v in row.items() if key not in extra})
    out = build(few, tmp_path / "out", metric="aurc").page.parent
    assert "AURC, %" in (out / "REPORT.md").read_text()
    head, line = (out / "results.csv").read_text().splitlines()
    told = dict(zip(head.split(","), line.split(","), strict=True))
    assert {key: float(told[key]) for key in extra} == {key: row[key] for key in extra}
    # and without a bundle, the report is made all the same
    (path.parent / "bundle.safetensors").unlink()
    build(few, tmp_path / "out")
    assert "test_aurc" not in (tmp_path / "out" / "results.csv").read_text()
