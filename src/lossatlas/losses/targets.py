"""The rules of targets: what a legal one of each type is, and how it says that a class is right."""

from collections.abc import Callable

import torch
from torch import Tensor

from lossatlas.losses.kinds import KINDS
from lossatlas.losses.quantities import one_hot


def check_target(kind: str, target: Tensor, n: int, k: int | None, values: bool = True) -> None:
    """Raise ValueError unless `target` is legal for n samples of k classes (None: of any number).

    Args:
        kind: the type of the target, as in `KINDS`.
        target: (N,) int64 classes, the labels of embeddings among them; (N, K) float rows that sum
            to 1 for `distribution`; (N, K) bool with 1 to K - 1 true a row for `label_set`.
        values: look at the numbers too, not at shape and dtype alone.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no type of target; legal: {', '.join(KINDS)}")
    if not KINDS[kind].several:
        word = "labels" if KINDS[kind].on_embeddings else "target"
        if target.shape != (n,) or target.dtype != torch.int64:
            raise ValueError(f"{word} must be int64 class indices of shape ({n},); {came(target)}")
        if values and k is not None and n > 0:
            least, most = (x.item() for x in target.aminmax())
            if least < 0 or most >= k:
                wrong = target[(target < 0) | (target >= k)][0]
                raise ValueError(f"{word} must hold class indices 0 to {k - 1}; {wrong} is none")
        return
    words, fits, rule = ROWS[kind]
    if target.shape != (n, k) or not fits(target):
        raise ValueError(f"target must be {words} of shape ({n}, {k}); {came(target)}")
    if values:
        rule(target)


def _shares(target: Tensor) -> None:
    if not target.amin().item() >= 0:
        raise ValueError("target must hold probabilities; it holds a negative or NaN value")
    sums = target.sum(1, dtype=torch.float64)
    least, most = (x.item() for x in sums.aminmax())
    tolerance = {torch.float16: 1e-3, torch.bfloat16: 8e-3}.get(target.dtype, 1e-5)
    if max(1 - least, most - 1) > tolerance:
        worst = (sums - 1).abs().argmax()
        raise ValueError(f"target rows must sum to 1; row {worst.item()} sums to {sums[worst]:.6g}")


def _sets(target: Tensor) -> None:
    bits, k = target.view(torch.uint8), target.shape[1]  # ten times as fast as sums of bools
    fewest, most = bits.amax(1), bits.amin(1)
    for rows, bad, found, word in (
        (fewest, 0, fewest.amin().item(), "no class"),
        (most, 1, most.amax().item(), "every class"),
    ):
        if found == bad:
            row = (rows == bad).nonzero()[0].item()
            raise ValueError(
                f"target must be label sets of 1 to {k - 1} classes; row {row} has {word}"
            )


# Of targets with a row a sample: their dtype, in words and as a test, and what their numbers obey.
ROWS: dict[str, tuple[str, Callable[[Tensor], bool], Callable[[Tensor], None]]] = {
    "distribution": ("floating point", Tensor.is_floating_point, _shares),
    "label_set": ("bool", lambda target: target.dtype == torch.bool, _sets),
}


def lift(target: Tensor, kind: str, num_classes: int) -> Tensor:
    """Class indices (N,) int64, or sets of them (N, K) bool, as the target of type `kind`.

    Returns:
        (N, K) bool for a label set; (N, K) float64 for a distribution, equal shares of the classes
        of a set; else what came, the labels of embeddings among it.

    Raises:
        ValueError: `kind` cannot express a known class.
    """
    if KINDS[kind].names == "wrong":
        raise ValueError(f"a class index cannot be written as a target of type {kind!r}")
    if not KINDS[kind].several:
        return target
    sets = target if target.ndim == 2 else one_hot(target, num_classes)
    return sets.double() / sets.sum(1, keepdim=True) if kind == "distribution" else sets


def labelled(kind: str, classes: Tensor, k: int) -> Tensor:
    """As `lift`; of complementary labels, which say that a class is wrong, the classes are they."""
    return classes if KINDS[kind].names == "wrong" else lift(classes, kind, k)


def pairs(kind: str, n: int) -> Tensor | None:
    """Labels (N,) int64 of embeddings, two samples a class; None where the target says nothing."""
    return None if KINDS[kind].names == "nothing" else torch.arange(n) // 2


def came(x: Tensor) -> str:
    """What a tensor is, as the end of a sentence that says what it must be."""
    return f"it is {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
