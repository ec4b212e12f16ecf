"""Is it new: known identities are found, unrelated losses do not match, mistakes are sentences."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch

from lossatlas.cards import TARGETS
from lossatlas.errors import UserError
from lossatlas.intervals import Interval
from lossatlas.losses import registry
from lossatlas.losses.registry import get_loss
from lossatlas.report.atlas_figure import atlas
from lossatlas.theory import atlas_map, fingerprint, fit, nearest
from lossatlas.theory.fit import EXACT, Candidate, both_of, gradients_of, known

# subject, known loss, its setting, scale of the known loss
IDENTITIES = [
    ("mae", "gce", {"q": 1}, 2),
    ("mae", "taylor_ce", {"t": 1}, 2),
    ("mae", "agce", {"q": 1}, 2),
    ("rce", "mae", {}, 2),
    ("gce", "agce", {"a": 0, "q": 0.7}, 1),
    ("gce", "comp_sum", {"tau": 1.7}, 1),
    ("comp_sum", "gce", {"q": 0.5}, 1),
    ("cross_entropy", "focal", {"gamma": 0}, 1),
    ("cross_entropy", "label_smoothing", {"epsilon": 0}, 1),
    ("cross_entropy", "soft_target_kl", {}, 1),
    ("cross_entropy", "sce", {"beta": 0}, 10),
    ("cross_entropy", "poly1_cross_entropy", {"epsilon_1": 0}, 1),
    ("cross_entropy", "logit_adjustment", {"tau": 0}, 1),
    ("sce", "poly1_cross_entropy", {"epsilon_1": 40}, 0.1),
    ("nce", "anl_ce", {"beta": 0}, 0.2),
    ("cross_entropy", "mbls", {"alpha": 0}, 1),
    ("cross_entropy", "ldam", {"max_m": 0, "sigma": 1}, 1),
    ("balanced_softmax", "logit_adjustment", {}, 1),
    ("crammer_singer_hinge", "set_margin_hinge", {}, 1),
]
HIDDEN = [
    ("gce", {"q": 0.35}),
    ("focal", {"gamma": 1.7}),
    ("label_smoothing", {"epsilon": 0.03}),
    ("logit_norm", {"temperature": 0.3}),
    ("logit_adjustment", {"tau": 0.3}),
    ("taylor_ce", {"t": 4}),
    ("agce", {"a": 0.2, "q": 0.45}),
    ("crammer_singer_hinge", {"margin": 1.37}),
    ("mbls", {"margin": 2, "alpha": 0.02}),
]
LIMITS = [
    ("cross_entropy", "gce", "q -> 0"),
    ("cross_entropy", "agce", "q -> 0"),
    ("mae", "poly1_cross_entropy", "epsilon_1 -> inf"),
]
DISTINCT = [
    "cross_entropy", "focal", "label_smoothing", "brier", "mae", "gce", "agce", "comp_sum", "nce",
    "apl_nce_rce", "anl_ce", "sce", "taylor_ce", "logit_norm", "sigmoid_bce",
    "crammer_singer_hinge",
]  # fmt: skip
FEW = [
    "cross_entropy", "focal", "soft_target_kl", "poly1_cross_entropy", "brier", "gce", "mae", "rce",
    "sce", "nce", "sigmoid_bce",
]  # fmt: skip
HEAD = "import torch\nimport torch.nn.functional as F\ndef loss(logits, target):\n    "
LOG_P = "F.log_softmax(logits, 1).gather(1, target[:, None])[:, 0]"


def view(function):
    return gradients_of(fingerprint.fingerprint(function, "class_index"))


def cross_entropy(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, reduction="none")


@pytest.fixture(autouse=True)
def _one_thread():
    """Small tensors on busy cores: more threads only wait for one another."""
    torch.set_num_threads(1)


@pytest.fixture
def few(monkeypatch):
    """A small catalogue, for what does not need the whole one."""
    entries = registry.index()
    monkeypatch.setattr(registry, "index", lambda: {name: entries[name] for name in FEW})


@pytest.fixture
def ask(tmp_path, few):
    """`nearest` for a file whose function has this body."""

    def ask(body, head=HEAD):
        file = tmp_path / "mine.py"
        file.write_text(head + body + "\n")
        return nearest.nearest(str(file))

    return ask


@pytest.mark.parametrize(("subject", "name", "setting", "scale"), IDENTITIES)
def test_an_identity_of_the_catalogue_is_found(subject, name, setting, scale):
    mine = known(subject, {})
    found = fit.fit(Candidate(name), both_of(mine))
    assert found.residual <= EXACT
    assert found.limit == ""
    assert found.setting == pytest.approx(setting)
    assert gradients_of(mine).scale(known(name, found.setting)) == pytest.approx(scale)


@pytest.mark.parametrize(("name", "setting"), HIDDEN)
def test_hyperparameters_off_the_ladder_are_recovered(name, setting):
    mine = known(name, setting)
    found = fit.fit(Candidate(name), both_of(mine))
    assert found.residual <= EXACT
    assert found.setting == pytest.approx(setting, abs=1e-6)


@pytest.mark.parametrize(("subject", "name", "limit"), LIMITS)
def test_a_limit_is_told_from_an_equality(subject, name, limit):
    found = fit.fit(Candidate(name), both_of(known(subject, {})))
    assert found.limit == limit
    assert EXACT < found.residual < 1e-3


@pytest.mark.parametrize("subject", ["brier", "sigmoid_bce", "nce", "crammer_singer_hinge"])
@pytest.mark.parametrize("name", ["gce", "focal", "poly1_cross_entropy", "agce"])
def test_unrelated_losses_are_neither_equal_nor_limits(subject, name):
    found = fit.fit(Candidate(name), both_of(known(subject, {})))
    assert found.limit == ""
    assert found.residual > 0.2


def test_what_stays_apart_by_a_small_constant_is_no_limit():
    def function(logits, target):
        return -(torch.exp(-cross_entropy(logits, target)) + 1e-8).log()

    candidate, view = Candidate("gce"), both_of(fingerprint.fingerprint(function, "class_index"))
    assert view.residual(candidate.at({"q": 7e-6})) < 1e-3
    assert fit.fit(candidate, view).limit == ""


def test_gradients_decide_and_values_only_help():
    """Where nothing fits, the fit is that of the gradients."""
    mine = known("squared_error_logits", {})
    for name in ("focal", "label_smoothing", "gce", "poly1_cross_entropy"):
        candidate = Candidate(name)
        found = candidate.at(fit.fit(candidate, both_of(mine)).setting)
        best = candidate.at(fit.fit(candidate, gradients_of(mine)).setting)
        gradients = gradients_of(mine)
        assert gradients.residual(found) < 1.02 * gradients.residual(best)
        assert both_of(mine).residual(found) == pytest.approx(gradients.residual(found), abs=0.01)


def test_verdicts_on_registered_losses():
    answer = nearest.nearest("mae")
    assert answer.verdict.startswith("mae equals ")
    assert answer.verdict.endswith(": not new")
    formulas = [match.formula for match in answer.matches if match.relation == "equal"]
    assert {"0.5 * rce", "2 * gce(q=1)", "2 * comp_sum(tau=2)"} <= set(formulas)
    assert "mae" not in [match.loss for match in answer.matches]


def test_a_known_sum_and_a_loss_of_distributions(few):
    answer = nearest.nearest("sce")
    assert answer.combination.formula == "0.1 * cross_entropy + 2 * mae"
    assert answer.combination.formula in answer.verdict
    assert "at single labels" in nearest.nearest("soft_target_kl").verdict
    assert nearest.nearest("2 * nce").matches[0].loss == "nce"
    assert nearest.nearest("nce + 2 * rce").combination.formula == "4 * mae + nce"


def test_a_file_in_disguise(ask):
    """A factor, a constant, and a term of the label change nothing that is learnt."""
    answer = ask(
        "return 5 * (1 - torch.softmax(logits, 1)[range(len(target)), target] ** 0.35) + 7"
    )
    assert answer.matches[0].relation == "equal"
    assert "1.75 * gce(q=0.35) + 7" in [match.formula for match in answer.matches[:3]]
    assert "not new" in answer.verdict
    answer = ask(f"return -{LOG_P} + target")
    assert "cross_entropy, up to a constant for each label" in answer.verdict
    assert answer.matches[0].differs_by == "label"
    answer = ask(f"log_p = {LOG_P}\n    return log_p.detach() - log_p")
    assert "cross_entropy in its gradients, not in its values" in answer.verdict


def test_a_sum_of_two_known_losses(ask):
    answer = ask(
        f"p = torch.softmax(logits, 1)\n    brier = (p - F.one_hot(target, 10)).square().sum(1)\n"
        f"    return 0.5 * brier - 2 * {LOG_P}"
    )
    assert set(answer.combination.losses) == {"brier", "cross_entropy"}
    assert sorted(answer.combination.weights) == pytest.approx([0.5, 2])
    assert "a sum of known losses" in answer.verdict


def test_a_difference_of_two_known_losses(ask):
    answer = ask(
        f"p = torch.softmax(logits, 1)\n    brier = (p - F.one_hot(target, 10)).square().sum(1)\n"
        f"    return 2 * brier + {LOG_P} / 3"
    )
    assert answer.combination.formula == "2 * brier - 1/3 * cross_entropy"
    assert "no single known loss equals" in answer.verdict
    assert "a difference of known losses" in answer.verdict


LINEAR = "(logits.mean(1) - logits.gather(1, target[:, None])[:, 0])"
GAPS = "(logits - logits.gather(1, target[:, None]))"
# What is right of proposals: the known loss, and words.
RIGHT = [
    (LINEAR, "10 * cross_entropy - 10 * label_smoothing", "no single known loss equals"),
    (f"7 * {LINEAR} + 1", "70 * cross_entropy - 70 * label_smoothing", "no single known loss"),
    (LINEAR, "weston_watkins_hinge(margin=30) - 27 does at scores of standard deviation 0.01 to 3 "
     "only", "no single known loss"),
    (f"({GAPS} + 50).relu().sum(1) - 50", "equals weston_watkins_hinge(margin=50)", "not new"),
    (f"3 * ({GAPS} + 64).relu().sum(1)", "equals 3 * weston_watkins_hinge(margin=64) + 192",
     "0.01 to 100"),
    ("sum((1 - p) ** k / k for k in range(1, 4))", "equals taylor_ce(t=3) (", "not new"),
    ("sum((1 - p) ** k / k for k in range(1, 8))", "equals taylor_ce(t=7) (", "not new"),
    ("2 / 3 * sum((1 - p) ** k / k for k in range(1, 24))", "equals 2/3 * taylor_ce(t=23) (",
     "not new"),
    ("2 * (1 - p).detach() * -log_p", "equals 2 * poly1_cross_entropy(epsilon_1=-1)",
     "in its gradients, not in its values"),
    ("(1 - p).detach() ** 2 * -log_p", "has the values of focal and the gradients of "
     "cross_entropy - taylor_ce(t=2)", "detached"),
    ("-log_p.clamp(min=-30)", "no known loss equals", "cross_entropy does at scores of standard "
     "deviation 0.01 to 10 only, of 0.01 to 100"),
    ("-torch.log(p.clamp(min=1e-7))", "cross_entropy does at scores", "no known loss equals"),
    ("1e9 * (1 - p)", "equals 500000000 * mae (", "not new"),
    ("1e-12 * (3 - log_p)", "equals 1e-12 * cross_entropy + 3e-12 (", "not new"),
    ("1e-12 * (1 - p).detach() * -log_p", "equals 1e-12 * poly1_cross_entropy(epsilon_1=-1)",
     "in its gradients, not in its values"),
    ("(1 - p**0.3) / 0.3", "equals gce(q=0.3) (", "not new"),
    ("-log_p / 7", "equals 1/7 * cross_entropy (", "not new"),
    ("-log_p / 2.718281828459045", "equals 0.3678794412 * cross_entropy (", "not new"),
    ("-torch.log(torch.softmax(logits, 1))[range(len(target)), target]", "equals cross_entropy (",
     "for 10 classes at scores of standard deviation 0.01 to 100): not new"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "formula", "words"), RIGHT)
def test_the_right_answer(body, formula, words, tmp_path, monkeypatch):
    entries = registry.index()
    more = ["alpha_loss", *FEW, "label_smoothing", "taylor_ce", "weston_watkins_hinge"]
    monkeypatch.setattr(registry, "index", lambda: {name: entries[name] for name in more})
    file = tmp_path / "mine.py"
    file.write_text(f"{HEAD}log_p = {LOG_P}\n    p = log_p.exp()\n    return {body}\n")
    verdict = nearest.nearest(str(file)).verdict
    assert formula in verdict
    assert words in verdict
    assert ("not new" in verdict) == ("equals" in verdict and "no " not in verdict.split("(")[0])


def test_a_known_loss_at_a_setting_may_be_a_sum_as_well(ask, monkeypatch):
    monkeypatch.setitem(globals(), "FEW", [*FEW, "bsce_gra", "taylor_ce"])
    answer = ask(f"log_p = {LOG_P}\n    return (1 - log_p.exp()).detach() ** 2 * -log_p")
    assert answer.verdict.split(" equals ")[1].startswith(
        "0.25 * bsce_gra(beta=1), and cross_entropy - taylor_ce(t=2) ("
    )


def test_a_loss_and_nothing_of_another_is_no_sum(ask):
    """What rounding leaves of the proposal is no second part."""
    answer = ask(f"return (1 - ({LOG_P}).exp() ** 0.5) / 0.5")
    assert answer.matches[0].formula == "gce(q=0.5)"
    assert answer.combination is None


BROKEN = """from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Broken(LogitLoss):
    target = "class_index"

    def __init__(self):
        super().__init__()
        {init}

    def per_sample(self, logits, target):
        {forward}
