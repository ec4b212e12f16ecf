"""What every loss shares: input checks, precision, and the one reduction.

A loss file defines `per_sample`; everything a caller may rely on beyond it is decided here.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from lossatlas.losses import needs, registry
from lossatlas.losses.kinds import KINDS, Kind
from lossatlas.losses.targets import came, check_target

Reduction = Literal["mean", "sum", "none"]


class Loss(nn.Module):
    """A loss registered under the name of its file.

    Subclasses state `target` (the type of y) and implement `per_sample`; their constructor's
    keyword arguments are the hyperparameters. What they need beyond inputs and target they name
    (see `needs`): facts as keyword-only parameters of `setup`, moments as those of `per_sample`,
    parts of the network in `parts`. Buffers move only in training mode, inside `per_sample`.
    Losses can be added, subtracted and weighted: `NCE() + 0.1 * RCE()`, `sum([a, b])`, `a - b / 2`.

    Attributes:
        parts: the parts of a network that the loss needs.
        per: what a value of reduction "none" belongs to: a "sample", an "anchor", or the "batch".
        views: how many views of each sample a loss of embeddings is fed; 0 of a loss of logits.
        strengths: how each view is augmented, "weak" or "strong"; empty if all are strong.
        samples_per_class: batches are made of groups of so many samples of one class (PK batches);
            1 if they are drawn at random.
        owns: the parameters that a loss of logits learns; embedding losses need not say.
        lr_factor: the rate of the loss's own parameters, in units of the network's.
        gradient: what is held fixed in the gradient, though the value depends on it; "" if nothing.
        prototypes: where those of a `distance_head` start, at "zero" or "drawn".
        requires: all needs, read off the above.
        reduction: "mean" over the per-sample values (default), their "sum", or "none".
        validate: check the values of targets at each call; a runner that has checked its whole
            data set once may switch this off. Shapes and dtypes are always checked.
        tried_out: moments that are not given are replaced by stand-ins.
    """

    target: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()
    per: ClassVar[str] = "sample"
    views: ClassVar[int] = 0
    strengths: ClassVar[tuple[str, ...]] = ()
    samples_per_class: int = 1
    owns: ClassVar[tuple[str, ...]] = ()
    lr_factor: ClassVar[float] = 1.0
    gradient: ClassVar[str] = ""
    prototypes: ClassVar[str] = "zero"
    requires: tuple[str, ...] = ()
    typed_requires: bool = False
    fact_names: tuple[str, ...] = ()
    moment_names: tuple[str, ...] = ()
    reduction: Reduction = "mean"
    validate: bool = True
    tried_out: bool = False
    # Where scores mean other probabilities than their softmax, a subclass says which in a method,
    # of (N, K) logits, log p (N, K): of cards with `link: own`.
    log_probabilities: Any = None
    __array_ufunc__ = None  # a NumPy number times a loss is left to the loss
    given: dict[str, Any] | None = None  # the hyperparameters that `get_loss` was asked for
    facts: dict[str, Any] = {}  # noqa: RUF012  (never written into: `provide` makes a new one)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.typed_requires = "requires" in vars(cls)  # which `registry` refuses
        cls.requires = needs.declared(cls)
        cls.fact_names = needs.keywords(cls.setup)
        cls.moment_names = needs.keywords(cls.per_sample)

    def __init__(self) -> None:  # a loss without hyperparameters has none, rather than *args
        super().__init__()

    def setup(self, *_: Any, **facts: Any) -> None:
        """Take the facts that the loss needs (keyword-only parameters); make buffers and weights.

        Called by `provide`, once all facts are there and each time they change.
        """

    def end_epoch(self, *_: Any, **given: Any) -> None:
        """Move what moves between epochs; called by runners after each training epoch."""

    def provide(self, **facts: Any) -> "Loss":
        """Give the loss the facts it needs; returns the loss itself.

        Args:
            facts: by name; None, and facts that this loss does not need, are passed over.

        Raises:
            ValueError: there is no such fact, or its value is illegal.
        """
        for name, value in facts.items():
            if (problem := needs.unknown(name, ("fact",))) is not None:
                raise ValueError(f"provide() was given {problem}")
            if value is not None:
                facts[name] = _fact(name, value)
        mine = {key: v for key, v in facts.items() if key in self.fact_names and v is not None}
        if mine:
            self.facts = {**self.facts, **mine}
            if not self.missing_facts():
                self.setup(**self.facts)
        return self

    def missing_facts(self) -> list[str]:
        """The facts that the loss needs and has not been given."""
        return [name for name in self.fact_names if name not in self.facts]

    def check_facts(self, k: int) -> None:
        """Raise ValueError when facts are missing, or belong to another number of classes than k.

        Also checks that what is stored under a fact's name is of that size.
        """
        if missing := self.missing_facts():
            raise ValueError(
                f"{' and '.join(missing)} are needed by this loss; give them with provide()"
            )
        for name in ("num_classes", "class_counts", "transition"):
            if name in self.facts:
                value = self.facts[name]
                n = value if name == "num_classes" else len(value)
                if n != k:
                    raise ValueError(f"{name} must be of the {k} classes of the logits, not {n}")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Loss":
        # Buffers follow the network to its device, but never to a narrower type: as bfloat16, a
        # count of 5000 would be 4992, and a running mean would stand still.
        exact = {key: buffer for key, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for key, buffer in exact.items():
            moved = cast(Tensor, self._buffers[key])
            if torch.promote_types(moved.dtype, buffer.dtype) != moved.dtype:
                self._buffers[key] = buffer.to(moved.device)
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        # A loss that was given no facts yet takes those stored.
        stored = {key: state.get(prefix + key) for key in self.missing_facts()}
        self.provide(**{key: v for key, v in stored.items() if isinstance(v, Tensor)})
        for key, buffer in self._buffers.items():  # or other ones, of another size
            there = state.get(prefix + key)
            if key in self.facts and buffer is not None and isinstance(there, Tensor):
                self.facts = {**self.facts, key: there}
                self._buffers[key] = torch.empty_like(
                    there, dtype=buffer.dtype, device=buffer.device
                )
        super()._load_from_state_dict(state, prefix, *rest)

    def __add__(self, other: "Loss") -> "Sum":
        return Sum(self, other) if isinstance(other, Loss) else NotImplemented

    def __sub__(self, other: "Loss") -> "Sum":
        return Sum(self, other, weights=(1, -1)) if isinstance(other, Loss) else NotImplemented

    def __radd__(self, other: object) -> "Loss":
        # The built-in sum() begins with the number 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __rmul__(self, weight: float) -> "Sum":
        if not _is_number(weight) or not 0 <= weight < float("inf"):
            raise ValueError(f"a weight must be a number in [0, inf), not {weight!r}")
        return Sum(self, weights=(weight,))

    def __mul__(self, weight: float) -> "Sum":
        return self.__rmul__(weight)

    def __truediv__(self, divisor: float) -> "Sum":
        if not _is_number(divisor) or not 0 < divisor < float("inf"):
            raise ValueError(f"a loss can be divided by a number in (0, inf), not {divisor!r}")
        return self.__rmul__(1 / divisor)

    def __repr__(self) -> str:
        """`Focal(gamma=3.0)`: the hyperparameters that are not at their defaults."""
        shown = {}
        for key, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, key, None)  # as the constructor has converted it
            if not isinstance(value, int | float | str | Loss):
                value = (self.given or {}).get(key, parameter.default)
            if value != parameter.default:
                shown[key] = value
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    def per_sample(self, *_: Any, **moments: Any) -> Tensor:
        """The paper's formula, float32 or wider: values (N,), one an anchor, or one of the batch.

        Args:
            inputs: logits (N, K), or embeddings (V, N, D).
            target: of the type that `target` names.

        A subclass names the moments it needs as keyword-only parameters.
        """
        raise NotImplementedError

    def tried(self, inputs: Tensor, target: Tensor) -> Tensor:
        """`per_sample` with stand-ins for the moments."""
        return self.per_sample(inputs, target, **self.moments(inputs))

    def moments(self, inputs: Tensor, **given: Any) -> dict[str, Any]:
        """The moments that `per_sample` wants: those given, else, if `tried_out`, stand-ins.

        Raises:
            ValueError: one is missing, or no loss can need what was given.
        """
        for name in given:
            if (problem := needs.unknown(name, ("moment",))) is not None:
                raise ValueError(f"the loss was given {problem}")
        missing = [name for name in self.moment_names if given.get(name) is None]
        if missing and not self.tried_out:
            raise ValueError(
                f"{' and '.join(missing)} must be given to this loss at each call, by keyword"
            )
        found = {name: _widen(given[name]) for name in self.moment_names if name not in missing}
        if missing:
            k = int(self.facts.get("num_classes", inputs.shape[-1] - self.extra_outputs))
            stand_ins = {name: needs.NEEDS[name].stand_in for name in missing}
            found |= {name: make(inputs, k) for name, make in stand_ins.items() if make}
        return found

    @property
    def kind(self) -> Kind:
        """What the loss is fed, by its target."""
        return KINDS[self.target]

    @property
    def extra_outputs(self) -> int:
        """How many logits the loss takes beyond one a class."""
        return int("extra_output" in self.requires)

    def twin_keeps(self, progress: float) -> float:
        """How much of itself the twin of a `momentum_encoder` keeps at a step, in [0, 1]."""
        return 0.99

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """Raise ValueError when `inputs` or `target` is not what this loss is defined on."""
        raise NotImplementedError

    def forward(
        self,
        inputs: Tensor,
        target: Tensor | None = None,
        *,
        weight: Tensor | None = None,
        **moments: Any,
    ) -> Tensor:
        """The reduced loss: a scalar, or (N,) values for reduction "none".

        Half-precision inputs are widened to float32, also under autocast.

        Args:
            inputs: logits (N, K), or embeddings (V, N, D).
            target: of the type that `target` names.
            weight: (N,) floating point, not negative: factors of the values of samples. "mean" is
                then the mean of the products.
            moments: what the loss needs at each call, by name; more is passed over.

        Raises:
            ValueError: for a wrong shape, dtype or value, naming argument, input and what is legal.
        """
        self.check(inputs, target)
        with torch.autocast(inputs.device.type, enabled=False):
            wide = _widen(inputs)
            values = self.per_sample(wide, _widen(target), **self.moments(wide, **moments))
            if weight is not None:
                values = values * self._legal_weight(weight, inputs.shape[-2]).to(values.dtype)
        if self.reduction == "none":
            return values
        return values.mean() if self.reduction == "mean" else values.sum()

    def _legal_weight(self, weight: Tensor, n: int) -> Tensor:
        if self.per != "sample":
            raise ValueError(f"weight needs a value per sample; this loss has one per {self.per}")
        if not isinstance(weight, Tensor) or weight.shape != (n,) or not weight.is_floating_point():
            is_ = came(weight) if isinstance(weight, Tensor) else f"it is {weight!r:.80}"
            raise ValueError(f"weight must be floating point of shape ({n},); {is_}")
        if self.validate and _has_values() and not ((weight >= 0) & weight.isfinite()).all():
            raise ValueError("weight must hold finite numbers of at least 0")
        return weight


class LogitLoss(Loss):
    """A loss of logits (N, K) and one target a row.

    The target is (N,) int64 for `class_index` and `complementary`, (N, K) float rows summing to
    one for `distribution`, (N, K) bool with one to K-1 true values a row for `label_set`.
    """

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """See `Loss.check`."""
        if inputs.ndim != 2 or not inputs.is_floating_point() or inputs.shape[1] < 2:
            raise ValueError(
                f"logits must be floating point of shape (N, K), K >= 2; {came(inputs)}"
            )
        if len(inputs) == 0:
            raise ValueError("logits must have at least one row; the batch is empty")
        n, k = inputs.shape[0], inputs.shape[1] - self.extra_outputs
        if k < 2:
            raise ValueError(f"logits must hold K + 1 >= 3 scores a sample; {came(inputs)}")
        self.check_facts(k)
        if not isinstance(target, Tensor):
            raise ValueError(f"target must be a tensor, not {type(target).__name__}")
        check_target(self.target, target, n, k, self.validate and _has_values())


class CountedLoss(LogitLoss):
    """A loss of logits that knows how many training samples each class has.

    Attributes:
        class_counts: (K,) float64.
    """

    class_counts: Tensor

    def setup(self, *, class_counts: Tensor) -> None:
        """Takes the training samples of each class, (K,) float64."""
        self.register_buffer("class_counts", class_counts)


class EmbeddingLoss(Loss):
    """A loss of embeddings (V, N, D), V views of N samples, and labels (N,) int64 or None."""

    views: ClassVar[int] = 2
    min_batch: ClassVar[int] = 2
    per: ClassVar[str] = "anchor"

    def check(self, inputs: Tensor, target: Tensor | None) -> None:
        """See `Loss.check`."""
        if inputs.ndim != 3 or not inputs.is_floating_point() or inputs.shape[0] != self.views:
            raise ValueError(
                f"embeddings must be floating point of shape ({self.views}, N, D); {came(inputs)}"
            )
        if inputs.shape[1] < self.min_batch or inputs.shape[2] < 1:
            raise ValueError(f"embeddings must hold N >= {self.min_batch} samples; {came(inputs)}")
        if missing := self.missing_facts():
            raise ValueError(
                f"{' and '.join(missing)} are needed by this loss; give them with provide()"
            )
        if target is None:
            if self.kind.names != "nothing":
                raise ValueError(f"labels are needed by a loss on {self.target}; none came")
            return
        k, values = self.facts.get("num_classes"), self.validate and _has_values()
        check_target(self.target, target, inputs.shape[1], k, values)


class Composite(LogitLoss):
    """A loss of logits made of others: what they need, own and remember is its own.

    Its value belongs to a batch if that of a part does.

    Raises:
        ValueError: a part is no loss of logits, or the parts' targets or outputs differ.
    """

    def adopt(self, *losses: Loss) -> None:
        """Take over what the parts need; to be called once they are there."""
        kinds = sorted({loss.target for loss in losses})
        if len(kinds) != 1 or losses[0].kind.on_embeddings:
            raise ValueError(
                "losses can be added when all are of logits and one target; "
                f"these are of {', '.join(kinds) or 'none'}"
            )
        if len({loss.extra_outputs for loss in losses}) > 1:
            raise ValueError("losses of K logits and of K + 1 cannot be added")
        self.target = kinds[0]  # type: ignore[misc]
        words = {word for loss in (self, *losses) for word in loss.requires}
        self.requires = tuple(word for word in needs.NEEDS if word in words)
        moments = [word for loss in (self, *losses) for word in loss.moment_names]
        self.moment_names = tuple(dict.fromkeys(moments))
        self.samples_per_class = max(loss.samples_per_class for loss in (self, *losses))
        if len(losses) == 1:
            self.log_probabilities = losses[0].log_probabilities
        if any(loss.per == "batch" for loss in losses):
            self.per = "batch"  # type: ignore[misc]
        for learner in losses:
            if learner.owns:
                self.owns += learner.owns  # type: ignore[misc]
                self.lr_factor = learner.lr_factor  # type: ignore[misc]
            if "distance_head" in learner.requires:
                self.prototypes = learner.prototypes  # type: ignore[misc]

    def inner(self) -> list[Loss]:
        """The losses that stand directly in it."""
        raise NotImplementedError

    def provide(self, **facts: Any) -> "Composite":
        """See `Loss.provide`; every part takes what it needs."""
        super().provide(**facts)
        for part in self.inner():
            part.provide(**facts)
        return self

    def check_facts(self, k: int) -> None:
        """See `Loss.check_facts`; asks every part."""
        super().check_facts(k)
        for part in self.inner():
            part.check_facts(k)

    def end_epoch(self, **given: Any) -> None:
        """See `Loss.end_epoch`; every part takes what it names."""
        for part in self.inner():
            words = given if isinstance(part, Composite) else needs.keywords(part.end_epoch)
            part.end_epoch(**{key: given[key] for key in words})


def _values(loss: Loss, logits: Tensor, target: Tensor, moments: dict[str, Any]) -> Tensor:
    """A part's values, given the moments of the whole."""
    return loss.per_sample(logits, target, **{key: moments[key] for key in loss.moment_names})


