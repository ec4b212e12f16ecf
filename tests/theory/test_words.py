"""What `check` says of code that departs from its formula, jumps, rolls dice, or is picky."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossatlas.cards import Claim
from lossatlas.errors import UserError
from lossatlas.losses import quantities, registry
from lossatlas.theory import agreement, records
from lossatlas.theory.certificates import dcp
from lossatlas.theory.kinks import breaks, jump_of_value
from lossatlas.theory.proof import prove
from lossatlas.theory.properties.bounds import bounded
from lossatlas.theory.properties.calibration import calibration_function
from lossatlas.theory.properties.curvature import convex_in_logits, smooth
from lossatlas.theory.properties.properness import strictly_proper
from lossatlas.theory.properties.slopes import (
    differentiable_everywhere,
    gradient_correct,
    lipschitz,
)
from lossatlas.theory.purity import impurity
from lossatlas.theory.subject import Subject, examine, examine_anywhere
from theory.functions import confirmed, cross_entropy, of_label

Function = Callable[[Tensor, Tensor], Tensor]


def claiming(function: Function, **proofs: str) -> Subject:
    """A function under a card that names proofs of properties."""
    card = examine("cross_entropy").card
    assert card is not None
    claims: dict[str, Any] = {p: Claim(value=True, proof=proof) for p, proof in proofs.items()}
    return Subject("claiming", function, card=card.model_copy(update={"properties": claims}))


# -------------------------------------------------------------------------------------- proofs


def only_for_seven(s: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(-s if s.shape[1] == 7 else s, y)


def only_for_the_last_class(s: Tensor, y: Tensor) -> Tensor:
    cut = cross_entropy(s.clamp(-3e5, 3e5), y)
    return torch.where(y == s.shape[1] - 1, cut, cross_entropy(s, y))


DEPARTING = {
    "scores cut at 1000": lambda s, y: cross_entropy(s.clamp(-1000, 1000), y),
    "scores cut far below": lambda s, y: cross_entropy(s.clamp(min=-9e5), y),
    "capped": lambda s, y: cross_entropy(s, y).clamp(max=1e5),
    "an epsilon in the logarithm": lambda s, y: -(of_label(torch.softmax(s, 1), y) + 1e-300).log(),
    "another function of seven classes": only_for_seven,
    "cut for the last class": only_for_the_last_class,
    "another slope far out": lambda s, y: cross_entropy(s, y) + 1e-5 * (s[:, 0] - 5e5).relu(),
}


# It is another function of the probability than the card's, but a decreasing one, so calibrated.
EXCEPTION = ("an epsilon in the logarithm", "decreasing_in_probability")


@pytest.mark.parametrize("name", DEPARTING)
@pytest.mark.parametrize("theorem", ["log_score_of_softmax", "decreasing_in_probability"])
def test_code_that_leaves_its_formula_anywhere_is_not_proved(name: str, theorem: str) -> None:
    prop = "strictly_proper" if theorem == "log_score_of_softmax" else "classification_calibrated"
    subject = claiming(
        DEPARTING[name], convex_in_logits="dcp: log_sum_exp(s) - s[y]", **{prop: theorem}
    )
    if (name, theorem) != EXCEPTION:
        assert prove(subject, prop) is None
    certificate = dcp(subject)
    assert certificate is not None
    assert certificate.text is None
    assert "no proof" in (certificate.note or "")
    assert convex_in_logits(subject).verdict != "proved"


def test_a_proof_says_of_what_and_where() -> None:
    proof = claiming(cross_entropy, strictly_proper="log_score_of_softmax")
    text = prove(proof, "strictly_proper")
    assert "proved of this formula, with which the code agrees to" in (text or "")
    assert "at K = 2, 3, 4, 7, 10 and scores up to 1e6" in (text or "")


@pytest.mark.parametrize("k", agreement.CLASSES)
def test_agreement_is_looked_for_at_all_sizes_and_in_all_directions(k: int) -> None:
    s = agreement.points(k)
    sizes = s.abs().amax(1)
    assert sizes.max() >= agreement.LARGEST
    for low, high in ((1e-7, 1e-2), (0.5, 5), (50, 500), (800, 3e3), (9e3, 2e4), (5e5, 2e6)):
        inside = s[(sizes > low) & (sizes < high)]
        assert (inside.argmax(1).bincount(minlength=k) > 0).all()
        assert (inside.argmin(1).bincount(minlength=k) > 0).all()


@pytest.mark.parametrize("width", [0.01, 0.001])
@pytest.mark.parametrize("at", [0.437, 0.5])
def test_no_bump_and_no_level_stretch_in_the_probability_passes_for_falling(
    at: float, width: float
) -> None:
    def bumpy(s: Tensor, y: Tensor) -> Tensor:
        p = of_label(torch.softmax(s, 1), y)
        return 1 - p - 2 * torch.exp(-(((p - at) / width) ** 2))

    def level(s: Tensor, y: Tensor) -> Tensor:
        p = of_label(torch.softmax(s, 1), y)
        return 1 - torch.where(p < at, p, (p - width).clamp(min=at))

    for function in (bumpy, level):
        subject = claiming(function, classification_calibrated="decreasing_in_probability")
        assert prove(subject, "classification_calibrated") is None
    falling = claiming(cross_entropy, classification_calibrated="decreasing_in_probability")
    assert prove(falling, "classification_calibrated")


def test_a_loss_that_is_not_finite_has_no_formula() -> None:
    def barrier(s: Tensor, y: Tensor) -> Tensor:
        values = cross_entropy(s, y)
        return torch.where(values > 3, torch.inf, values)

    subject = claiming(barrier, strictly_proper="log_score_of_softmax")
    assert prove(subject, "strictly_proper") is None
    finding = bounded(subject)
    assert finding.verdict == "refuted"
    assert finding.witness is not None
    assert finding.witness.value == math.inf


# ------------------------------------------------------------- what finite values cannot refute


@pytest.mark.parametrize("cap", [10.0, 1e8, 1e20, 3e50, 1e95])
def test_a_bound_far_out_is_a_bound(cap: float) -> None:
    finding = bounded(Subject("capped", lambda s, y: cross_entropy(s, y).clamp(max=cap)))
    assert finding.verdict == "not_refuted"


def test_what_seems_unbounded_is_no_refutation() -> None:
    subject = Subject("growing", cross_entropy)
    finding = bounded(subject)
    assert finding.verdict == "evidence_against"
    assert confirmed(subject, finding)


def test_a_floor_beside_a_norm_is_lipschitz() -> None:
    """torch's default floor of 1e-12 makes a constant of 1e13."""

    def cosine(s: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(10 * F.normalize(s) - 3.5 * F.one_hot(y, s.shape[1]), y)

    def centred(s: Tensor, y: Tensor) -> Tensor:
        return cosine(s - s.mean(1, keepdim=True), y)

    for function in (cosine, centred):
        finding = lipschitz(Subject("cosine", function))
        assert finding.verdict == "not_refuted"
    assert lipschitz(Subject("cosine", cosine)).found["constant"] == pytest.approx(1.2e13, rel=0.3)


def jump(s: Tensor, y: Tensor) -> Tensor:
    """Jumps by a half where the gradient stays the same."""
    return cross_entropy(s, y) + 0.5 * (s[:, 0] > 0.7312).double()


def trimmed(s: Tensor, y: Tensor) -> Tensor:
    """Zero above a threshold."""
    values = cross_entropy(s, y)
    return torch.where(values < 2.99573227355, values, 0.0 * values)


@pytest.mark.parametrize("function", [jump, trimmed])
@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
def test_a_jump_is_neither_lipschitz_nor_smooth_nor_differentiable(
    function: Function, factor: float
) -> None:
    subject = Subject("jump", lambda s, y: factor * function(s, y))
    for check in (lipschitz, smooth, differentiable_everywhere):
        finding = check(subject)
        assert finding.verdict == "evidence_against", check
        assert confirmed(subject, finding)
    assert "jumps by" in (lipschitz(subject).witness or pytest.fail("no witness")).says


def hop_by_log_p(s: Tensor, y: Tensor) -> Tensor:
    """FLSD-53, its exponent chosen by log p_y: that is rounded, so the hop lies elsewhere."""
    log_p = F.logsigmoid(quantities.log_odds(s, y))
    gamma = torch.where(log_p < math.log(0.2), 5.0, 3.0).to(s)
    return -torch.exp(gamma * F.logsigmoid(-quantities.log_odds(s, y))) * log_p


def hop_behind(large: float) -> Function:
    """Jumps by a half where s_0 + large, rounded, exceeds a threshold."""

    def hop(s: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(s, y) + 0.5 * ((s[:, 0] + large) - large > 0.7312).double()

    return hop


@pytest.mark.parametrize("function", [hop_by_log_p, *(hop_behind(large) for large in (1e3, 1e5))])
def test_a_jump_that_rounding_has_moved_is_a_jump(function: Function) -> None:
    subject = Subject("hop", function)
    left, right, v, y = (column[:4] for column in breaks(subject))
    with torch.no_grad():
        size = (function(right, y) - function(left, y)).abs()
    for i in range(len(left)):  # each, so that it does not hang on how a processor rounds
        place, still = jump_of_value(subject, left[i], right[i], v[i], int(y[i]), size[i].item())
        assert still == pytest.approx(size[i].item(), rel=1e-6)
        assert (place - left[i]).norm() < 1e-8 * (1 + left[i].abs().max())
    finding = lipschitz(subject)
    assert finding.verdict == "evidence_against"
    assert confirmed(subject, finding)


@pytest.mark.parametrize(("slope", "large"), [(1e6, 0.0), (1e14, 1e3), (1e20, 0.0)])
def test_a_steep_ramp_is_no_jump(slope: float, large: float) -> None:
    def ramp(s: Tensor, y: Tensor) -> Tensor:
        return (((s[:, 0] + large) - large - 0.7312) * slope).clamp(0, 1)

    assert lipschitz(Subject("ramp", ramp)).verdict != "evidence_against"


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_thresholds_grow_with_the_loss(factor: float) -> None:
    def hinge(s: Tensor, y: Tensor) -> Tensor:
        return factor * (1 - of_label(s, y)).relu()

    def detached(s: Tensor, y: Tensor) -> Tensor:
        values = cross_entropy(s, y)
        return factor * values * (1 - (-values).exp()).detach()

    subject = Subject("hinge", hinge)
    with torch.no_grad():  # who asks first must not matter
        impurity(subject)
    assert differentiable_everywhere(subject).verdict == "evidence_against"
    assert gradient_correct(Subject("detached", detached)).verdict == "evidence_against"
    assert (
        differentiable_everywhere(
            Subject("smooth", lambda s, y: factor * cross_entropy(s, y))
        ).verdict
        == "not_refuted"
    )


# ----------------------------------------------------------------------- functions of a sample

STATE = {"calls": 0}


def counting(s: Tensor, y: Tensor) -> Tensor:
    STATE["calls"] += 1
    return cross_entropy(s, y) * (1 + STATE["calls"])


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda s, y: cross_entropy(s, y) * (0.5 + torch.rand(len(s))), "random"),
        (lambda s, y: cross_entropy(F.dropout(s, 0.1), y), "random"),
        (counting, "change from call to call"),
        (lambda s, y: cross_entropy(s, y) / cross_entropy(s, y).mean(), "rest of the batch"),
        (lambda s, y: cross_entropy(s - s.mean(0), y), "rest of the batch"),
        (lambda s, y: cross_entropy(s, y) * torch.arange(1, len(s) + 1), "rest of the batch"),
        (lambda s, y: cross_entropy(s, y) / y.bincount()[y], "rest of the batch"),
        (lambda s, y: cross_entropy(s, y).clamp(max=cross_entropy(s, y).median()), "rest of the"),
        (lambda s, y: cross_entropy(s, y) * (1 if len(s) < 2000 else -1), "in one of 10000"),
        (cross_entropy, None),
        (lambda s, y: 1e-9 * cross_entropy(s, y), None),
    ],
)
def test_what_is_no_function_of_a_sample_is_said(function: Function, says: str | None) -> None:
    found = impurity(Subject("impure", function))
    if says is None:
        assert found is None
    else:
        assert says in (found or "")


