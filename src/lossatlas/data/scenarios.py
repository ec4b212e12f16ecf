"""Scenarios: what is done to the training labels and images, and the target a loss then sees.

Test labels are never touched. A realisation depends on the run's seed and the scenario alone, so
losses compared at the same seed see the same labels and images; a larger share or imbalance
changes or removes more of the same images.
"""

import math

import torch
from torch import Generator, Tensor

from lossatlas.data.cifar10 import CLASSES
from lossatlas.errors import UserError
from lossatlas.losses.quantities import one_hot
from lossatlas.seeds import derive

AIRPLANE, AUTOMOBILE, BIRD, CAT, DEER, DOG, FROG, HORSE, SHIP, TRUCK = range(10)
NUM_CLASSES = 10
LONG_TAIL = "long_tail"
SCENARIOS = ("clean", "ambiguous_pets", "symmetric_noise", "asymmetric_noise", LONG_TAIL)
CONFUSED = {TRUCK: AUTOMOBILE, BIRD: AIRPLANE, DEER: HORSE, CAT: DOG, DOG: CAT}


def targets(scenario: str, labels: Tensor, kind: str, seed: int, probability: float) -> Tensor:
    """Training targets of type `kind` for true labels (N,) int64.

    Args:
        scenario: one of `SCENARIOS`. `clean` and `long_tail` keep the labels; `ambiguous_pets`:
            with `probability`, the label of a cat or dog becomes the set {cat, dog}, the soft
            target (1/2, 1/2), or for losses on class indices one of the two at random;
            `symmetric_noise` and `asymmetric_noise`: see `noisy`.
        kind: the target type of the loss; embedding losses get the class indices.
        seed: of the run; the same for every loss.
        probability: the share of labels affected, in [0, 1].

    Returns:
        (N,) int64, (N, 10) float32 or (N, 10) bool, as `kind` says; a wrong label is a set of one
        or a one-hot row like any other.

    Raises:
        UserError: unknown scenario, or a target type that the scenario does not give.
    """
    if scenario not in SCENARIOS:
        raise UserError(f"scenario {scenario!r} is unknown; legal: {', '.join(SCENARIOS)}")
    if scenario in ("symmetric_noise", "asymmetric_noise"):
        labels = noisy(scenario, labels, seed, probability)
    sets = one_hot(labels, NUM_CLASSES)
    if scenario == "ambiguous_pets":
        generator = Generator().manual_seed(derive(seed, "ambiguous_pets"))
        pets = (labels == CAT) | (labels == DOG)
        unclear = pets & (torch.rand(len(labels), generator=generator) < probability)
        coin = torch.rand(len(labels), generator=generator) < 0.5
        sets[unclear] = one_hot(torch.tensor([CAT]), NUM_CLASSES) | one_hot(
            torch.tensor([DOG]), NUM_CLASSES
        )
        labels = torch.where(unclear, torch.where(coin, CAT, DOG), labels)
    if kind == "label_set":
        return sets
    if kind == "distribution":
        return sets / sets.sum(1, keepdim=True)
    if kind == "complementary":
        raise UserError(f"scenario {scenario!r} gives no complementary labels")
    return labels


def noisy(scenario: str, labels: Tensor, seed: int, share: float) -> Tensor:
    """Labels (N,) int64 of which exactly floor(share N_k) of each affected class k are wrong.

    `symmetric_noise` affects every class and draws one of the nine others uniformly;
    `asymmetric_noise` affects the five classes of `CONFUSED` and takes the class named there, so
    that half the share of all labels is wrong where classes are equally large.
    """
    generator = Generator().manual_seed(derive(seed, scenario))
    if scenario == "symmetric_noise":
        other = (labels + torch.randint(1, 10, labels.shape, generator=generator)) % NUM_CLASSES
    else:
        other = torch.tensor([CONFUSED.get(k, k) for k in range(NUM_CLASSES)])[labels]
    wrong = labels.clone()
    for rows in _shuffled_by_class(labels, generator):
        rows = rows[: _floor(share * len(rows))]
        wrong[rows] = other[rows]
    return wrong


def long_tail(labels: Tensor, imbalance: float, seed: int) -> Tensor:
    """Rows (M,) int64, ascending, of a random subset in which later classes are rarer.

    Class k keeps floor(n imbalance^(-k/9)) of its images, or all if it has fewer, where n is the
    size of the largest class of `labels` (N,) int64.

    Raises:
        UserError: a class would have no image.
    """
    generator = Generator().manual_seed(derive(seed, LONG_TAIL))
    largest = int(torch.bincount(labels, minlength=NUM_CLASSES).max())
    kept = [
        rows[: _floor(largest * imbalance ** (-k / (NUM_CLASSES - 1)))]
        for k, rows in enumerate(_shuffled_by_class(labels, generator))
    ]
    if empty := [CLASSES[k] for k, rows in enumerate(kept) if not len(rows)]:
        raise UserError(
            f"scenario.imbalance {imbalance:g} leaves no image of class {', '.join(empty)} (the "
            f"largest class has {largest}); lower it, or raise recipe.train_limit"
        )
    return torch.cat(kept).sort().values


def _shuffled_by_class(labels: Tensor, generator: Generator) -> list[Tensor]:
    found = []
    for k in range(NUM_CLASSES):
        rows = (labels == k).nonzero().flatten()
        found.append(rows[torch.randperm(len(rows), generator=generator)])
    return found


def _floor(x: float) -> int:
    """The floor of what `x` is up to rounding: 0.29 * 100 is 28.999999999999996 in floats."""
    return math.floor(x + 1e-9)
