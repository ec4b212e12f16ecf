"""Discrimination, calibration and margins of frozen logits.

Probabilities are the softmax of the logits for every loss, also for those (the hinges) whose
scores are not meant as log-probabilities; reports say so beside the number. Of a loss with a link
of its own the logits of a run are the logarithms of the probabilities that it says.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BINS = 15
DRAWS = 40  # of labels, for the floor of the ECE


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows of logits (N, K) whose largest entry is the label (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def hits(logits: Tensor, target: Tensor, wrong: bool = False) -> Tensor:
    """Bool (N,): does the predicted class lie in the support of the target?

    Logits are (N, K); the target is (N,) int64, (N, K) bool, or (N, K) floats whose support counts.
    With `wrong` the target (N,) is a class that is not right, and all others are its support.
    """
    predicted = logits.argmax(1)
    if target.ndim == 1:
        return (predicted == target) ^ wrong
    return target.gather(1, predicted[:, None])[:, 0] > 0


def per_class_recall(logits: Tensor, labels: Tensor) -> Tensor:
    """Recall of each class, (K,) float64; NaN for a class without samples."""
    hits = torch.zeros(logits.shape[1], dtype=torch.float64)
    counts = torch.bincount(labels, minlength=logits.shape[1]).double()
    hits.index_add_(0, labels, (logits.argmax(1) == labels).double())
    return hits / counts


def nll(logits: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood in nats of softmax(logits)."""
    return torch.nn.functional.cross_entropy(logits.double(), labels).item()


def brier(logits: Tensor, labels: Tensor) -> float:
    """Mean squared distance, in [0, 2], of softmax(logits) to the one-hot label (Brier, 1950)."""
    p = logits.double().softmax(1)
    return (p.pow(2).sum(1) - 2 * p.gather(1, labels[:, None])[:, 0] + 1).mean().item()


def ece(logits: Tensor, labels: Tensor) -> float:
    """Top-label expected calibration error (Guo et al., 2017, arXiv:1706.04599), as a fraction.

    The mean over samples of |accuracy - mean confidence| of their bin, for logits (N, K) and
    labels (N,), in float64; the bins are those of `reliability`.
    """
    return _gap(reliability(logits, labels))


