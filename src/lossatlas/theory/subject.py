"""What is checked: a loss of logits or embeddings as a plain function, in float64."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.errors import UserError
from lossatlas.losses import expression, registry
from lossatlas.losses.base import Loss
from lossatlas.losses.examples import ready
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.needs import FEATURES
from lossatlas.losses.targets import labelled, lift, pairs
from lossatlas.theory import exact

T = TypeVar("T")
CLASSES = 4  # all properties are generic in the number of classes; a counterexample in 4 is one
MUST = "must return"  # how a fault begins that is in what the code gives, not in that it raises
OTHERS = (10, 7, 3, 2, 5, 6, 8, 9)  # tried in turn for code that does not work for 4 classes


@dataclass(frozen=True, eq=False)
class Subject:
    """A loss under examination.

    Attributes:
        name: id or expression, as `get_loss` reads it.
        function: per-sample values (N,) of inputs and target; differentiable torch code.
        target: the type of its target.
        k: number of classes of the logits that the checks use.
        class_counts: (k,) samples a class, for a loss that requires them, else None.
        card: what the paper says, or None.
        loss: the module behind the function, or None for a bare function.
        hyperparameters: by name, as the loss has them.
        parts: weights, none of them 0, and losses, where it is written as a sum of others.
    """

    name: str
    function: Callable[[Any, Any], Any]
    target: str = "class_index"
    k: int = CLASSES
    class_counts: tuple[float, ...] | None = None
    card: cards.Card | None = None
    loss: Loss | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    parts: tuple[tuple[float, "Subject"], ...] = ()
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def on_embeddings(self) -> bool:
        return KINDS[self.target].on_embeddings

    @property
    def of_samples(self) -> bool:
        """Whether a value is a function of one sample's scores of the K classes alone."""
        return self.loss is None or (self.loss.per != "batch" and not self.loss.extra_outputs)

    @property
    def link(self) -> cards.Link | None:
        """How scores become probabilities, as code and cards say; None where parts differ.

        Without a card softmax, unless the code says otherwise.
        """
        if self.loss is not None and self.loss.log_probabilities is not None:
            return "own"
        if self.parts:
            agreed = _agreed([part.link for _, part in self.parts])
            return None if agreed == "own" else agreed  # two maps of that name are two maps
        return self.card.link if self.card else "softmax"

    @property
    def bayes_rule(self) -> str | None:
        """The decision to judge by, "accuracy" or "balanced"; None if parts are judged unlike."""
        if self.parts:
            return _agreed([part.bayes_rule for _, part in self.parts])
        return self.card.bayes_rule if self.card else "accuracy"

    @property
    def summands(self) -> tuple[tuple[float, "Subject"], ...]:
        """The parts, where all weights are positive: what is true of sums is not of differences."""
        return self.parts if all(weight > 0 for weight, _ in self.parts) else ()

    @property
    def weight(self) -> float:
        """The sum of the parts' weights; 1 of a loss that is no sum."""
        return sum(weight for weight, _ in self.parts) if self.parts else 1.0

    @property
    def prior(self) -> Tensor:
        """What the Bayes rule divides probabilities by, (k,): ones unless the rule is balanced."""
        if self.bayes_rule == "balanced" and self.class_counts:
            counts = torch.tensor(self.class_counts, dtype=torch.float64)
            return counts / counts.sum()
        return torch.ones(self.k, dtype=torch.float64)

    def declared(self, prop: str) -> bool | str | None:
        """The card's claim of a property: true, false, "unknown", or None where it is silent.

        A card that names limits claims its special cases.
        """
        if prop == "special_cases" and self.card and self.card.limits:
            return True
        claim = self.card.properties.get(prop) if self.card else None  # type: ignore[call-overload]
        return None if claim is None else claim.value

    def proof(self, prop: str) -> str | None:
        """The proof that the card names for a property."""
        claim = self.card.properties.get(prop) if self.card else None  # type: ignore[call-overload]
        return claim.proof if claim else None

    def at(self, k: int, class_counts: tuple[float, ...] | None = None) -> "Subject":
        """The same loss for another number of classes, or with other class counts."""
        if self.loss is None:
            return replace(self, k=k, class_counts=class_counts, _memory={})
        # A term of a sum has its card; its name alone, an expression, has none.
        there = examine(self.name, k, class_counts)
        return replace(there, card=self.card, hyperparameters=self.hyperparameters)

    def fault(self, k: int) -> str | None:
        """What the code raises for k classes (a batch of embeddings), or None if it runs."""
        return self.memo(f"fault {k}", lambda: self._fault(k))

    def _fault(self, k: int) -> str | None:
        try:
            one = self if k == self.k else self.at(k)
            if self.on_embeddings:
                views = getattr(self.loss, "views", 2)
                leaf = torch.rand(views, 4, FEATURES, dtype=torch.float64, requires_grad=True)
                values = one.function(leaf, pairs(self.target, 4))
            else:
                labels = labelled(self.target, torch.arange(k), k)
                outputs = k + (self.loss.extra_outputs if self.loss else 0)
                leaf = torch.zeros(k, outputs, dtype=torch.float64, requires_grad=True)
                values = one.function(leaf, labels)
            if not isinstance(values, Tensor):
                return f"{MUST} a tensor of values, one a sample, not {type(values).__name__}"
            per_batch = self.loss is not None and self.loss.per == "batch"
            due, what = ((), "batch") if per_batch else ((k,), "sample")
            if not self.on_embeddings and values.shape != due:
                return f"{MUST} one value a {what}, of shape {due}, not shape {tuple(values.shape)}"
            if not values.is_floating_point():
                return f"{MUST} floating point values, not {values.dtype}"
            slope_of(values.sum(), leaf)
        except Exception as error:
            return blame(error, self.loss)
        return None

    def values(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Values (N,) at logits (N, k) and class indices (N,), lifted to the loss's target."""
        return self.function(logits, lift(labels, self.target, logits.shape[1]))

    def table(self, logits: Tensor) -> Tensor:
        """Values (N, k) at logits (N, k) for each of the k labels."""
        n, k = logits.shape
        labels = torch.arange(k).repeat(n)
        return self.values(logits.repeat_interleave(k, 0), labels).view(n, k)

    def risk(self, logits: Tensor, q: Tensor) -> Tensor:
        """Conditional risk sum_k q_k loss(s, k), (N,), at logits and label probabilities (N, k)."""
        return (q * self.table(logits)).sum(1)

    def gradient(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Gradient (N, k) of each value in its logits."""
        leaf = logits.detach().clone().requires_grad_()
        return slope_of(self.values(leaf, labels).sum(), leaf)

    def hessian(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Hessian (N, k, k) of each value in its logits, by double backward on the batch's sum.

        Not by vmap, which fails on much paper code (`one_hot`, `.item()`, masks). Zero where the
        gradient does not depend on the logits.

        Raises:
            exact.Unsupported: autograd has no second derivative of the code.
        """
        leaf = logits.detach().clone().requires_grad_()
        first = slope_of(self.values(leaf, labels).sum(), leaf, create_graph=True)
        if not first.requires_grad:
            return torch.zeros(*logits.shape, logits.shape[1], dtype=logits.dtype)
        rows = []
        for i in range(logits.shape[1]):
            try:
                (row,) = torch.autograd.grad(
                    first[:, i].sum(), leaf, retain_graph=True, allow_unused=True
                )
            except RuntimeError as error:
                if "not implemented" not in str(error):
                    raise
                raise exact.Unsupported(f"there is no second derivative: {error}") from None
            rows.append(torch.zeros_like(leaf) if row is None else row)
        return torch.stack(rows, 1)

    def at_50_digits(self, inputs: Any, target: Any) -> Any:
        """Value of one sample (or the mean over one batch of embeddings) as an mpmath number.

        Raises:
            exact.Unsupported: the code uses a function that has no 50-digit form.
        """
        function = self.function if self.loss is None else self.loss.tried
        if self.on_embeddings:
            values = exact.evaluate(function, inputs, target)
            return sum(values) / len(values)
        y = target if isinstance(target, Tensor) else torch.tensor([target])
        y = lift(y, self.target, len(inputs)) if y.ndim == 1 and y.dtype == torch.int64 else y
        return exact.evaluate(function, [inputs], y)[0]

    def memo(self, key: str, compute: Callable[[], T]) -> T:
        """`compute()` once for this subject; what several checks share."""
        if key not in self._memory:
            self._memory[key] = compute()
        return self._memory[key]

    def remember(self, key: str, value: Any) -> None:
        """From now on `memo` of that key is this value."""
        self._memory[key] = value


def examine(name: str, k: int = CLASSES, class_counts: tuple[float, ...] | None = None) -> Subject:
    """The registered loss (or expression) `name` at its defaults, ready for k classes.

    An expression has no card, but its parts have.

    Raises:
        UserError: there is no such loss.
    """
    if name.isidentifier():
        return _term(expression.Term(1.0, name, {}), k, class_counts)
    loss, given = _ready(name, k, class_counts)
    parts = [(t.weight, _term(t, k, class_counts)) for t in expression.parse(name) if t.weight]
    function = _left_alone(loss)
    return Subject(name, function, loss.target, k, given, None, loss, parts=tuple(parts))


def examine_anywhere(name: str, k: int | None = None) -> Subject:
    """`examine` for k classes; by default for 4, or another number that the code works for.

    Raises:
        UserError: there is no such loss, or its code raises; says what.
    """
    subject = examine(name, k or CLASSES)
    fault = subject.fault(subject.k)
    if fault and k is None and not subject.on_embeddings:
        for other in OTHERS:
            if subject.fault(other) is None:
                return examine(name, other)
    if fault:
        if fault.startswith(MUST):  # whatever the number of classes
            raise UserError(f"{name}: its code {fault}")
        where = "" if subject.on_embeddings else f" for {subject.k} classes"
        hint = "; so it does for any of 2 to 10, and --classes K tries more"
        raise UserError(
            f"{name}: its code fails{where}: {fault}{'' if subject.on_embeddings or k else hint}"
        )
    return subject


def blame(error: Exception, loss: Loss | None) -> str:
    """An error in words, with the line of the loss's file that it came through."""
    said = (str(error).strip().splitlines() or ["no message"])[0]
    line = _line_in(error, loss)
    return f"{type(error).__name__}: {said}" + (f" ({line})" if line else "")


def comes_from(error: Exception, loss: Loss | None) -> bool:
    """Whether an error was raised while the loss's own code ran."""
    return _line_in(error, loss) is not None


def _line_in(error: Exception, loss: Loss | None) -> str | None:
    if loss is None:
        return None
    files = {str(registry.file_of(type(part))) for part in loss.modules()}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def slope_of(value: Tensor, leaf: Tensor, create_graph: bool = False) -> Tensor:
    """Gradient of a scalar in `leaf`, shaped as it; zero where the one does not depend on it."""
    if not value.requires_grad:
        return torch.zeros_like(leaf)
    (slope,) = torch.autograd.grad(value, leaf, create_graph=create_graph, allow_unused=True)
    return torch.zeros_like(leaf) if slope is None else slope


def _term(term: expression.Term, k: int, class_counts: tuple[float, ...] | None) -> Subject:
    """One loss of a sum, without its weight."""
    written = expression.write([term._replace(weight=1.0)])
    loss, given = _ready(written, k, class_counts)
    entry = registry.index().get(term.name)
    card = cards.read(entry.card) if entry and entry.card.is_file() else None
    wrapped = term.hyperparameters.get(expression.WRAPPED)
    if card and isinstance(wrapped, str):
        card = _around(card, examine(wrapped, k, class_counts))
    defaults = {key: h.default for key, h in card.hyperparameters.items()} if card else {}
    return Subject(
        written, _left_alone(loss), loss.target, k, given, card, loss,
        defaults | term.hyperparameters,
    )  # fmt: skip


def _left_alone(loss: Loss) -> Callable[[Any, Any], Any]:
    """The loss on copies of its arguments, which code may write into, and no narrower than they."""

    def function(inputs: Any, target: Any) -> Any:
        values = loss(inputs.clone(), target if target is None else target.clone())
        if isinstance(values, Tensor) and values.is_floating_point():
            return values.to(torch.promote_types(values.dtype, inputs.dtype))
        return values

    return function


def _around(card: cards.Card, inner: Subject) -> cards.Card:
    """A wrapper's card without its claims, which are of its default loss, around another one."""
    said = {"link": inner.link or "none", "bayes_rule": inner.bayes_rule or "accuracy"}
    return card.model_copy(update={**said, "properties": {}, "limits": []})


def _ready(
    name: str, k: int, class_counts: tuple[float, ...] | None
) -> tuple[Loss, tuple[float, ...] | None]:
    """The loss, and the class counts that it was given."""
    loss = ready(name, k).provide(class_counts=class_counts)
    loss.validate = False
    counts = _counts(loss)
    given = None if counts is None else tuple(counts.tolist())
    return loss, given


def _counts(loss: Loss) -> Tensor | None:
    """The class counts that a loss, or a part of it, was given."""
    for part in loss.modules():
        if isinstance(part, Loss) and "class_counts" in part.facts:
            return part.facts["class_counts"]
    return None


def _agreed(words: list[Any]) -> Any:
    return words[0] if len(set(words)) == 1 else None