"""


def test_broken_losses_are_named_and_the_others_compared(tmp_path, monkeypatch):
    folder = tmp_path / "losses" / "noise_robust"
    folder.mkdir(parents=True)
    bodies = {
        "raises_b": ("pass", "raise ValueError('on\\npurpose')"),
        "exits_b": ("pass", "raise SystemExit(3)"),
        "starts_b": ("raise ZeroDivisionError('in the constructor')", "return logits.sum(1)"),
        "shape_b": ("pass", "return logits"),
        "nan_b": ("pass", "return logits.sum(1) * float('nan')"),
        "none_b": ("pass", "return None"),
    }
    for name, (init, forward) in bodies.items():
        (folder / f"{name}.py").write_text(BROKEN.format(init=init, forward=forward))
    monkeypatch.setenv("LOSSATLAS_PATH", str(tmp_path))
    entries = registry.index()
    monkeypatch.setattr(
        registry, "index", lambda: {name: entries[name] for name in [*FEW, *bodies]}
    )
    answer = nearest.nearest("mae")
    assert "mae equals 0.5 * rce" in answer.verdict
    assert set(answer.left_out) == set(bodies)
    lines = nearest.table(answer, 1).splitlines()
    for name in bodies:
        assert sum(line.startswith(f"not compared: {name}") for line in lines) == 1


def test_a_loss_that_fails_far_out_is_compared_where_it_works(ask):
    for trouble, reach in (
        ("assert logits.abs().max() < 20", 3),
        ("logits = torch.where(logits.abs() < 20, logits, float('nan'))", 10),
    ):
        answer = ask(f"{trouble}\n    return -2 * {LOG_P}")
        assert answer.matches[0].formula == "2 * cross_entropy"
        assert answer.matches[0].scales == (0.01, reach)
        assert f"at scores of standard deviation 0.01 to {reach}): not new" in answer.verdict


def test_factors_are_the_numbers_that_they_are():
    assert nearest.snapped(2 + 1e-10, 1e-9) == 2
    assert nearest.snapped(1 / 3 + 1e-12, 1e-9) == 1 / 3
    assert nearest.snapped(0.123456, 1e-9) == 0.123456
    assert nearest.snapped(2.0019011406844105, 1e-9) == 2.0019011406844105
    assert nearest.snapped(3.14159265358979, 1e-9) == 3.14159265358979
    assert nearest._number(1 / 3) == "1/3"
    assert nearest._number(0.1) == "0.1"
    assert nearest._number(2.0) == "2"


def test_a_detached_factor_has_the_values_but_not_the_gradients(ask):
    answer = ask(f"log_p = {LOG_P}\n    return -((1 - log_p.exp()).detach() ** 1.7) * log_p")
    best = answer.matches[0]
    assert (best.loss, best.relation, best.setting) == ("focal", "same values", {"gamma": 1.7})
    assert best.residual > 0.1
    assert "detached" in answer.verdict


def test_a_small_constant_in_the_logarithm_or_float32_is_almost_equal(ask):
    answer = ask(f"return -torch.log({LOG_P}.exp() + 1e-8)")
    assert answer.matches[0].relation == "almost equal"
    assert "cross_entropy" in [match.loss for match in answer.matches[:2]]
    assert not answer.matches[0].setting
    answer = ask("return F.cross_entropy(logits.float(), target, reduction='none')")
    assert "rounding" in answer.verdict
    assert answer.matches[0].residual < 1e-5


@pytest.mark.parametrize(
    "body",
    [
        f"return torch.exp(-{LOG_P} / 3) + 0.3 * logits.square().sum(1).sqrt()",
        "return (logits.mean(1) - logits.gather(1, target[:, None])[:, 0]).sin()",
    ],
    ids=["sum", "sine"],
)
def test_a_new_loss_matches_nothing(body, ask):
    answer = ask(body)
    assert answer.verdict.startswith("no known loss fits")
    assert answer.combination is None
    assert {match.relation for match in answer.matches} == {"different"}


def test_the_negative_of_a_loss_is_no_match(ask):
    """A scale is positive: what is maximised is not what is minimised."""
    answer = ask(f"return {LOG_P}")
    by_name = {match.loss: match for match in answer.matches}
    assert by_name["cross_entropy"].cosine == pytest.approx(-1)
    assert by_name["cross_entropy"].residual == pytest.approx(1)
    assert by_name["cross_entropy"].scale == 0
    assert {match.relation for match in answer.matches} == {"different"}


MISTAKES = [
    ("return F.cross_entropy(logits, target)", "one value a sample, of shape (300,), not shape ()"),
    ("return torch.zeros(3, 4, requires_grad=True)", "not shape (3, 4)"),
    ("return None", "returns NoneType, not a tensor"),
    ("return target", "must return floating point values, not torch.int64"),
    ("return logits.detach().sum(1)", "has no gradient in the logits: its values are detached"),
    ("return torch.tensor(logits.detach().numpy().sum(1))", "has no gradient in the logits"),
    ("return torch.ones(300, requires_grad=True) * 2", "does not depend on the logits"),
    ("return 0 * logits.sum(1)", "has a zero gradient at all points"),
    ("return logits.sum(1).log()", "is not finite at "),
    ("return (logits.sum(1) - logits.sum(1)).abs().sqrt()", "has a gradient that is not finite"),
    ("raise ValueError('not today\\nat all')", "the loss raises ValueError: not today"),
    ("return logits.nonsense", "raises AttributeError: 'Tensor' object has no attribute"),
    ("return (logits * torch.rand(10)).sum(1)", "gives other gradients when it is called again"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), MISTAKES)
def test_a_file_that_cannot_be_compared(body, said, ask):
    with pytest.raises(UserError) as error:
        ask(body)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def loss(logits, target:\n", "mine.py:1: cannot be imported: SyntaxError"),
        ("import nothing_of_the_kind\n", "cannot be imported: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit: 3"),
        ("def los(logits, target): ...\n", "defines no function loss(logits, target)"),
        ("loss = 3\n", "defines no function loss(logits, target)"),
        ("def loss(logits): return logits.sum(1)\n", "the loss raises TypeError"),
    ],
)
def test_a_file_that_defines_no_loss(text, said, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        nearest.nearest(str(file))
    assert said in str(error.value)
    assert str(file) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_no_such_file_or_loss(tmp_path):
    with pytest.raises(UserError, match=r"gone\.py: there is no such file"):
        nearest.nearest(str(tmp_path / "gone.py"))
    with pytest.raises(UserError, match="is a folder, not a Python file"):
        nearest.nearest(str(tmp_path))
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(UserError, match=r"must end in \.py"):
        nearest.nearest(str(tmp_path / "mine.txt"))
    with pytest.raises(UserError, match="there is no loss 'focall'; did you mean focal"):
        nearest.nearest("focall")
    for nothing in ("", " "):
        with pytest.raises(UserError, match=r"^name the loss to compare: an id, an expr.* file$"):
            nearest.nearest(nothing)


OWN = """from lossatlas.losses.contrastive_two_view.nt_xent import NTXent
from lossatlas.losses.registry import register


