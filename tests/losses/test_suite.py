"""The laws are strict: a loss with a fault breaks the law that the fault concerns, by name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Command
from lossatlas.contract import suite
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.theory import records
from test_own_loss import fenced

CODE = fenced("python", '"""Generalised cross-entropy')
CARD = fenced("markdown", "---\nid: my_gce").replace("my_gce", "own")
REFERENCE = fenced("python", '"""Reference')
RETURN = "return -torch.expm1(self.q * log_p) / self.q"
NOT_SEARCHED = "properties_are_as_the_card_says"

# law broken: what in the code, the card or the reference is replaced, by what, and what is said
FAULTS = {
    "card_agrees_with_code": ("q: float = 0.7", "q: float = 0.5", "default of q: card 0.7, code"),
    "values_equal_the_reference": (RETURN, f"{RETURN} * 1.001", "code and reference differ"),
    "gradient_is_that_of_the_value": (RETURN, f"{RETURN} * log_p.detach().exp()", "the slope is"),
    "reductions_agree": (RETURN, "return (-torch.expm1(self.q * log_p) / self.q).mean()", "none"),
    "limits_hold": ("equals: cross_entropy", "equals: mae", "is not mae"),
    "examples_hold": ("value: 0.5", "value: 0.6", "card says 0.6, the code gives 0.5"),
    "hyperparameter_changes_the_value": (RETURN, "return -log_p", "no legal value of q changes"),
    "extreme_inputs_hold_in_low_precision": (
        RETURN, "return (1 - log_p.exp().half() ** self.q).float() / self.q", "values at",
    ),
    "confident_mistake_has_a_gradient": ("bounded: true", "bounded: false", "slope"),
    "degenerate_logits_give_finite_values": (RETURN, "return 1 / logits.std(1)", "not finite"),
    "hyperparameter_outside_its_range_is_refused": (
        'in_range("q", q, "(0, 1]")', "q", "not refused",
    ),
    "forward_changes_nothing_around_it": (RETURN, f"logits.mul_(1)[:, 0] += 1; {RETURN}", "writes"),
    "copies_give_the_same_value": (RETURN, "return log_p * (id(self) % 4093)", "a copy gives"),
    "without_value_checks_the_value_is_the_same": (
        RETURN, "return log_p * (2 if self.validate else 1)", "validate = False changes",
    ),
}  # fmt: skip


