"""The plain sentence of a verdict: true to its record, and silent where the record is."""

import json
import re
from typing import Any

import pytest

from lossatlas.losses import registry
from lossatlas.report import evidence

STORED = sorted((registry.find("gce").ledger.parent / "verdicts").glob("*.json"))
PLAIN: dict[str, Any] = {"property": "", "found": {}, "witness": None, "reason": None}


def failing(says: str, value: float, **found: Any) -> dict[str, Any]:
    return PLAIN | {
        "verdict": "refuted", "found": found, "witness": {"says": says, "value": value}
    }  # fmt: skip


def test_a_witness_is_told_with_its_number() -> None:
    says = "the loss at the midpoint exceeds the mean of the loss at the two ends"
    told = evidence.sentence(failing(says, 0.1412))
    assert told == "midway between two points the loss lies 0.141 above the chord"
    aside = " (in float64 with random rounding, as special_zeta has no 50-digit form)"
    assert evidence.sentence(failing(says + aside, 0.1412)) == told
    moved = (
        "at posterior [0.4, 0.6] the least risk found with class 1 ahead by 0.1 exceeds that of "
    )
    told = evidence.sentence(failing(moved + "scores with class 0 on top, and shorter leads", 0.1))
    assert told.startswith("where the labels have the probabilities [0.4, 0.6], the least risk ")
    assert told.endswith("has class 0 on top, not 1, which is right")


def test_what_a_record_lacks_is_not_said() -> None:
    says = "the losses of all labels have a larger sum at some scores than at others"
    assert evidence.sentence(failing(says, 0.5)) == says
    told = evidence.sentence(failing(says, 0.5, least=1.0, largest=1.5))
    assert told == "the losses of all labels add up to 1 at some scores and to 1.5 at others"
    assert evidence.sentence(failing("something new", 0.5)) == "something new"
    bound = PLAIN | {"property": "bounded", "verdict": "not_refuted"}
    assert evidence.sentence(bound) == "nothing that speaks against it was found"
    seen = bound | {"found": {"infimum": -0.0, "supremum": 1.25}}
    assert evidence.sentence(seen) == "all values of this search lie between 0 and 1.25"
    assert "proof" in evidence.sentence(bound | {"verdict": "proved"})
    assert "proof" not in evidence.sentence(bound)
    open_question = bound | {"verdict": "inconclusive", "reason": "the search ended"}
    assert evidence.sentence(open_question) == "the search ended"
    large = "the gradient in float16 is off by more than 0.03, relatively"
    assert evidence.sentence(failing(large, float("inf"))) == large
    assert evidence.sentence(failing(large, 0.308)).endswith("float16 is off by 30.8 %")


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_every_stored_failure_is_put_in_words_of_ours(path: Any) -> None:
    for record in json.loads(path.read_text())["records"]:
        told = evidence.sentence(record)
        assert not re.search(r"[{}]|None|nan|\d\.\d{7}", told)
        if record["witness"] and "off by more than" not in record["witness"]["says"]:
            says = evidence.ASIDE.sub("", record["witness"]["says"])
            assert any(re.match(pattern, says) for pattern, _ in evidence.SAID), says