class Sum(Composite):
    """A weighted sum of losses of logits; `2 * a - b` makes one.

    A registered loss that is such a sum derives from it and hands its weighted parts to
    `__init__`. The reduction of the parts does not matter; sums of sums are flattened. Where a part
    has one value a batch, the others count with their means.

    Raises:
        ValueError: see `Composite`; or a weight is no finite number, or none is above 0 and one
            below.
    """

    def __init__(self, *parts: Loss, weights: Iterable[float] = ()):
        super().__init__()
        self.losses = nn.ModuleList()
        self.weights: list[float] = []
        for part, weight in zip(parts, weights or [1.0] * len(parts), strict=True):
            # A registered sum, such as SCE, stays one part: it may hold more than its terms.
            for inner, loss in part.terms() if type(part) is Sum else [(1.0, part)]:
                self.weights.append(float(weight) * inner)
                self.losses.append(loss)
        if not all(math.isfinite(weight) for weight in self.weights):
            raise ValueError(f"a weight must be a number in [0, inf), not {max(self.weights)!r}")
        if min(self.weights, default=0.0) < 0 and max(self.weights) <= 0:
            raise ValueError("a difference needs a part with a weight above 0")
        self.adopt(*self.inner())

    def __repr__(self) -> str:
        """`2 * Focal(gamma=3.0) - CrossEntropy()`; `SCE(alpha=0.5)` where that is known."""
        if self.given is not None:
            return super().__repr__()
        shown = ""
        for weight, part in self.terms():
            shown += (" - " if weight < 0 else " + ") if shown else "-" * (weight < 0)
            shown += repr(part) if abs(weight) == 1 else f"{abs(weight):.12g} * {part!r}"
        return shown

    def terms(self) -> list[tuple[float, Loss]]:
        """Weight and loss of each part."""
        return list(zip(self.weights, self.inner(), strict=True))

    def inner(self) -> list[Loss]:
        """See `Composite.inner`."""
        return list(cast(Iterable[Loss], self.losses))

    def per_sample(self, logits: Tensor, target: Tensor, **moments: Any) -> Tensor:
        """Values (N,), or one of the batch: the weighted sum of the parts' values."""
        values = [weight * _values(part, logits, target, moments) for weight, part in self.terms()]
        if self.per == "batch":
            values = [value.mean() for value in values]
        return torch.stack(values).sum(0)


