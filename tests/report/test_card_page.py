"""The book of cards: complete, offline, stable, escaped, honest, and safe to write."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lossatlas import cards
from lossatlas.errors import UserError
from lossatlas.losses import examples, registry
from lossatlas.pages import render
from lossatlas.report import advice, atlas_figure, book, card_figures, card_page, figures
from lossatlas.results import store
from lossatlas.theory import properties, records
from lossatlas.theory.checks import CHECKS
from lossatlas.theory.subject import examine
from report.fakes import add_run
from report.test_report import Page

pytestmark = pytest.mark.xdist_group("cards")  # one worker, which builds its pages once

assert properties  # importing it registers the checks
PICKED = ("cross_entropy", "gce", "set_margin_hinge", "balanced_softmax", "nt_xent")
THETA = [0.25, 0.5, 0.75]
Records = dict[str, dict[str, Any]]


def made_up(name: str) -> Records:
    """Records by property: one real check, and what slower ones would have found."""
    record = records.run(CHECKS["shift_invariant"], examine(name))
    plain = record | {"witness": None, "reason": None, "certificate": None, "declared": None}
    found = {
        "strictly_proper": ("refuted", {"truth": THETA, "prediction": [0.1, 0.5, 0.9]}),
        "calibration_function": ("not_refuted", {"theta": THETA, "psi": [0.1, 0.2, "inf"]}),
        "special_cases": (
            "not_refuted",
            {"cases": [{"residual": 2.5e-13} for _ in registry.get_card(name).limits]},
        ),
        "bounded": ("proved", {"supremum": 1.25, "infimum": -0.0}),
    }
    made = {
        prop: plain | {"property": prop, "verdict": verdict, "agrees": None, "found": numbers}
        for prop, (verdict, numbers) in found.items()
    }
    reason = "<b>not</b> for this | loss"
    made["convex_in_logits"] = plain | {
        "property": "convex_in_logits", "verdict": "not_applicable", "reason": reason, "found": {},
        "agrees": None,
    }  # fmt: skip
    if name == "nt_xent":
        return {"shift_invariant": record}
    return {"shift_invariant": record, **made}


class Verdicts:
    """Verdicts without a search; a test may change what a loss gets."""

    def __init__(self) -> None:
        self.known: dict[str, Records] = {}

    def __call__(self, name: str) -> Records:
        if name not in self.known:
            self.known[name] = made_up(name)
        return self.known[name]

    def install(self, patch: pytest.MonkeyPatch) -> "Verdicts":
        """Make the cards use these verdicts, and the book hold five losses."""
        patch.setattr(records, "check", lambda name: list(self(name).values()))
        patch.setattr(registry, "list_losses", lambda: list(PICKED))
        return self


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return Verdicts().install(monkeypatch)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of results with two seeds of two losses."""
    folder = tmp_path_factory.mktemp("results")
    for seed in (0, 1):
        add_run(folder / "runs", "cross_entropy", "clean", seed)
        add_run(folder / "runs", "gce", "clean", seed)
    rows = [json.loads(p.read_text()) for p in sorted(folder.glob("runs/*/row.json"))]
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    return folder / "results.csv"