@register
class Own(NTXent):
    def __init__(self):
        super().__init__(0.2)
"""


def test_what_learns_from_features_equals_no_loss_of_logits(monkeypatch):
    entries = registry.index()
    names = ("cross_entropy", "center_loss", "t2fnorm", "deep_gamblers", "soft_target_kl")
    monkeypatch.setattr(registry, "index", lambda: {name: entries[name] for name in names})
    answer = nearest.nearest("cross_entropy")
    assert [match.formula for match in answer.matches] == ["soft_target_kl"]
    for name, beyond in (
        ("center_loss", "its features"),
        ("2 * center_loss + cross_entropy", "its features"),
        ("deep_gamblers", "an output that is no class"),
    ):
        with pytest.raises(UserError, match=f"learns from {beyond}, too"):
            nearest.nearest(name)


def test_embeddings_are_compared_with_embeddings_only(tmp_path, monkeypatch):
    folder = tmp_path / "losses" / "contrastive_two_view"
    folder.mkdir(parents=True)
    (folder / "own_nt_xent.py").write_text(OWN)
    (folder / "own_broken.py").write_text("import nothing_of_the_kind\n")
    monkeypatch.setenv("LOSSATLAS_PATH", str(tmp_path))
    names = ("own_nt_xent", "own_broken", "nt_xent", "barlow_twins", "proxy_anchor", "focal")
    entries = registry.index()
    monkeypatch.setattr(registry, "index", lambda: {name: entries[name] for name in names})
    answer = nearest.nearest("own_nt_xent")
    assert "nt_xent(temperature=0.2)" in answer.verdict
    assert {match.loss for match in answer.matches} == {"nt_xent", "barlow_twins"}
    assert set(answer.left_out) == {"own_broken", "proxy_anchor"}
    assert answer.left_out["proxy_anchor"] == "takes another number of views"
    assert "not compared: own_broken" in nearest.table(answer, 1)


def test_the_points_are_weighed_evenly():
    """A change anywhere along the margin shows: neither the tails nor the centre decide alone."""

    def changed(low, high):
        def function(logits, target):
            margin = logits.gather(1, target[:, None])[:, 0] - logits.mean(1)
            inside = ((margin > low) & (margin < high)).detach()
            return torch.where(inside, 0.5, 1.0) * cross_entropy(logits, target)

        return function

    original = fingerprint.fingerprint(cross_entropy, "class_index")
    for low, high in ((-99, -2), (-2, -0.5), (-0.5, 0.5), (0.5, 2), (2, 99)):
        assert 0.05 < view(changed(low, high)).residual(original) < 0.5, (low, high)


def test_large_gradients_do_not_drown_small_ones():
    """A square beside a cross-entropy: the square's large gradients are not all that is seen."""

    def square(logits, target):
        return (logits - torch.nn.functional.one_hot(target, logits.shape[1])).square().sum(1)

    both = view(lambda s, y: square(s, y) + 3 * cross_entropy(s, y))
    plain = both.target.reshape(-1, fingerprint.CLASSES)
    share = np.sort(np.linalg.norm(plain, axis=1) ** 2)[::-1]
    assert share[:30].sum() < 0.25  # a tenth of the points
    assert both.residual(fingerprint.fingerprint(square, "class_index")) > 0.2


