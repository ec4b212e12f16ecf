"""Which losses a second stage gives more seeds."""

from lossatlas.analysis import arms
from lossatlas.analysis.contenders import contenders
from rows import whole

SPREAD = (-0.004, 0.0, 0.004)


def condition(nll=None, against="cross_entropy", **accuracies):
    runs = [
        whole(
            f"{loss}-{seed}", loss=loss, seed=seed, data="cifar10", test_accuracy=mean + off,
            test_nll=(nll or {}).get(loss, 1.0) + off,
        )
        for loss, mean in accuracies.items()
        for seed, off in enumerate(SPREAD)
    ]  # fmt: skip
    [found] = arms.conditions(runs, ["cross_entropy"], against)
    return found


def test_what_may_be_among_the_best_three_contends_and_the_baseline_does_not():
    found = condition(cross_entropy=0.70, gce=0.80, sce=0.79, mae=0.705, elr=0.702, focal=0.40)
    assert contenders(found) == ["elr", "gce", "mae", "sce"]  # elr's interval reaches mae's mean
    assert contenders(condition(cross_entropy=0.8, gce=0.7, sce=0.6, mae=0.5)) == ["gce", "sce"]


def test_the_best_probabilities_contend_too_if_they_are_shown_to_be_better():
    accuracies = {"cross_entropy": 0.70, "gce": 0.80, "sce": 0.79, "mae": 0.78, "focal": 0.40}
    accuracies["brier"] = 0.30
    chosen = contenders(condition({"focal": 0.5, "brier": 0.6}, **accuracies))
    assert chosen == ["focal", "gce", "mae", "sce"]
    assert "focal" not in contenders(condition({"focal": 1.5}, **accuracies))


def test_without_a_baseline_or_seeds_nobody_contends():
    assert contenders(condition(gce=0.8, sce=0.7)) == []
    found = condition(cross_entropy=0.7, gce=0.8)
    few = arms.conditions([run for arm in found.arms for run in arm.runs[:2]], [])
    assert contenders(few[0]) == []
