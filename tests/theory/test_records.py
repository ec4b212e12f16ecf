"""Stored verdicts: current, borne out by their witnesses, and made again when code changes."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

import lossatlas
from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.losses import registry, source
from lossatlas.theory import records
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding

NAMES = lossatlas.list_losses()
STORED = resources.folder("papers") / records.FOLDER
LOSS = '''"""The negative score of the label."""

from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Score(LogitLoss):
    """-s_y."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,)."""
        return -logits.gather(1, target[:, None])[:, 0]
'''


def stored(name: str) -> list[dict[str, Any]]:
    """The committed records of a loss."""
    return list(json.loads((STORED / f"{name}.json").read_text())["records"])


@pytest.mark.parametrize("name", NAMES)
def test_records_are_current(name: str) -> None:
    known = records.current(name)
    assert set(known) == set(records._checks()), f"stale: run make verdicts ({name})"


@pytest.mark.parametrize("name", NAMES)
def test_witnesses_still_refute(name: str) -> None:
    """One of each loss is evaluated again, drawn by its name: together, several of each property.

    The others refuted when they were stored, and what is stored is current.
    """
    refuted = []
    for record in stored(name):
        against = record["verdict"] in ("refuted", "evidence_against")
        assert (record["witness"] is not None) == against, record
        refuted += [record] if against else []
    for record in refuted and [random.Random(name).choice(refuted)]:
        assert records.problem_of(record) is None, record["property"]


@pytest.mark.parametrize("name", NAMES)
def test_no_card_is_contradicted(name: str) -> None:
    assert [r["property"] for r in stored(name) if r["agrees"] is False] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_verdict_brings_its_evidence(name: str) -> None:
    for record in stored(name):
        needed = {
            "proved": record["certificate"], "refuted": record["witness"],
            "evidence_against": record["witness"],
            "not_refuted": record["method"] and record["n"],
            "inconclusive": record["reason"], "not_applicable": record["reason"],
        }  # fmt: skip
        assert needed[record["verdict"]], record


@pytest.mark.parametrize("spoil", ["weight", "inputs", "target"])
def test_spoiled_witness_is_noticed(spoil: str) -> None:
    record = next(r for r in stored("focal") if r["property"] == "convex_in_logits")
    assert records.problem_of(record) is None
    spoiled = copy.deepcopy(record)
    first = spoiled["witness"]["terms"][0]
    if spoil == "weight":
        first[0] = -abs(first[0]) * 2
    elif spoil == "inputs":
        first[1] = [60.0 if k == first[2] else -60.0 for k in range(4)]
    else:
        for term in spoiled["witness"]["terms"]:
            term[0] = -term[0]
    assert records.problem_of(spoiled) is not None


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A loss of one's own, not on a card."""
    file = tmp_path / "losses" / "margin" / "score_of_label.py"
    file.parent.mkdir(parents=True)
    file.write_text(LOSS)
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    return file


def test_verdicts_are_kept_and_used_again(
    own: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = records.check("score_of_label", ["shift_invariant"])
    assert first["verdict"] == "refuted"
    assert [path.name.startswith("score_of_label-") for path in cache.iterdir()] == [True]
    ran = _count_runs(monkeypatch)
    assert records.check("score_of_label", ["shift_invariant"]) == [first]
    assert ran == []
    records.check("score_of_label", ["shift_invariant"], fresh=True)
    assert ran == ["shift_invariant"]


def test_a_record_is_a_line(own: Path, cache: Path) -> None:
    made = records.check("score_of_label", ["shift_invariant"])
    made += records.check("score_of_label", ["symmetric_sum_constant"])
    (place,) = cache.iterdir()
    _, *lines, _ = place.read_text().splitlines()
    assert sorted(json.loads(line.rstrip(","))["property"] for line in lines) == [
        record["property"] for record in made
    ]


def test_edited_loss_is_searched_again(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.check("score_of_label", ["shift_invariant"])
    ran = _count_runs(monkeypatch)
    own.write_text(LOSS + "\n# edited\n")
    records.check("score_of_label", ["shift_invariant"])
    assert ran == []
    own.write_text(LOSS + "\nEDITED = True\n")
    records.check("score_of_label", ["shift_invariant"])
    assert ran == ["shift_invariant"]


def test_other_properties_stay_when_one_is_added(own: Path) -> None:
    records.check("score_of_label", ["shift_invariant"])
    records.check("score_of_label", ["symmetric_sum_constant"])
    assert set(records.current("score_of_label")) == {"shift_invariant", "symmetric_sum_constant"}


def test_record_of_another_checker_is_stale(own: Path, cache: Path) -> None:
    records.check("score_of_label", ["shift_invariant"])
    (place,) = cache.iterdir()
    stored = json.loads(place.read_text())
    stored["records"][0]["checker"] = "0" * 16
    sealed = records._sealed("score_of_label", stored["source"], stored["records"])
    place.write_text(json.dumps(stored | {"digest": sealed}))
    assert records.current("score_of_label") == {}


def test_unreadable_records_are_named(own: Path, cache: Path) -> None:
    records.check("score_of_label", ["shift_invariant"])
    (place,) = cache.iterdir()
    for text in ("{", "[]", "null", "[" * 100_000, '{"records": []}', "5"):
        place.write_text(text)
        with pytest.raises(UserError, match=r"score_of_label-.*\.json: is no file of verdicts"):
            records.check("score_of_label")


def test_verdicts_that_were_changed_in_their_file_are_not_believed(own: Path, cache: Path) -> None:
    records.check("score_of_label", ["shift_invariant"])
    (place,) = cache.iterdir()
    text = place.read_text()
    changes = {
        "refuted": "proved", '"n": ': '"n": 1', '"says"': '"sighs"', '"source": "': '"source": "0',
        '"shift_invariant"': '"bounded"',
    }  # fmt: skip
    for old, new in changes.items():
        assert old in text
        place.write_text(text.replace(old, new))
        with pytest.raises(UserError, match=r"score_of_label-.*\.json: does not hold the verdicts"):
            records.check("score_of_label")
    place.write_text(text.replace('"digest": "', '"digest": null, "": "'))
    assert records.current("score_of_label") == {}


def test_an_edited_theorem_makes_stale_what_names_it_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "_digest", records._digest.__wrapped__)

    def digests() -> dict[str, str]:
        checks = {c.run.__module__ for c in records._checks().values()}
        return {module: records._digest(module) for module in checks} | {
            name: records.source_digest(name) for name in ("lee_lin_wahba_hinge", "gce", "mae")
        }

    before, real = digests(), source.read

    def edited(path: Path) -> source.Code:
        code = real(path)
        return code._replace(digest="edited") if path.name == "lee_lin_wahba.py" else code

    monkeypatch.setattr(source, "read", edited)
    assert [name for name, found in digests().items() if found != before[name]] == [
        "lee_lin_wahba_hinge"
    ]


def test_expression_is_checked_and_not_kept() -> None:
    (record,) = records.check("nce + rce", ["shift_invariant"])
    assert record["loss"] == "nce + rce"
    assert record["verdict"] != "refuted"
    assert record["declared"] is None
    assert not (STORED / "nce + rce.json").exists()


@pytest.mark.parametrize(
    ("declared", "verdict", "expected"),
    [
        (True, "proved", True), (True, "not_refuted", True), (True, "refuted", False),
        (True, "inconclusive", None), (True, "evidence_against", False),
        (False, "evidence_against", True), (False, "refuted", True), (False, "proved", False),
        (False, "not_refuted", None), ("unknown", "refuted", None), (None, "refuted", None),
    ],
)  # fmt: skip
def test_agreement(declared: bool | str | None, verdict: str, expected: bool | None) -> None:
    assert records.agrees(declared, verdict) is expected


def test_property_by_its_beginning() -> None:
    assert records.find_property("convex") == "convex_in_logits"
    with pytest.raises(UserError, match="property 'stable' begins stable_in_float32, "):
        records.find_property("stable")
    with pytest.raises(UserError, match="property 'konvex' is none; legal: "):
        records.find_property("konvex")


@pytest.mark.parametrize("keep", [True, False])
def test_what_cannot_be_written_is_not_kept(own: Path, cache: Path, keep: bool) -> None:
    folder = own.parents[2] / "papers" if keep else cache.parents[1]
    folder.write_text("a file where the folder should be")
    (record,) = records.check("score_of_label", ["shift_invariant"], keep=keep)
    assert record["verdict"] == "refuted"
    assert folder.is_file()


def _count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ran: list[str] = []
    real = records._checks()["shift_invariant"]

    def counted(subject: Subject) -> Finding:
        ran.append(real.prop)
        return real.run(subject)

    counted.__module__ = real.run.__module__
    monkeypatch.setitem(records._checks(), real.prop, real._replace(run=counted))
    return ran