def write(root: Path, fault: tuple[str, str, str] | None = None) -> Path:
    """A root with the loss `own`, whose texts have the fault."""
    files = {
        "losses/noise_robust/own.py": CODE,
        "papers/noise_robust/own.md": CARD,
        "reference/own.py": REFERENCE,
    }
    found = 0
    for place, text in files.items():
        file = root / place
        file.parent.mkdir(parents=True)
        found += fault is not None and fault[0] in text
        file.write_text(text.replace(*fault[:2]) if fault else text)
    assert found == (fault is not None)
    return root


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A root that is known; its class is forgotten afterwards."""
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    yield tmp_path
    registry._classes.pop("own", None)


def broken(law: str) -> list[str]:
    """What the cases of one law say."""
    said = []
    for case in suite.cases("own"):
        if case.law == law:
            try:
                case.check()
            except Exception as error:
                said.append(f"{type(error).__name__} {error}")
    return said


@pytest.mark.parametrize("law", FAULTS)
def test_a_fault_breaks_its_law(law: str, own: Path) -> None:
    write(own, FAULTS[law])
    said = broken(law)
    assert said
    assert FAULTS[law][2] in said[0]


def test_the_sound_loss_breaks_none(own: Path) -> None:
    write(own)
    laws = dict.fromkeys(case.law for case in suite.cases("own"))
    assert set(FAULTS) - {"confident_mistake_has_a_gradient"} < set(laws)
    assert [law for law in laws if law != NOT_SEARCHED and broken(law)] == []


def test_a_claim_that_is_refuted_breaks_a_law(own: Path) -> None:
    write(own, ("convex_in_logits: false, shift_invariant: true", "shift_invariant: false", ""))
    (said,) = [text for text in broken(NOT_SEARCHED) if "shift" in text or "denies" in text]
    assert "the card denies it, the verdict is" in said


def test_one_line_a_law_and_what_the_code_raises_is_told(own: Path) -> None:
    write(own, (RETURN, "raise SystemExit('gone')", ""))
    outcome = suite.test("own")
    laws = [line.split(": ")[1] for line in outcome.broken]
    assert len(laws) == len(set(laws)) > 10
    assert any(re.search(r"copies give the same value: SystemExit gone \(and", line) or
               "SystemExit gone" in line for line in outcome.broken)  # fmt: skip
    assert outcome.summary.startswith(f"own: {len(laws)} laws broken in ")


def test_a_loss_that_grows_as_a_logarithm_has_no_bound_and_a_gradient(own: Path) -> None:
    card = own / "papers/noise_robust/own.md"
    file = write(own) / "losses/noise_robust/own.py"
    card.write_text(card.read_text().replace("bounded: true", "bounded: false"))
    file.write_text(file.read_text().replace(RETURN, "return torch.log1p(log_p.square())"))
    assert broken("confident_mistake_has_a_gradient") == []


def test_other_hyperparameters_are_one_line_not_one_of_each_law(own: Path) -> None:
    write(own, ("q: float = 0.7", "q: float = 0.7, r: float = 1.0", ""))
    outcome = suite.test("own")
    (line,) = outcome.broken
    assert "hyperparameters: card ['q'], code ['q', 'r']; the other laws are tried once" in line
    assert outcome.summary.startswith("own: 1 law broken in 1 case")


@pytest.mark.parametrize("text", ["def (", "x = 1", "def reference(s, y, q): return 1 / 0"])
def test_a_broken_reference_is_told(own: Path, text: str) -> None:
    write(own)
    (own / "reference/own.py").write_text(text)
    said = broken("values_equal_the_reference") or broken("card_and_reference_are_read")
    assert said


def test_a_card_that_cannot_be_read_is_one_broken_law(own: Path) -> None:
    write(own, ("year: 2018", "year: soon", ""))
    outcome = suite.test("own")
    (line,) = outcome.broken
    assert f"{own}/papers/noise_robust/own.md: field 'paper.year'" in line


def test_the_ledger_takes_what_holds_and_drops_what_does_not(own: Path) -> None:
    write(own)
    (own / "papers/verified.json").write_text('{"gone": "1"}')
    held = suite.Outcome("own", [], 1, own, True)
    ((ledger, verified),) = suite.record([held]).items()
    assert verified == ["own"]
    assert json.loads(ledger.read_text()) == {"own": registry.digest(registry.find("own"))}
    assert registry.status(registry.find("own")) == "verified"
    suite.record([held._replace(has_reference=False)])
    assert list(json.loads(ledger.read_text())) == ["own"]
    broken = held._replace(broken=["own: examples hold: no"])
    assert suite.record([broken]) == {ledger: []}
    assert json.loads(ledger.read_text()) == {}
    suite.record([held._replace(has_reference=False)])
    assert json.loads(ledger.read_text()) == {}
    assert held._replace(has_reference=False).summary.endswith(", so it is a draft")
    for damaged in ("[]", "{", "null", "\xff"):
        ledger.write_text(damaged, encoding="latin-1")
        with pytest.raises(UserError, match=r"verified\.json: is no ledger"):
            suite.record([held])


def test_a_file_makes_its_root_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(registry.PATH_VARIABLE, "")
    file = write(tmp_path) / "losses/noise_robust/own.py"
    assert suite.known(str(file)) == "own"
    assert suite.known(str(file)) == "own"
    assert registry.find("own").code == file
    for wrong in ("nowhere.py", str(tmp_path / "reference/own.py")):
        with pytest.raises(ValueError, match="is no file <root>/losses/<family>/<id>"):
            suite.known(wrong)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (None, ""),
        (("equals: cross_entropy", "equals: mae", ""), "special_cases"),
        (("value: 0.5", "value: 0.6", ""), "the card says 0.6, the code gives 0.5"),
        (("q: float = 0.7", "q: float = 0.5", ""), "default of q: card 0.7, code 0.5"),
        (
            ("equals: cross_entropy", "equals: cross_entropi", ""),
            "there is no loss 'cross_entropi'",
        ),
    ],
)
def test_check_counts_false_limits_examples_and_defaults(
    fault: tuple[str, str, str] | None, says: str, own: Path, command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write(own, fault)
    special = {"special_cases": records._checks()["special_cases"]}
    monkeypatch.setattr(records, "_checks", lambda: special)  # the other searches take a minute
    code, out, err = command("check", "own")
    unknown = fault is not None and "cross_entropi" in fault[1]
    assert code == (0 if fault is None else 2 if unknown else 1), out + err
    assert says in err
    assert not unknown or f"{own}/papers/noise_robust/own.md: field 'limits'" in err
