"""What networks are judged by: one table, a line for each kind of inputs that losses are fed."""

from typing import NamedTuple

from lossatlas.analysis.measures import KNN, OF_LOGITS, Measure
from lossatlas.losses.kinds import KINDS, Kind


class Judge(NamedTuple):
    """How networks that were trained with one kind of loss are compared.

    Attributes:
        measures: what they can be compared by; the first counts unless another is asked for.
        by_epoch: the fields of epochs that show how it came about, the first on test images.
        curves: what a picture of those shows.
        untrained: the field of rows that has the first measure before training, with which the
            runs are compared; empty where they are compared with the baseline.
        against: what they are compared with, in words, if that is no baseline.
        whose: the end of a condition's title.
        key: the end of its name in files.
    """

    measures: tuple[Measure, ...]
    by_epoch: tuple[str, ...]
    curves: str
    untrained: str = ""
    against: str = ""
    whose: str = ""
    key: str = ""

    @property
    def measure(self) -> Measure:
        """What counts."""
        return self.measures[0]


JUDGES = {
    "logits": Judge(
        OF_LOGITS, ("test_accuracy", "train_accuracy"),
        "Accuracy by epoch, a line a seed: solid on test images, dashed on the augmented training "
        "images while training; grey is the baseline on test images.",
    ),
    "embeddings": Judge(
        (KNN,), ("knn_accuracy",),
        "kNN accuracy of the features by epoch, a line a seed.",
        untrained="knn_accuracy_untrained", against="the untrained encoder",
        whose=", embedding losses", key="embeddings",
    ),
}  # fmt: skip


def judge_of(target: object) -> Judge:
    """The judge of a loss with this type of target; that of logits for a type not known here."""
    return JUDGES[KINDS.get(str(target), Kind()).inputs]