def ece_floor(logits: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the ECE that a perfectly calibrated model would get.

    Labels are drawn from the model's own probabilities, `DRAWS` times: with finitely many
    samples the ECE of such a model is above zero, and an ECE near this floor is no evidence of
    miscalibration.
    """
    generator = torch.Generator().manual_seed(0)
    p = logits.double().softmax(1).cpu()
    draws = torch.multinomial(p, DRAWS, replacement=True, generator=generator)
    confidence, predicted = p.max(1)
    hits = draws == predicted[:, None]
    values = torch.tensor([_gap(_binned(confidence, hits[:, r])) for r in range(DRAWS)])
    return values.mean().item(), values.std().item()


class Reliability(NamedTuple):
    """Per confidence bin: edges (15 + 1), counts, mean confidence and accuracy (NaN when empty)."""

    edges: Tensor
    counts: Tensor
    confidence: Tensor
    accuracy: Tensor


def reliability(logits: Tensor, labels: Tensor) -> Reliability:
    """The reliability diagram of logits (N, K) in float64: 15 bins of equal width, closed on the
    right, so that a confidence of 1 lies in the last."""
    confidence, predicted = logits.double().softmax(1).max(1)
    return _binned(confidence, predicted == labels)


def _binned(confidence: Tensor, hits: Tensor) -> Reliability:
    # b / 15 is rounded once; linspace rounds twice, and would move what lies on an edge
    edges = torch.arange(BINS + 1, dtype=torch.float64, device=confidence.device) / BINS
    bins = (torch.bucketize(confidence, edges) - 1).clamp(0, BINS - 1)
    counts = torch.bincount(bins, minlength=BINS).double()

    def mean(values: Tensor) -> Tensor:
        return torch.zeros_like(counts).index_add_(0, bins, values) / counts

    return Reliability(edges, counts, mean(confidence), mean(hits.double()))


def _gap(bins: Reliability) -> float:
    gaps = bins.counts * (bins.accuracy - bins.confidence).abs()
    return (gaps.nansum() / bins.counts.sum()).item()


def ece_equal_mass(logits: Tensor, labels: Tensor) -> float:
    """The ECE in 15 bins of as equal numbers of samples as there can be, by confidence (Nguyen and
    O'Connor, 2015); equal confidences may fall into two bins, in the order of the samples."""
    confidence, predicted = logits.double().softmax(1).max(1)
    order = confidence.argsort(stable=True)
    gaps = confidence[order] - (predicted == labels)[order].double()
    return sum(part.sum().abs().item() for part in gaps.tensor_split(BINS)) / len(gaps)


def ece_classwise(logits: Tensor, labels: Tensor) -> float:
    """The mean over classes of the ECE of p_k as the probability of class k (Kull et al., 2019,
    arXiv:1910.12656), in the bins of `reliability`."""
    by_class = logits.double().softmax(1).T.contiguous()
    gaps = [_gap(_binned(p, labels == k)) for k, p in enumerate(by_class)]
    return sum(gaps) / len(gaps)


def aurc(logits: Tensor, labels: Tensor) -> float:
    """The area under the risk-coverage curve (Geifman et al., 2019, arXiv:1805.08206): the error
    rate of the i most confident samples, averaged over i = 1 .. N.

    Samples of one confidence are accepted in random order: each counts with their mean error.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    errors = (predicted != labels).double()
    _, group, sizes = confidence.unique(return_inverse=True, return_counts=True)
    shared = torch.zeros_like(sizes, dtype=torch.float64).index_add_(0, group, errors) / sizes
    accepted = shared[group][confidence.argsort(descending=True)].cumsum(0)
    return (accepted / torch.arange(1, len(errors) + 1)).mean().item()


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The mean over the classes that have samples of their recall."""
    return per_class_recall(logits, labels).nanmean().item()


def by_class_size(logits: Tensor, labels: Tensor, counts: Tensor) -> dict[str, float]:
    """Accuracy of the classes with many, medium and few training images, as Liu et al. (2019,
    arXiv:1904.05160) report it: the mean over the classes of a group of their recall.

    Many and few are the K // 3 largest and smallest classes, with those of equal size; `counts`
    (K,) are the training images of each. A group is left out that has no test image; all are where
    the largest class has not twice the images of the smallest.
    """
    ordered = counts.sort(descending=True).values
    third = max(1, len(counts) // 3)
    if ordered[0] < 2 * ordered[-1] or len(counts) < 2:
        return {}
    many, few = counts >= ordered[third - 1], counts <= ordered[-third]
    recall = per_class_recall(logits, labels)
    found = {
        name: recall[group].nanmean().item()
        for name, group in (("many", many & ~few), ("medium", ~many & ~few), ("few", few & ~many))
    }
    return {f"test_{name}_accuracy": mean for name, mean in found.items() if mean == mean}


def summary(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The scalars that go into a run's row."""
    return {
        "test_accuracy": accuracy(logits, labels),
        "test_balanced_accuracy": balanced_accuracy(logits, labels),
        **of_probabilities(logits, labels),
    }


def scaled(logits: Tensor, labels: Tensor, temperature: float) -> dict[str, float]:
    """Those of `summary` that a temperature changes, of logits / temperature."""
    found = of_probabilities(logits.double() / temperature, labels)
    return {f"{name}_ts": value for name, value in found.items()}


def of_probabilities(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The scalars of a row that need more of logits (N, K) than the order of their entries."""
    (floor, floor_sd), top = ece_floor(logits), ece(logits, labels)
    return {
        "test_nll": nll(logits, labels),
        "test_brier": brier(logits, labels),
        "test_ece": top,
        "test_ece_floor": floor,
        "test_ece_floor_sd": floor_sd,
        "test_ece_debiased": max(0.0, top - floor),
        "test_ece_equal_mass": ece_equal_mass(logits, labels),
        "test_ece_classwise": ece_classwise(logits, labels),
        "test_aurc": aurc(logits, labels),
    }
