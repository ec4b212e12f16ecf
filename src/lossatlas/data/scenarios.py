"""Scenarios: what is done to the training labels, and the target each type of loss then sees.

Test labels are never touched. The realisation depends on the run's seed, so losses compared at
the same seed see the same labels.
"""

import torch
from torch import Tensor

from lossatlas.errors import UserError
from lossatlas.losses.quantities import one_hot
from lossatlas.seeds import derive

CAT, DOG = 3, 5
NUM_CLASSES = 10


def targets(scenario: str, labels: Tensor, kind: str, seed: int, probability: float) -> Tensor:
    """Training targets of type `kind` for true labels (N,) int64.

    Args:
        scenario: `clean`, or `ambiguous_pets`: with `probability`, the label of a cat or dog
            becomes the set {cat, dog}, the soft target (1/2, 1/2), or for losses on class indices
            one of the two at random.
        kind: the target type of the loss; embedding losses get the class indices.
        seed: of the run; the same for every loss.

    Returns:
        (N,) int64, (N, 10) float32 or (N, 10) bool, as `kind` says.

    Raises:
        UserError: unknown scenario, or a target type that the scenario does not give.
    """
    if scenario not in ("clean", "ambiguous_pets"):
        raise UserError(f"scenario {scenario!r} is unknown; legal: clean, ambiguous_pets")
    sets = one_hot(labels, NUM_CLASSES)
    if scenario == "ambiguous_pets":
        generator = torch.Generator().manual_seed(derive(seed, "ambiguous_pets"))
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


def hits(logits: Tensor, target: Tensor) -> Tensor:
    """Bool (N,): does the predicted class lie in the support of the target?"""
    predicted = logits.argmax(1)
    if target.ndim == 1:
        return predicted == target
    return target.gather(1, predicted[:, None])[:, 0] > 0
