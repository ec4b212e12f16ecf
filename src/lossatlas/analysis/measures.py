"""What runs can be compared by: fields of rows, with their names, units and directions."""

from dataclasses import dataclass

from lossatlas.errors import UserError

MARGIN = 0.005  # half a point: differences of accuracy within it are called equivalent


@dataclass(frozen=True)
class Measure:
    """A field of rows; `unit` is `points` for shares, which are printed in percent. A `margin` is
    given where a difference can be called equivalent."""

    field: str
    name: str
    unit: str
    higher_is_better: bool = False
    margin: float | None = None


OF_LOGITS = (
    Measure("test_accuracy", "test accuracy", "points", True, MARGIN),
    Measure("best_test_accuracy", "best test accuracy (an oracle)", "points", True, MARGIN),
    Measure("test_balanced_accuracy", "balanced test accuracy", "points", True, MARGIN),
    Measure("test_nll", "NLL", "nats"),
    Measure("test_brier", "Brier score", ""),
    Measure("test_ece", "ECE", "points"),
    Measure("test_ece_debiased", "debiased ECE", "points"),
    Measure("test_ece_equal_mass", "ECE in bins of equal mass", "points"),
    Measure("test_ece_classwise", "classwise ECE", "points"),
    Measure("test_aurc", "AURC", "points"),
)
ACCURACY = OF_LOGITS[0]
KNN = Measure("knn_accuracy", "kNN accuracy", "points", True, MARGIN)
MEASURES = {one.field: one for one in (*OF_LOGITS, KNN)}


def find(name: str) -> Measure:
    """The measure of a field, with or without its `test_`.

    Raises:
        UserError: there is none.
    """
    for field in (name, f"test_{name}"):
        if field in MEASURES:
            return MEASURES[field]
    raise UserError(f"--metric {name!r}: there is no such metric; legal: {', '.join(MEASURES)}")
