"""What runs can be compared by: fields of rows, with their names, units, directions and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lossatlas.errors import UserError

MARGIN = 0.005  # half a point: differences of accuracy within it are called equivalent

ON_LOGITS = "for losses on logits"
SIZES = "where the largest class has at least twice the training images of the smallest"
SCALED = "for losses on logits whose recipe.train_limit leaves training images unused"


@dataclass(frozen=True)
class Measure:
    """A field of rows; `unit` is `points` for shares, which are printed in percent. A `margin` is
    given where a difference can be called equivalent. `says` is what it is, after "is", and
    `there` which runs have it."""

    field: str
    name: str
    unit: str
    higher_is_better: bool = False
    margin: float | None = None
    says: str = ""
    there: str = ON_LOGITS

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.higher_is_better else -1

    @property
    def better(self) -> str:
        """The conclusion that is good news."""
        return "higher" if self.higher_is_better else "lower"

    @property
    def best(self) -> str:
        """What the best value is of all."""
        return "highest" if self.higher_is_better else "lowest"

    @property
    def when(self) -> str:
        """When it is measured, as it stands behind the name."""
        return "" if self.field.startswith("best_") else " in the last epoch"


def _by_size(name: str, which: str) -> Measure:
    says = f"the mean recall of {which}"
    field = f"test_{name}_accuracy"
    return Measure(field, f"accuracy of classes with {name} images", "points", True, MARGIN, says,
                   SIZES)  # fmt: skip


OF_PROBABILITIES = (
    Measure("test_nll", "NLL", "nats", says="the mean of −log p of the true class"),
    Measure(
        "test_brier", "Brier score", "",
        says="the mean squared distance of the probabilities to the label, from 0 to 2",
    ),
    Measure(
        "test_ece", "ECE", "points",
        says="the mean gap between confidence and accuracy in 15 bins of equal width",
    ),
    Measure(
        "test_ece_debiased", "debiased ECE", "points",
        says="the ECE minus its floor, not below 0",
    ),
    Measure(
        "test_ece_equal_mass", "ECE in bins of equal mass", "points",
        says="the ECE in 15 bins of equally many images",
    ),
    Measure(
        "test_ece_classwise", "classwise ECE", "points",
        says="the mean over the classes of the ECE of their own probability",
    ),
    Measure(
        "test_aurc", "AURC", "points",
        says="the error rate, averaged over all shares of images on which the most confident "
        "answers are kept",
    ),
)  # fmt: skip
OF_LOGITS = (
    Measure("test_accuracy", "test accuracy", "points", True, MARGIN),
    Measure("best_test_accuracy", "best test accuracy (an oracle)", "points", True, MARGIN),
    Measure("test_balanced_accuracy", "balanced test accuracy", "points", True, MARGIN,
            "the mean recall of the classes"),
    _by_size("many", "the third of the classes with the most training images"),
    _by_size("medium", "the classes in between"),
    _by_size("few", "the third of the classes with the fewest training images"),
    *OF_PROBABILITIES,
    *(
        replace(m, field=f"{m.field}_ts", name=f"{m.name} after scaling", says="", there=SCALED)
        for m in OF_PROBABILITIES
    ),
)  # fmt: skip
ACCURACY = OF_LOGITS[0]
KNN = Measure("knn_accuracy", "kNN accuracy", "points", True, MARGIN, there="for embedding losses")
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


def words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the measures that rows have are, and what is said of temperature scaling."""
    told = [
        f"{m.name} is {m.says}"
        for m in MEASURES.values()
        if m.says and any(m.field in row for row in rows)
    ]
    text = "; ".join(told)
    said = [f"{text[:1].upper()}{text[1:]}."] if told else []
    mine = [row for row in rows if "test_accuracy" in row]
    scaled = [row for row in mine if "temperature" in row]
    if scaled:
        images = sorted({int(row["temperature_images"]) for row in scaled})
        t = sorted(float(row["temperature"]) for row in scaled)
        number = " to ".join(dict.fromkeys((f"{images[0]:,}", f"{images[-1]:,}")))
        said.append(
            "*After scaling* means that the scores of a run were divided by the one temperature T "
            f"that minimises the NLL on {number} training images that it did not train on, with "
            f"the labels of the scenario, wrong ones included; T was {t[0]:.3g} to {t[-1]:.3g}."
        )
    if len(scaled) < len(mine):
        without = [row for row in mine if "temperature" not in row]
        older = sum("temperature_images" not in row for row in without)
        reasons = []
        if older < len(without):
            reasons.append(
                "they left no labelled training image to fit it on (recipe.train_limit leaves some)"
            )
        if older:
            reasons.append(f"the rows of {older} were written before there was this measure")
        said.append(
            f"{len(without)} of {len(mine)} rows have nothing after temperature scaling: "
            f"{', or '.join(reasons)}."
        )
    return said
