"""What every loss shares: input checks, precision, and the one reduction.

A loss file defines `per_sample`; everything a caller may rely on beyond it is decided here.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from lossatlas.cards import EMBEDDING_TARGETS

Reduction = Literal["mean", "sum", "none"]


class Loss(nn.Module):
    """A loss registered under the name of its file.

    Subclasses state `target` (the type of y) and implement `per_sample`; their constructor's
    keyword arguments are the hyperparameters. `requires` names what a runner must `provide`.
    Losses can be added and weighted: `NCE() + 0.1 * RCE()`, `sum([a, b])` and `a / 2` are losses.

    Attributes:
        reduction: "mean" over the per-sample values (default), their "sum", or "none".
        validate: check the values of targets at each call; a runner that has checked its whole
            data set once may switch this off. Shapes and dtypes are always checked.
    """

    target: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    reduction: Reduction = "mean"
    validate: bool = True
    class_counts: Tensor | None
    __array_ufunc__ = None  # a NumPy number times a loss is left to the loss
    given: dict[str, Any] | None = None  # the hyperparameters that `get_loss` was asked for

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("class_counts", None)

    def provide(self, class_counts: Sequence[float] | Tensor | None = None) -> "Loss":
        """Give the loss what it `requires`; returns the loss itself.

        Args:
            class_counts: training samples of each class, K positive numbers.

        Raises:
            ValueError: the counts are not at least two positive finite numbers.
        """
        if class_counts is not None:
            counts = torch.as_tensor(class_counts, dtype=torch.float64)
            if counts.ndim != 1 or len(counts) < 2 or not ((counts > 0) & counts.isfinite()).all():
                raise ValueError(
                    f"class_counts must be K >= 2 positive numbers, not {counts.tolist()}"
                )
            self.class_counts = counts
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Loss":
        # The counts follow the network to its device, but not to its precision: bfloat16 would
        # make 4992 of 5000.
        counts = self.class_counts
        super()._apply(fn, recurse)
        if counts is not None and self.class_counts is not None:
            self.class_counts = counts.to(self.class_counts.device)
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        counts = state.get(f"{prefix}class_counts")
        if isinstance(counts, Tensor):  # a loss that was given none yet takes those stored
            device = counts.device if self.class_counts is None else self.class_counts.device
            self.class_counts = torch.empty_like(counts, dtype=torch.float64, device=device)
        super()._load_from_state_dict(state, prefix, *rest)

    def counts(self, like: Tensor) -> Tensor:
        """The class counts (K,) in the precision and on the device of `like`."""
        assert self.class_counts is not None
        return self.class_counts.to(like)

    def __add__(self, other: "Loss") -> "Sum":
        return Sum(self, other) if isinstance(other, Loss) else NotImplemented

    def __radd__(self, other: object) -> "Loss":
        # The built-in sum() begins with the number 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __rmul__(self, weight: float) -> "Sum":
        return Sum(self, weight=weight)

    def __mul__(self, weight: float) -> "Sum":
        return Sum(self, weight=weight)

    def __truediv__(self, divisor: float) -> "Sum":
        if not _is_number(divisor) or not divisor > 0:
            raise ValueError(f"a loss can be divided by a number in (0, inf), not {divisor!r}")
        return Sum(self, weight=1 / divisor)

    def __repr__(self) -> str:
        """`Focal(gamma=3.0)`: the hyperparameters that are not at their defaults."""
        shown = {}
        for key, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, key, None)  # as the constructor has converted it
            if not isinstance(value, int | float | str):
                value = (self.given or {}).get(key, parameter.default)
            if value != parameter.default:
                shown[key] = value
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

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
        check_counts(self, inputs.shape[1])
        if not isinstance(target, Tensor):
            raise ValueError(f"target must be a tensor, not {type(target).__name__}")
        n, k = inputs.shape
        check_target(self.target, target, n, k, values=self.validate and _has_values())


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


class Sum(LogitLoss):
    """A weighted sum of losses of logits; `2 * a + b` makes one.

    A registered loss that is such a sum derives from it and hands its weighted parts to
    `__init__`. The reduction of the parts does not matter; sums of sums are flattened.

    Raises:
        ValueError: a part is no loss of logits, the parts' targets differ, or a weight is not a
            finite number of at least zero.
    """

    def __init__(self, *parts: Loss, weight: float = 1.0):
        super().__init__()
        if not _is_number(weight) or not 0 <= weight < float("inf"):
            raise ValueError(f"a weight must be a number in [0, inf), not {weight!r}")
        self.parts = nn.ModuleList()
        self.weights: list[float] = []
        for part in parts:
            # A registered sum, such as SCE, stays one part: it may hold more than its terms.
            for inner, loss in part.terms() if type(part) is Sum else [(1.0, part)]:
                self.weights.append(float(weight) * inner)
                self.parts.append(loss)
        kinds = sorted({part.target for part in parts})
        if len(kinds) != 1 or kinds[0] in EMBEDDING_TARGETS:
            raise ValueError(
                "losses can be added when all are of logits and one target; "
                f"these are of {', '.join(kinds) or 'none'}"
            )
        if type(self) is Sum:
            self.target = kinds[0]  # type: ignore[misc]
            needs = {need for _, part in self.terms() for need in part.requires}
            self.requires = tuple(sorted(needs))  # type: ignore[misc]

    def __repr__(self) -> str:
        """`2 * Focal(gamma=3.0) + CrossEntropy()`; `SCE(alpha=0.5)` where that is known."""
        if self.given is not None:
            return super().__repr__()
        return " + ".join(
            repr(part) if weight == 1 else f"{weight:.12g} * {part!r}"
            for weight, part in self.terms()
        )

    def terms(self) -> list[tuple[float, Loss]]:
        """Weight and loss of each part."""
        return list(zip(self.weights, cast(Iterable[Loss], self.parts), strict=True))

    def provide(self, class_counts: Sequence[float] | Tensor | None = None) -> "Sum":
        """See `Loss.provide`; every part gets it."""
        super().provide(class_counts)
        for _, part in self.terms():
            part.provide(class_counts)
        return self

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,): the weighted sum of the parts' values."""
        values = [weight * part.per_sample(logits, target) for weight, part in self.terms()]
        return torch.stack(values).sum(0)


def check_counts(loss: Loss, k: int) -> None:
    """Raise ValueError when `loss` needs the counts of k classes and has not got them."""
    if "class_counts" not in loss.requires:
        return
    if loss.class_counts is None:
        raise ValueError("class_counts are needed by this loss; give them with provide()")
    if len(loss.class_counts) != k:
        raise ValueError(
            f"class_counts must be of the {k} classes of the logits, not {len(loss.class_counts)}"
        )


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


def _has_values() -> bool:
    """Whether tensors hold numbers: not while torch.compile traces or torch.func transforms."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is None


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _widen(x: Tensor | None) -> Tensor | None:
    if x is not None and x.dtype in (torch.float16, torch.bfloat16):
        return x.float()
    return x


def _is(x: Tensor) -> str:
    return f"it is {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
