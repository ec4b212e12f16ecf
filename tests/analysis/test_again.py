"""Whether statements hold in other runs: how many losses a conclusion is corrected for."""

from lossatlas.analysis import again, arms
from rows import whole

SPREAD = (-0.004, 0.0, 0.004)


def found(**accuracies):
    runs = [
        whole(f"{loss}-{s}", loss=loss, seed=s, data="cifar10", test_accuracy=mean + off)
        for loss, mean in accuracies.items()
        for s, off in enumerate(SPREAD)
    ]
    return [(c, arms.results(c)) for c in arms.conditions(runs, ["cross_entropy"])]


def test_a_conclusion_there_is_corrected_for_as_many_losses_as_here():
    few = {"cross_entropy": 0.70, "gce": 0.7095}
    many = few | {f"l{i}": 0.7 + i / 1e4 for i in range(9)}
    [(_, (one, *_))] = [(c, [r for r in rs if r.arm.loss == "gce"]) for c, rs in found(**few)]
    assert one.conclusion == "higher"  # among one loss
    [told] = [one for one in again.compare(found(**many), found(**few)) if one.there]
    assert told.here.arm.loss == "gce"
    assert told.here.conclusion == told.there.conclusion == "not resolved"
    assert told.outcome == "holds"
    [told] = again.compare(found(**few), found(**many))
    assert (told.here.conclusion, told.there.conclusion) == ("higher", "higher")


def test_a_statement_that_the_others_do_not_make_is_not_there():
    outcomes = {
        one.here.arm.loss: one.outcome
        for one in again.compare(
            found(cross_entropy=0.7, gce=0.8, mae=0.6), found(cross_entropy=0.7, gce=0.6)
        )
    }
    assert outcomes == {"gce": "turned over", "mae": "not there"}
