"""What figures draw of a run's logits: some hundred numbers, which travel where bundles do not.

This module does not import torch until logits are there to be summed up.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lossatlas.evaluation.bundle import Scores

LEAST_IN_BIN = 10  # a bin of the reliability diagram with fewer images says nothing
LEVELS = np.linspace(0.01, 0.99, 51)


class Drawn(NamedTuple):
    """What is drawn of one run's logits: mean confidence and accuracy of the bins that are full
    enough, margins at LEVELS, the spread of the logits, the recall of each class and its name.

    Lists, because small arrays between the large ones that come and go would leave holes in the
    memory, a megabyte a run.
    """

    seed: int
    confidence: list[float]
    accuracy: list[float]
    margins: list[float]
    spread: float
    recall: list[float]
    classes: Sequence[str]


def drawn(seed: int, scores: "Scores") -> Drawn:
    """The numbers of logits (N, K) and labels (N,)."""
    from lossatlas.evaluation import metrics
    from lossatlas.losses import quantities

    logits, labels, classes = scores
    wide = logits.double()
    bins = metrics.reliability(logits, labels)
    full = bins.counts >= LEAST_IN_BIN
    return Drawn(
        seed=seed,
        confidence=bins.confidence[full].tolist(),
        accuracy=bins.accuracy[full].tolist(),
        margins=np.quantile(quantities.margin(wide, labels).numpy(), LEVELS).tolist(),
        spread=(wide - wide.mean(1, keepdim=True)).std().item() or 1.0,
        recall=metrics.per_class_recall(logits, labels).tolist(),
        classes=classes or [str(k) for k in range(logits.shape[1])],
    )