HEAD = '''"""{0}."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Own(LogitLoss):
    """{0}."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,)."""
        return {1}
'''
CODE = {
    "rolls_dice": "F.cross_entropy(logits, target, reduction='none') * torch.rand(len(logits))",
    "wants_ten": "(torch.softmax(logits, 1) - F.one_hot(target, 10)).square().sum(1)",
    "wants_forty": "(torch.softmax(logits, 1) - F.one_hot(target, 40)).square().sum(1)",
    "gives_a_mean": "F.cross_entropy(logits, target)",
    "seven_are_special": "torch.softmax(logits, 1).gather(1, target[:, None])[:, 0]"
    " + (logits[:, 0].tanh() if logits.shape[1] == 7 else 0)",
    "gives_a_number": "float(F.cross_entropy(logits, target))",
    "gives_truth": "logits.argmax(1) != target",
    "writes_into_scores": "F.cross_entropy(logits.sub_(logits.detach().amax(1, keepdim=True)),"
    " target, reduction='none')",
    "spoils_its_slope": "F.cross_entropy(logits.sub_(logits.amax(1, keepdim=True)), target,"
    " reduction='none')",
    "writes_into_labels": "F.cross_entropy(logits, target.clamp_(min=0), reduction='none')",
    "is_narrow": "F.cross_entropy(logits.float(), target, reduction='none')",
    "has_no_slope": "(logits.argmax(1) != target).to(logits.dtype)",
    "overflows": "1e150 * F.cross_entropy(logits, target, reduction='none')",
    "warms_up": "F.cross_entropy(logits, target, reduction='none')"
    " if setattr(self, 'calls', getattr(self, 'calls', 0) + 1) or self.calls < 60"
    " else 1 - torch.softmax(logits, 1).gather(1, target[:, None])[:, 0]",
}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of losses."""
    folder = tmp_path / "losses" / "margin"
    folder.mkdir(parents=True)
    for name, code in CODE.items():
        (folder / f"{name}.py").write_text(HEAD.format(name, code))
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    return tmp_path


def test_random_values_are_said_first_and_nothing_else(command: Callable[..., Any]) -> None:
    code, out, _ = command("check", "rolls_dice")
    assert code == 0
    assert out.startswith("rolls_dice is no function of a sample's inputs: its values are random")
    table = out.splitlines()[1:]
    assert all(" not applicable " in line for line in table)


@pytest.mark.parametrize(
    "name", ["writes_into_scores", "writes_into_labels", "has_no_slope", "overflows"]
)
def test_unusual_code_is_told_apart_from_a_fault_of_ours(
    name: str, command: Callable[..., Any]
) -> None:
    """It may write into its arguments, overflow, have no slope: nothing of it is a traceback."""
    told = ("symmetric", "strictly", "dominates", "no_dead", "reduction", "calibration")
    for prop in told:
        code, _, err = command("check", name, "--property", prop)
        assert (code, err) == (0, ""), (prop, err)
    if name.startswith("writes"):
        (same,) = records.check(name, ["strictly_proper"])
        assert same["verdict"] == "not_refuted"
    if name == "overflows":
        assert "in float32 the gradient of a slight mistake" in command("check", name)[1]


def test_values_are_no_narrower_than_the_scores() -> None:
    narrow, scores = examine("is_narrow"), torch.zeros(4, 4, dtype=torch.float64)
    assert narrow.table(scores).dtype == torch.float64
    assert narrow.table(scores.float()).dtype == torch.float32


def test_what_changes_later_only_is_said_of_all(command: Callable[..., Any]) -> None:
    code, out, _ = command("check", "warms_up")
    assert code == 0
    assert "change from call to call" in out.splitlines()[0]
    assert all(" not applicable " in line for line in out.splitlines()[1:])


def test_code_for_ten_classes_is_checked_for_ten(command: Callable[..., Any]) -> None:
    code, out, err = command("check", "wants_ten", "--property", "bounded")
    assert (code, err) == (0, "")
    assert "wants_ten: all for K = 10 classes" in out
    assert "K=10 to 1e+100" in out
    assert calibration_function(examine_anywhere("wants_ten")).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["wants_forty"], "wants_forty: its code fails for 4 classes: RuntimeError: "),
        (["wants_forty"], "; so it does for any of 2 to 10, and --classes K tries more\n"),
        (["wants_ten", "--classes", "4"], "wants_ten: its code fails for 4 classes: RuntimeError"),
        (
            ["gives_a_mean"],
            "mean: its code must return one value a sample, of shape (4,), not shape ()",
        ),
        (["gives_a_number"], "must return a tensor of values, one a sample, not float\n"),
        (["spoils_its_slope"], "modified by an inplace operation"),
        (["gives_truth"], "must return floating point values, not torch.bool\n"),
        (["focal", "--classes", "1"], ""),
        (["focal", "--classes", "5", "--record"], "leave out --classes"),
    ],
)
def test_code_that_fails_ends_in_a_sentence(
    command: Callable[..., Any], arguments: list[str], says: str
) -> None:
    code, out, err = command("check", *arguments, "--property", "bounded")
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_classes_can_be_chosen_and_are_not_kept(command: Callable[..., Any], cache: Path) -> None:
    prop = ("--property", "shift_invariant")
    _, four, _ = command("check", "seven_are_special", *prop)
    _, seven, _ = command("check", "seven_are_special", "--classes", "7", *prop)
    assert " not refuted " in four
    assert " refuted " in seven
    assert "K = 7" in seven
    (kept,) = cache.iterdir()
    assert '"classes": 4' in kept.read_text()


# -------------------------------------------------------------------------------------- sums


@cache
def verdict(prop: str, loss: str) -> str:
    """What is recorded of a loss, or of a sum of losses."""
    return str(records.run(records._checks()[prop], examine(loss))["verdict"])


@pytest.mark.parametrize(
    ("name", "prop"),
    [
        ("sigmoid_bce", "strictly_proper"), ("squared_error_logits", "strictly_proper"),
        ("balanced_softmax", "strictly_proper"), ("sigmoid_bce", "convex_in_logits"),
        ("sparsemax_loss", "convex_in_logits"), ("mae", "symmetric_sum_constant"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", ["2 * {0}", "{0} + {0}", "1e-6 * {0}"])
def test_multiples_and_sums_have_the_verdict_of_their_loss(
    name: str, prop: str, written: str
) -> None:
    assert verdict(prop, name) == verdict(prop, written.format(name)) == "proved"


def test_sums_of_unlike_losses_have_no_link_and_no_rule() -> None:
    assert examine("sigmoid_bce + cross_entropy").link is None
    assert strictly_proper(examine("sigmoid_bce + cross_entropy")).verdict == "not_applicable"
    mixed = examine("balanced_softmax + cross_entropy")
    assert mixed.bayes_rule is None
    check = records._checks()["classification_calibrated"]
    assert records.run(check, mixed)["verdict"] == "not_applicable"
    assert examine("cross_entropy + 0 * sigmoid_bce").link == "softmax"


def test_hyperparameters_of_a_sum_reach_the_proof() -> None:
    assert examine("2 * label_smoothing(epsilon=0.3)").parts[0][1].hyperparameters == {
        "epsilon": 0.3
    }
    finding = convex_in_logits(examine("2 * label_smoothing(epsilon=0.3)"))
    assert finding.verdict == "proved"


def test_the_calibration_function_looks_at_each_class_on_top() -> None:
    """A loss that never lets class 1 win is fair to class 0."""

    def unfair(s: Tensor, y: Tensor) -> Tensor:
        shifted = s + torch.tensor([0.0, 3.0] + [0.0] * (s.shape[1] - 2), dtype=s.dtype)
        return cross_entropy(shifted, y)

    finding = calibration_function(Subject("unfair", unfair))
    assert finding.verdict == "evidence_against"
    first, second = finding.found["psi_by_class"]
    assert min(first) < 1e-6 or min(second) < 1e-6
    assert max(max(first), max(second)) > 0.1
    assert calibration_function(examine("ldam")).verdict == "evidence_against"


def test_faults_are_told_with_their_line() -> None:
    with pytest.raises(UserError, match=r"wants_ten\.py:\d+\)"):
        examine_anywhere("wants_ten", 4)


def test_only_a_maintainer_changes_the_projects_records(own: Path) -> None:
    (own / "papers").mkdir()
    records.check("wants_ten", ["bounded"])
    assert not (own / "papers" / records.FOLDER).exists()
    records.check("wants_ten", ["bounded"], keep=True)
    assert (own / "papers" / records.FOLDER / "wants_ten.json").is_file()
