"""What every loss shares: input checks, precision, and the one reduction.

A loss file defines `per_sample`; everything a caller may rely on beyond it is decided here.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Reduction = Literal["mean", "sum", "none"]


class Loss(nn.Module):
    """A loss registered under the name of its file.

    Subclasses state `target` (the type of y) and implement `per_sample`; their constructor's
    keyword arguments are the hyperparameters. `requires` names what a runner must provide.

    Attributes:
        reduction: "mean" over the per-sample values (default), their "sum", or "none".
        validate: check the values of targets at each call; a runner that has checked its whole
            data set once may switch this off. Shapes and dtypes are always checked.
    """

    target: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    reduction: Reduction = "mean"
    validate: bool = True

    def __init__(self) -> None:
        super().__init__()

    def per_sample(self, inputs: Tensor, target: Tensor) -> Tensor:
        """The paper's formula, one value per sample (or anchor), float32 or wider."""
        raise NotImplementedError

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """Raise ValueError when `inputs` or `target` is not what this loss is defined on."""
        raise NotImplementedError

    def forward(self, inputs: Tensor, target: Tensor | None = None) -> Tensor:
        """The reduced loss: a scalar, or (N,) values for reduction "none".

        Half-precision inputs are widened to float32, also under autocast.

        Raises:
            ValueError: for a wrong shape, dtype or value, naming argument, input and what is legal.
        """
        self.check(inputs, target)
        with torch.autocast(inputs.device.type, enabled=False):
            values = self.per_sample(_widen(inputs), _widen(target))  # type: ignore[arg-type]
        if self.reduction == "none":
            return values
        return values.mean() if self.reduction == "mean" else values.sum()


class LogitLoss(Loss):
    """A loss of logits (N, K) and one target a row.

    The target is (N,) int64 for `class_index` and `complementary`, (N, K) float rows summing to
    one for `distribution`, (N, K) bool with one to K-1 true values a row for `label_set`.
    """

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """See `Loss.check`."""
        if inputs.ndim != 2 or not inputs.is_floating_point() or inputs.shape[1] < 2:
            raise ValueError(
                f"logits must be floating point of shape (N, K), K >= 2; {_is(inputs)}"
            )
        if len(inputs) == 0:
            raise ValueError("logits must have at least one row; the batch is empty")
        if not isinstance(target, Tensor):
            raise ValueError(f"target must be a tensor, not {type(target).__name__}")
        n, k = inputs.shape
        check_target(self.target, target, n, k, values=self.validate)


class EmbeddingLoss(Loss):
    """A loss of embeddings (V, N, D), V views of N samples, and labels (N,) int64 or None."""

    views: ClassVar[int] = 2
    min_batch: ClassVar[int] = 2

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """See `Loss.check`."""
        if inputs.ndim != 3 or not inputs.is_floating_point() or inputs.shape[0] != self.views:
            raise ValueError(
                f"embeddings must be floating point of shape ({self.views}, N, D); {_is(inputs)}"
            )
        if inputs.shape[1] < self.min_batch or inputs.shape[2] < 1:
            raise ValueError(f"embeddings must hold N >= {self.min_batch} samples; {_is(inputs)}")
        if target is None:
            if self.target != "two_view":
                raise ValueError(f"labels are needed by a loss on {self.target}; none came")
            return
        if target.shape != inputs.shape[1:2] or target.dtype != torch.int64:
            raise ValueError(f"labels must be int64 of shape ({inputs.shape[1]},); {_is(target)}")


def check_target(kind: str, target: Tensor, n: int, k: int, values: bool = True) -> None:
    """Raise ValueError unless `target` is a legal target of type `kind` for n rows of k classes."""
    if kind in ("class_index", "complementary"):
        if target.shape != (n,) or target.dtype != torch.int64:
            raise ValueError(f"target must be int64 class indices of shape ({n},); {_is(target)}")
        if values and ((target < 0) | (target >= k)).any():
            wrong = target[(target < 0) | (target >= k)][0].item()
            raise ValueError(f"target must hold class indices 0 to {k - 1}; it holds {wrong}")
    elif kind == "distribution":
        if target.shape != (n, k) or not target.is_floating_point():
            raise ValueError(f"target must be floating point of shape ({n}, {k}); {_is(target)}")
        if values:
            if not (target >= 0).all():
                raise ValueError("target must hold probabilities; it holds a negative or NaN value")
            sums = target.double().sum(1)
            worst = (sums - 1).abs().argmax()
            tolerance = 1e-3 if target.dtype in (torch.float16, torch.bfloat16) else 1e-5
            if (sums[worst] - 1).abs() > tolerance * (8 if target.dtype is torch.bfloat16 else 1):
                raise ValueError(
                    f"target rows must sum to 1; row {worst.item()} sums to {sums[worst]:.6g}"
                )
    elif kind == "label_set":
        if target.shape != (n, k) or target.dtype != torch.bool:
            raise ValueError(f"target must be bool of shape ({n}, {k}); {_is(target)}")
        if values:
            sizes = target.sum(1)
            for illegal, word in ((sizes == 0, "no class"), (sizes == k, "every class")):
                if illegal.any():
                    row = illegal.nonzero()[0].item()
                    raise ValueError(
                        f"target must be label sets of 1 to {k - 1} classes; row {row} has {word}"
                    )
    else:
        raise ValueError(f"{kind!r} is not a target of losses on logits")


def _widen(x: Tensor | None) -> Tensor | None:
    if x is not None and x.dtype in (torch.float16, torch.bfloat16):
        return x.float()
    return x


def _is(x: Tensor) -> str:
    return f"it is {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