def smallest_angle(names):
    found = atlas_map.angles([known(name, {}) for name in names])
    return min(found[i, j] for i, j in itertools.combinations(range(len(names)), 2))


def test_the_design_tells_losses_apart_and_one_of_small_logits_would_not(monkeypatch):
    assert smallest_angle(DISTINCT) > 3
    whole = fingerprint.design("logits")
    monkeypatch.setattr(fingerprint, "design", lambda *_: [(0.01 * s, y) for s, y in whole])
    assert smallest_angle(DISTINCT) < 0.1


def test_the_design_is_bounded_without_ties_and_fixed():
    [(logits, labels)] = fingerprint.design("logits")
    fingerprint.design.cache_clear()
    [(again, _)] = fingerprint.design("logits")
    assert torch.equal(logits, again)
    assert logits.dtype == torch.float64
    assert logits.abs().max() < 20
    assert logits.sort(1).values.diff(dim=1).min() > 0
    assert set(labels.tolist()) == set(range(fingerprint.CLASSES))
    spread = logits.std(1)
    assert (spread < 0.5).double().mean() > 0.15
    assert (spread > 2).double().mean() > 0.25
    right = (logits.argmax(1) == labels).double().mean()
    assert 0.25 < right < 0.75


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("[0, 1]", 0.1),
        ("(0, inf)", 2.0),
        ("(-inf, 0)", -4.0),
        ("(-inf, inf)", 0.0),
        ("[0, 1)", 0.0),
        ("[0, 7]", 0.3),
    ],
)
def test_a_ladder_stays_in_its_range_and_has_its_ends(text, default):
    interval = Interval.parse(text)
    steps = fit.ladder(interval, default)
    assert all(step in interval for step in steps)
    assert steps == sorted(set(steps))
    assert default in steps
    for end in (interval.low, interval.high):
        assert (end in steps) == (end in interval)
    assert len(steps) >= 10