class Wrapper(Composite):
    """A loss around another one, which its constructor takes first, as `loss`.

    A registered wrapper names its default there, `loss: Loss | str = "cross_entropy"`, and hands it
    to `__init__`; its class attribute `target`, and its card, are those of that default.

    Args:
        loss: a loss of logits, or an id or expression, as `get_loss` reads it.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, loss: Loss | str):
        super().__init__()
        built = registry.get_loss(loss) if isinstance(loss, str) else loss
        if not isinstance(built, LogitLoss):
            what = f"{loss!r}" if isinstance(loss, str) else type(loss).__name__
            raise ValueError(f"loss must be a loss of logits, or the text of one, not {what}")
        self.loss = built
        self.adopt(built)

    def inner(self) -> list[Loss]:
        """See `Composite.inner`."""
        return [self.loss]

    def wrapped(self, logits: Tensor, target: Tensor, **moments: Any) -> Tensor:
        """Values of the wrapped loss: (N,), or one of the batch."""
        return _values(self.loss, logits, target, moments)


def _fact(name: str, value: Any) -> Any:
    """The value of a fact as losses get it: a number, or a float64 tensor."""
    if name not in ("class_counts", "transition"):
        if type(value) is bool or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
        return int(value)
    tensor = torch.as_tensor(value, dtype=torch.float64)
    if name == "class_counts":
        legal = (
            tensor.ndim == 1 and len(tensor) > 1 and bool(((tensor > 0) & tensor.isfinite()).all())
        )
        words = "K >= 2 positive numbers"
    else:
        legal = tensor.ndim == 2 and tensor.shape[0] == tensor.shape[1] > 1
        legal = legal and bool((tensor >= 0).all() and ((tensor.sum(1) - 1).abs() < 1e-6).all())
        words = "K >= 2 rows of K numbers of at least 0 that sum to 1"
    if not legal:
        raise ValueError(f"{name} must be {words}, not {tensor.tolist()}")
    return tensor


def _has_values() -> bool:
    """Whether tensors hold numbers: not while torch.compile traces or torch.func transforms."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is None


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _widen(x: Any) -> Any:
    if isinstance(x, Tensor) and x.dtype in (torch.float16, torch.bfloat16):
        return x.float()
    return x