@pytest.fixture(scope="module")
def built(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole book of five losses, for tests that only read it."""
    out = tmp_path_factory.mktemp("cards") / "book"
    with pytest.MonkeyPatch.context() as patch:
        Verdicts().install(patch)
        assert book.build(None, out, [results]) == [out / "index.html"]
    return out


def test_the_book_is_whole_offline_and_its_links_resolve(built: Path) -> None:
    for name in (*PICKED, "index"):
        text = (built / f"{name}.html").read_text()
        assert text.splitlines()[1] == render.mark("card")
        tags = Page(text).tags
        ids = [a["id"] for _, a in tags if "id" in a]
        assert len(ids) == len(set(ids))
        for tag, attributes in tags:
            for key in ("src", "href", "srcset", "data", "action"):
                address = attributes.get(key) or "#"
                page, _, anchor = address.partition("#")
                if tag == "a" and address.startswith("https://"):
                    continue
                if address.startswith("data:image/svg+xml;base64,"):
                    picture = base64.b64decode(address.partition(",")[2]).decode()
                    assert not re.search(r'href="(?!#)|url\((?!#)', picture)
                    continue
                there = (built / page).read_text() if page else text
                assert not anchor or f'id="{anchor}"' in there, address
        assert "@import" not in text
        assert re.findall(r"url\((?!#)", text) == []


def test_markdown_links_resolve_and_tables_are_rectangular(built: Path) -> None:
    for path in built.glob("*.md"):
        text = path.read_text()
        assert text.startswith(render.mark("card"))
        targets = re.findall(r"\]\(([^)<>#\s]+)", text)
        assert all((built / target).is_file() for target in targets), targets
        for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.M):
            lines = block.strip().splitlines()
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines[0]


def test_every_panel_has_numbers_in_its_alternative_text(built: Path) -> None:
    for name, panels in (("gce", 6), ("balanced_softmax", 5), ("nt_xent", 0)):
        tags = Page((built / f"{name}.html").read_text()).tags
        texts = [a["alt"] or "" for tag, a in tags if tag == "img"]
        assert len(texts) == panels
        assert all(re.search(r"\d", text) and len(text) > 40 for text in texts)
        assert len(list(built.glob(f"figures/{name}-*.svg"))) == panels


def test_a_second_build_is_byte_identical(
    built: Path, verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    book.build(None, tmp_path / "again", [results])
    names = sorted(p.relative_to(built) for p in built.rglob("*") if p.is_file())
    assert len(names) == 2 * 7 + 21 + 2 + 1  # pages, figures of losses, the map, the manifest
    places = (built / "figures" / "atlas.csv").read_text().splitlines()
    assert places[0] == "id,family,x,y"
    assert any(line.startswith("gce,noise_robust,") for line in places)
    assert "[The data of this figure](figures/atlas.csv)" in (built / "README.md").read_text()
    again = tmp_path / "again"
    assert names == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in names:
        assert (again / name).read_bytes() == (built / name).read_bytes(), name


def test_the_index_has_every_verdict_by_family(built: Path) -> None:
    html, markdown = (built / "index.html").read_text(), (built / "README.md").read_text()
    rows = [line for line in markdown.splitlines() if line.startswith("| [gce]")]
    cells, made = re.findall(r"[●○✗?–]", rows[0]), made_up("gce")
    shown = [p for p in CHECKS if p in made and p != "convex_in_logits"]
    assert len(cells) == len(shown)
    for prop, glyph in zip(shown, cells, strict=True):
        assert glyph == card_page.GLYPHS[made[prop]["verdict"]]
        assert f'gce.html#property-{prop}"' in html
    assert "noise robust" in html
    assert '| [nt_xent](nt_xent.md "NT-Xent (SimCLR)") | two_view |' in markdown
    assert "figures/atlas.svg" in markdown


def test_a_contradiction_is_shown_on_the_page_and_in_the_index(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clash = {"declared": True, "agrees": False, "verdict": "refuted"}
    verdicts("gce")["bounded"] |= clash
    monkeypatch.setattr(registry, "list_losses", lambda: ["cross_entropy", "gce", "nt_xent"])
    out = tmp_path / "book"
    book.build(None, out, [results])
    for name in ("gce.html", "gce.md", "index.html", "README.md"):
        assert "The card says / the code shows." in (out / name).read_text(), name
    assert 'role="note"' in (out / "gce.html").read_text()
    assert ">✗!</a>" in (out / "index.html").read_text()
    assert "The card says / the code shows." not in (out / "cross_entropy.html").read_text()


def test_what_a_source_prints_wrongly_is_shown(
    verdicts: Verdicts, results: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    card = registry.get_card("gce")
    claim = cards.Claim(value=False, printed="GCE is never bounded")
    wrong = card.model_copy(update={"properties": {"bounded": claim}})
    monkeypatch.setattr(registry, "get_card", lambda name: wrong)
    book.build(["gce"], tmp_path / "out", [results])
    page = (tmp_path / "out" / "gce.html").read_text()
    assert "“GCE is never bounded”; the code shows: proved." in page


def test_witnesses_are_three_lines_that_run(
    verdicts: Verdicts, results: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    wide = records.run(CHECKS["shift_invariant"], examine("squared_error_logits"))
    verdicts("gce")["shift_invariant"] = wide
    book.build(["gce"], tmp_path / "out", [results])
    markdown = (tmp_path / "out" / "gce.md").read_text()
    _, code = re.findall(r"```python\n(.*?)```", markdown, re.S)
    assert len(code.strip().splitlines()) == 3
    exec(code.replace('"gce"', '"squared_error_logits"'))
    assert float(capsys.readouterr().out) == pytest.approx(wide["witness"]["value"])
    html = (tmp_path / "out" / "gce.html").read_text()
    assert '<details id="property-shift_invariant"><summary>' in html
    assert "import torch, lossatlas; loss = " in html


def test_an_absent_curve_is_left_out_with_its_reason(built: Path) -> None:
    page = (built / "nt_xent.html").read_text()
    assert "No curves over scores: it is a loss of embeddings." in page
    subject = examine("gce")
    for record, reason in (
        (None, "no check has measured it"),
        ({"found": {}, "reason": "its scores are ranked only"}, "its scores are ranked only"),
        ({"found": {}, "reason": None}, "the check found no curve"),
    ):
        for draw in (card_figures.link, card_figures.psi):
            missing = draw(subject, "#000000", record)
            assert isinstance(missing, card_figures.Missing)
            assert missing.reason == reason


def test_curves_of_the_records_are_drawn(built: Path) -> None:
    tags = Page((built / "gce.html").read_text()).tags
    texts = " ".join(a["alt"] or "" for tag, a in tags if tag == "img")
    assert "Link of gce: 0.1 at q = 0.25, 0.5 at q = 0.5, 0.9 at q = 0.75." in texts
    assert "Calibration function of gce: 0.2 at 0.5, 0.2 at 0.5." in texts  # "inf" is no number
    assert "Weight w(p) of gce: every label: 0.0079 at p = 0.001" in texts


def test_experiments_come_from_the_table_and_say_so(built: Path, results: Path) -> None:
    text = (built / "gce.md").read_text()
    assert f"From {results.as_posix()}; compared by arms" in text
    rows = [json.loads(p.read_text()) for p in sorted(results.parent.glob("runs/gce*/row.json"))]
    mean = 100 * sum(row["test_accuracy"] for row in rows) / 2
    assert re.search(rf"\| clean \(recipe quick, model \w+, data cifar10\) \| {mean:.2f} ± ", text)
    assert "| the baseline |" in (built / "cross_entropy.md").read_text()
    assert "No runs of it in " in (built / "set_margin_hinge.md").read_text()


def test_pages_link_to_what_stands_beside_them(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    report = tmp_path / "quick"
    report.mkdir()
    (report / "results.csv").write_text(results.read_text())
    for name, text in (("REPORT.md", "# The report\n\nOf runs.\n"), ("index.html", "")):
        (report / name).write_text(f"{render.mark('report')}\n{text}")
    out = tmp_path / "cards"
    book.build(["gce"], out, [report / "results.csv"])
    text, page = (out / "gce.md").read_text(), (out / "gce.html").read_text()
    assert "See also: [The report](<../quick/REPORT.md>)." in text
    assert '<a href="../quick/index.html">The report</a>' in page
    assert "results.csv](<../quick/results.csv>); compared by arms" in text
    assert 'href="../quick/results.csv"' in page


def test_without_a_table_the_run_store_is_read(
    verdicts: Verdicts, results: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(store, "runs_dir", lambda *_: results.parent / "runs")
    book.build(["gce"], tmp_path / "out", [])
    text = (tmp_path / "out" / "gce.md").read_text()
    assert f"From the run store {results.parent}/runs; compared by arms" in text


def test_of_two_reports_the_larger_tells_what_both_have(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(results)
    small = table[table["seed"] == 0]
    there = small.assign(scenario="elsewhere", run_id=small["run_id"] + "x")
    pd.concat([small, there]).to_csv(tmp_path / "small.csv", index=False)
    book.build(["gce"], tmp_path / "out", [tmp_path / "small.csv", results])
    text = (tmp_path / "out" / "gce.md").read_text()
    [_, first, second] = text.split("Last epoch: test accuracy")
    assert f"From {results.as_posix()}; " in first
    assert "| elsewhere (recipe quick" in second
    assert "| clean (recipe quick" not in second.split("compared by arms")[0]


def test_the_users_runs_stand_beside_the_table_and_none_stands_twice(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "runs_dir", lambda *_: results.parent / "runs")
    book.build(["gce", "cross_entropy"], tmp_path / "same", [results])
    text = (tmp_path / "same" / "gce.md").read_text()
    assert text.count("compared by arms") == 1
    add_run(tmp_path / "runs", "gce", "clean", 7)
    monkeypatch.setattr(store, "runs_dir", lambda *_: tmp_path / "runs")
    book.build(["gce"], tmp_path / "more", [results])
    text = (tmp_path / "more" / "gce.md").read_text()
    assert f"From {results.as_posix()}; " in text
    assert f"From the run store {tmp_path}/runs; " in text


def test_a_false_limit_default_or_example_is_shown_as_false(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = registry.get_card("gce")
    wrong = card.model_copy(
        update={
            "limits": [cards.Limit(equals="mae"), cards.Limit(equals="cross_entropy")],
            "hyperparameters": {"q": card.hyperparameters["q"].model_copy(update={"default": 0.5})},
            "examples": [card.examples[0].model_copy(update={"value": 99.0})],
        }
    )
    verdicts("gce")["special_cases"] |= {
        "verdict": "refuted", "agrees": False, "declared": True,
        "found": {"cases": [{"residual": 1.25}, {"residual": 0.0}]},
    }  # fmt: skip
    monkeypatch.setattr(examples, "get_card", lambda name: wrong)
    monkeypatch.setattr(registry, "get_card", lambda name: wrong)
    book.build(["gce"], tmp_path, [results])
    text = (tmp_path / "gce.md").read_text()
    assert (
        "**✗ does not equal**, though the card says so, `mae`: largest difference 1.2e+00" in text
    )
    assert "equals `cross_entropy`: largest difference 0.0e+00, allowed 1e-09" in text
    assert "special cases: the card says it holds; the code shows refuted" in text
    assert "**The card says / the code shows.** default of q: card 0.5, code 0.7" in text
    assert "= 0.5 (**✗ in the code 0.7**)" in text
    assert "the card says 99, the code gives" in text
    html = (tmp_path / "gce.html").read_text()
    assert '<strong class="fails">✗ does not equal</strong>' in html
    assert "default of q: card 0.5, code 0.7" in html


def test_what_no_check_measured_is_not_said_as_a_fact(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    verdicts("gce").pop("special_cases")
    book.build(["gce"], tmp_path, [results])
    text = (tmp_path / "gce.md").read_text()
    assert "equals `rce` with A = -1 there (half of mae), says the card; not checked" in text


def test_a_table_that_is_none_is_refused(verdicts: Verdicts, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="row 1: field 'run_id' is missing"):
        book.build(["gce"], tmp_path / "out", [tmp_path / "results.csv"])
    (tmp_path / "results.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as a table"):
        book.build(["gce"], tmp_path / "out", [tmp_path / "results.csv"])


def test_hostile_cards_and_verdicts_are_escaped(
    verdicts: Verdicts, results: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    card = registry.get_card("gce")
    hostile = {
        "name": '"><img src=http://evil/y.png>', "formula": r"\text{<script>alert(2)</script>}",
        "prose": {"Traps": "<iframe src=http://evil></iframe> ![p](http://evil/z.png)"},
        "paper": card.paper.model_copy(update={"code": "javascript:alert(1)", "title": "<i>|`x`"}),
        "claims": ["<script>alert(3)</script>"],
        "properties": {"bounded": cards.Claim(value=True, note="<u>", printed="<s>")},
    }  # fmt: skip
    verdicts("gce")["bounded"] |= {"declared": True, "agrees": False}
    verdicts("gce")["bounded"]["reason"] = "<script>alert(1)</script> | `x` \n ![a](http://evil/x)"
    monkeypatch.setattr(registry, "get_card", lambda name: card.model_copy(update=hostile))
    book.build(["gce"], tmp_path / "out", [results])
    tags = Page((tmp_path / "out" / "gce.html").read_text()).tags
    assert not [tag for tag, _ in tags if tag in ("script", "iframe")]
    assert not [a for _, a in tags if "evil" in (a.get("src") or "")]
    assert not [a for _, a in tags if "javascript" in (a.get("href") or "")]
    markdown = (tmp_path / "out" / "gce.md").read_text()
    assert "&lt;script>alert(1)&lt;/script> \\| \\`x\\` !\\[a\\](http://evil/x)" in markdown
    assert not re.search("javascript|<u>|<s>", markdown)
    assert "&lt;script>alert(3)&lt;/script>" in markdown


def test_claims_have_a_section_only_where_a_card_has_some(built: Path) -> None:
    assert "Published claims" not in (built / "gce.html").read_text()


def test_special_cases_are_links_with_their_residual(built: Path) -> None:
    text = (built / "gce.md").read_text()
    assert "equals [cross_entropy](cross_entropy.md): largest difference 2.5e-13" in text
    assert "equals `rce` with A = -1 there" in text  # has no page here


def test_advice_rests_on_a_verdict_each(built: Path) -> None:
    card = registry.get_card("gce")
    told = advice.advice(card, made_up("gce"))
    assert [prop for _, prop, _ in told["use"]] == ["bounded"]
    assert [prop for _, prop, _ in told["avoid"]] == ["strictly_proper"]
    assert told["made"] == [("some labels are wrong", "family", "noise robust")]
    assert told["warning"] == []
    plain = registry.get_card("cross_entropy")
    assert not any(advice.advice(plain, {}).values())
    open_question = {"bounded": {"verdict": "inconclusive"}}
    assert not any(advice.advice(plain, open_question).values())
    assert '<a href="#property-bounded">bounded</a>: proved' in (built / "gce.html").read_text()


def advised(name: str, **verdicts: str) -> str:
    """All that is advised about a loss with these verdicts."""
    found = {prop: {"verdict": verdict} for prop, verdict in verdicts.items()}
    told = advice.advice(registry.get_card(name), found)
    return "; ".join(f"{kind} {says}" for kind, rules in told.items() for says, _, _ in rules)


def test_advice_knows_which_decision_is_right_and_how_probabilities_are_read() -> None:
    sound = {"strictly_proper": "proved", "classification_calibrated": "proved"}
    balanced = advised("balanced_softmax", **sound)
    assert "probabilities themselves" not in balanced
    assert "avoid plain accuracy counts" in balanced
    assert "use classes are to count alike" in balanced
    assert "accuracy is what counts" in advised("cross_entropy", **sound)
    assert "sigmoid of each score" in advised("sigmoid_bce", **sound)
    assert "without a softmax" in advised("squared_error_logits", **sound)
    assert "not with the softmax" in advised("sparsemax_loss", **sound)
    assert "balanced error has to be least" in advised("ldam", classification_calibrated="refuted")


def test_what_was_made_for_noise_is_not_advised_like_focal() -> None:
    assert advised("focal", noise_invariant_minimiser="refuted").startswith(
        "avoid labels are wrong"
    )
    told = advised("sce", noise_invariant_minimiser="refuted")
    assert told.startswith("made some labels are wrong; warning it was proposed for wrong labels")


@pytest.mark.parametrize("name", registry.list_losses())
def test_no_rule_contradicts_another_about_any_loss(name: str) -> None:
    stored = json.loads((registry.find(name).ledger.parent / f"verdicts/{name}.json").read_text())
    found = {record["property"]: record for record in stored["records"]}
    told = advice.advice(registry.get_card(name), found)
    assert not {says for says, _, _ in told["use"]} & {says for says, _, _ in told["avoid"]}
    if registry.get_card(name).bayes_rule == "balanced":
        assert not [says for says, _, _ in told["use"] if "probabilities" in says]


def test_rules_name_properties_of_the_vocabulary() -> None:
    legal = cards.Property.__args__  # type: ignore[attr-defined]
    assert {rule.prop for rule in advice.RULES} <= set(legal)
    assert {field for rule in advice.RULES for field in rule.only} <= set(cards.Card.model_fields)


def test_bibtex_of_a_card() -> None:
    entry = card_page.bibtex(registry.get_card("gce").paper)
    assert entry.startswith("@misc{zhang2018generalized,\n")
    assert "  author = {Zhilu Zhang and Mert R. Sabuncu}," in entry
    assert "  eprint = {1805.07836}," in entry
    paper = cards.Paper(title="A & B: 5 %", authors=["Ø. Müller-Őz"], venue="X", year=2001)
    entry = card_page.bibtex(paper)
    assert entry.startswith("@misc{mulleroz2001")
    assert r"title = {{A \& B: 5 \%}}," in entry
    assert "doi" not in entry


def test_one_card_alone_links_to_nothing_that_is_not_there(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert book.build(["gce"], out, [results]) == [out / "gce.html"]
    hrefs = [a.get("href") or "" for _, a in Page((out / "gce.html").read_text()).tags]
    assert not [href for href in hrefs if href.endswith(".html")]
    assert not (out / "index.html").exists()
    book.build(["cross_entropy"], out, [results])
    book.build(["gce"], out, [results])
    assert 'href="cross_entropy.html"' in (out / "gce.html").read_text()


def test_figures_that_a_loss_has_no_more_are_removed(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    book.build(["gce"], out, [results])
    (out / "figures" / "mine.svg").write_text("mine")
    verdicts("gce").pop("calibration_function")
    book.build(["gce"], out, [results])
    assert not (out / "figures" / "gce-psi.svg").exists()
    assert (out / "figures" / "gce-link.svg").exists()
    assert (out / "figures" / "mine.svg").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["gce.html", "gce.md"])
def test_a_strangers_page_is_not_overwritten(
    verdicts: Verdicts, results: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / name).write_text("my own page")
    with pytest.raises(UserError, match=f"{name}: is not a page of 'lossatlas card'"):
        book.build(["gce"], tmp_path / "site", [results])
    assert [(p.name, p.read_text()) for p in (tmp_path / "site").iterdir()] == [
        (name, "my own page")
    ]


def test_a_path_that_is_a_file_is_refused(
    verdicts: Verdicts, results: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="the pages cannot be written there"):
        book.build(["gce"], tmp_path / "out", [results])
    assert (tmp_path / "out").read_text() == "mine"


def test_unknown_losses_are_refused_before_anything_is_searched_or_written(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "check", lambda name: pytest.fail(f"{name} was searched"))
    with pytest.raises(UserError, match="there is no loss 'gcf'; did you mean "):
        book.build(["gce", "gcf"], tmp_path / "out", [results])
    assert not (tmp_path / "out").exists()


def test_in_the_book_one_broken_loss_does_not_stop_the_others(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"read": registry.get_card, "make": card_page.assemble}

    def read(name: str) -> cards.Card:
        if name == "gce":
            raise UserError("gce.md: field 'year' | <b> is wrong")
        return whole["read"](name)

    def make(name: str, *rest: Any) -> dict[str, Any]:
        if name == "nt_xent":
            raise UserError("nt_xent.py: its code raises")
        return whole["make"](name, *rest)

    monkeypatch.setattr(registry, "get_card", read)
    monkeypatch.setattr(card_page, "assemble", make)
    book.build(None, tmp_path, [results])
    index = (tmp_path / "README.md").read_text()
    assert "Without a page: gce (gce.md: field 'year' \\| &lt;b> is wrong)." in index
    assert "Without a page: nt_xent (nt_xent.py: its code raises)." in index
    assert "nt_xent (nt_xent.py: its code raises)" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "cross_entropy.md").is_file()
    for name in ("gce", "nt_xent"):
        assert not (tmp_path / f"{name}.md").exists()
        with pytest.raises(UserError):
            book.build(["cross_entropy", name], tmp_path / "alone", [results])
    assert not (tmp_path / "alone").exists()


def test_a_loss_without_card_is_named_in_the_index(
    verdicts: Verdicts, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "has_card", lambda name: name == "gce")
    book.build(None, tmp_path / "book", [results])
    index = (tmp_path / "book" / "index.html").read_text()
    assert "Without a card, so without a page: " in index
    assert "cross_entropy" in index
    assert not (tmp_path / "book" / "cross_entropy.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "name the losses"), (["gce", "--all"], "name the losses"), (["gcf"], "no loss 'gcf'")],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], message: str, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, said = command("card", *arguments)
    assert code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_the_command_prints_the_pages(
    verdicts: Verdicts, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = command("card", "gce", "gce", "nt_xent", "-o", "mine")
    assert code == 0
    assert out.split() == [f"{tmp_path}/mine/{name}.html" for name in ("gce", "nt_xent")]
    assert (tmp_path / "mine" / "nt_xent.md").is_file()


def test_figures_are_small_and_their_numbers_are_whole(built: Path) -> None:
    drawn = [path.read_text() for path in built.glob("figures/*-*.svg")]
    assert max(map(len, drawn)) < 15_000
    assert not [text for text in drawn if "metadata" in text]
    weight = (built / "figures" / "gce-weight.svg").read_text()
    assert re.findall(r">([\d.]+)</text>", weight)[:6] == [f"{p:g}" for p in card_figures.TICKS]


def test_names_on_the_map_keep_apart() -> None:
    names = ["a long name of a loss", "another long name", "a third one", "far away"]
    dots = np.array([[200.0, 200], [202, 201], [204, 199], [60, 60]])
    crowd = [*names, *(f"name {i} of a crowd" for i in range(9))]
    dots = np.vstack([dots, np.full((9, 2), 203.0)])
    found = atlas_figure._place_names(crowd, dots, np.array([400.0, 300]))
    assert [at for at in found if at is None]  # there is no room for all
    (names, dots, places) = zip(
        *((n, d, at) for n, d, at in zip(crowd, dots, found, strict=True) if at is not None),
        strict=True,
    )
    boxes = [
        (*(dot + at), 2.2 * len(n), 4.5) for n, dot, at in zip(names, dots, places, strict=True)
    ]
    for i, (x, y, w, h) in enumerate(boxes):
        for u, v, a, b in boxes[:i]:
            assert abs(x - u) >= w + a or abs(y - v) >= h + b
        assert all(abs(x - u) >= w + 3 or abs(y - v) >= h + 3 for u, v in dots)


def test_every_dot_of_the_map_has_its_name_and_leads_to_its_page(built: Path) -> None:
    drawn = (built / "figures" / "atlas.svg").read_text()
    named = re.findall(r'<a href="../(\w+).html" target="_top"><title>(.*?)</title>', drawn)
    assert sorted(", ".join(names for _, names in named).split(", ")) == sorted(PICKED[:4])
    assert all((built / f"{page}.html").is_file() for page, _ in named)
    assert '<object data="figures/atlas.svg"' in (built / "index.html").read_text()
    Page(re.sub(r"<\?xml.*?\?>|<!DOCTYPE[^>]*>", "", drawn))  # every element is closed


def test_bounds_are_numbers_without_their_places() -> None:
    found = {
        "constant": 0.5,
        "label": 2,
        "at": [1.0],
        "worst": "nan",
        "far_out": True,
        "least": -0.0,
    }
    told = card_page._constants(found | {"above": {"zero_one": [-0.5, 2.0]}})
    assert told == (
        "constant 0.5; least 0; minus 0-1 loss: -0.5 to 2; approached where scores grow without end"
    )


def test_the_margin_panel_shades_what_the_check_saw_and_steps_at_zero() -> None:
    found = {"margin": [-8.0, 0.0, 8.0], "least": [5.0, 0.5, 0.0], "most": [6.0, 1.0, 0.1]}
    for record, shaded in ((None, False), ({"found": found, "reason": None}, True)):
        with figures.drawing():
            picture = card_figures.margin(examine("gce"), "#de8f05", record)
        assert isinstance(picture, figures.Picture)
        assert ("Shaded" in picture.caption) is shaded
        assert ("opacity: 0.15" in picture.svg) is shaded
    (dotted,) = re.findall(r'd="([^"]*)" [^>]*stroke-dasharray: 1,', picture.svg)
    xs, ys = np.array(re.findall(r"[\d.]+", dotted), dtype=float).reshape(-1, 2).T
    assert ys[0] == ys[1] < ys[2] == ys[3]  # down, in a picture whose y grows downwards
    assert xs[1] == xs[2] == pytest.approx((xs[0] + xs[3]) / 2, abs=0.02)