def test_whole_numbers_and_mere_factors_are_recognised():
    taylor = Candidate("taylor_ce")
    assert taylor.whole == {"t"}
    assert all(step.is_integer() for step in taylor.ladders["t"])
    assert not Candidate("gce").whole
    assert list(Candidate("focal").ladders) == ["gamma"]  # alpha_y only scales
    assert Candidate("rce").ladders == {}


def test_scaling_recovers_a_plane_and_its_signs_are_fixed():
    points = np.array([[0.0, 0], [3, 0], [0, 4], [7, 1]])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    found, kept = atlas_map.scaling(distances)
    assert np.linalg.norm(found[:, None] - found[None], axis=2) == pytest.approx(distances)
    assert kept == pytest.approx(1)
    for seed in range(6):
        points = np.random.default_rng(seed).normal(size=(9, 2))
        other, _ = atlas_map.scaling(np.linalg.norm(points[:, None] - points[None], axis=2))
        assert (other[np.abs(other).argmax(0), [0, 1]] > 0).all()
    _, kept = atlas_map.scaling(np.ones((5, 5)) - np.eye(5))
    assert kept == pytest.approx(0.5)  # a simplex of five corners has four equal axes


def test_the_map_and_its_figure():
    names = ["cross_entropy", "focal", "mae", "rce", "gce", "sigmoid_bce", "nt_xent"]
    table = atlas_map.atlas_map(names)
    assert list(table.columns) == ["id", "family", "x", "y"]
    assert table["id"].tolist() == names[:-1]
    at = table.set_index("id")[["x", "y"]]
    apart = {n: np.hypot(*(at.loc["mae"] - at.loc[n])) for n in names[:-1]}
    assert apart["rce"] < 1e-4 < apart["gce"] < apart["cross_entropy"]
    pd.testing.assert_frame_equal(table, atlas_map.atlas_map(names))
    picture = atlas(table)
    assert picture == atlas(table)
    assert ">mae, rce<" in picture.svg
    assert all(name in picture.alt for name in names[:-1])
    with pytest.raises(UserError, match="there is no loss 'focall'"):
        atlas_map.atlas_map(["focall"])


def test_an_angle_is_that_of_the_gradients():
    ce, double = (
        fingerprint.fingerprint(f, "class_index")
        for f in (cross_entropy, lambda s, y: 2 * cross_entropy(s, y) + y)
    )
    minus = fingerprint.fingerprint(lambda s, y: -cross_entropy(s, y), "class_index")
    found = atlas_map.angles([ce, double, minus])
    assert found == pytest.approx(np.array([[0, 0, 180], [0, 0, 180], [180, 180, 0]]), abs=1e-5)


def test_angles_are_symmetric_though_weights_are_the_subject_s():
    found = atlas_map.angles([known(name, {}) for name in ("mae", "cross_entropy", "brier")])
    assert found == pytest.approx(found.T, abs=0)
    assert found.diagonal() == pytest.approx(0, abs=0)


def test_a_complementary_label_is_not_a_label():
    kinds = {target: fingerprint.kind_of(target) for target in TARGETS}
    assert {t for t, kind in kinds.items() if kind == "logits"} == {
        "class_index", "distribution", "label_set",
    }  # fmt: skip
    assert [t for t, kind in kinds.items() if kind == "complementary"] == ["complementary"]


def test_the_command(few, tmp_path, command):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + f"print('noise')\n    return -{LOG_P} / 2\n")

    def run(*arguments):
        return command("nearest", *arguments)

    code, out, err = run(str(file), "-k", "2")
    lines = out.splitlines()
    assert code == 0
    assert "noise" in err
    assert "not new" in lines[0]
    assert [line.split()[0] for line in lines[3:]] == ["1", "2"]
    code, out, _ = run(str(file), "-k", "1", "--json")
    record = json.loads(out)
    assert len(record["matches"]) == 1
    assert record["matches"][0]["scale"] == pytest.approx(0.5)
    code, out, err = run("focall")
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: there is no loss 'focall'; did you mean focal?")
    assert run("mae", "-k", "0")[0] == 2


def test_a_setting_outside_its_range_is_passed_over():
    candidate = Candidate("gce")
    assert candidate.at({"q": 2.0}) is None
    assert candidate.at({"q": 0.7}) is candidate.default
    with pytest.raises(UserError):
        known("gce", {"q": 2.0})
    assert get_loss("gce", q=0.7).q == 0.7
