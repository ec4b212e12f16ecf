"""What is checked: a loss of logits or embeddings as a plain function, in float64."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.losses import registry
from lossatlas.losses.base import Loss
from lossatlas.losses.examples import lift, ready
from lossatlas.theory import exact

T = TypeVar("T")
CLASSES = 4  # all properties are generic in the number of classes; a counterexample in 4 is one


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
    """

    name: str
    function: Callable[[Any, Any], Any]
    target: str = "class_index"
    k: int = CLASSES
    class_counts: tuple[float, ...] | None = None
    card: cards.Card | None = None
    loss: Loss | None = None
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def on_embeddings(self) -> bool:
        return self.target in cards.EMBEDDING_TARGETS

    @property
    def link(self) -> cards.Link:
        """How scores become probabilities, as the card says; softmax without a card."""
        return self.card.link if self.card else "softmax"

    @property
    def prior(self) -> Tensor:
        """What the Bayes rule divides probabilities by, (k,): ones unless the rule is balanced."""
        if self.card and self.card.bayes_rule == "balanced" and self.class_counts:
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
            return Subject(self.name, self.function, self.target, k, class_counts, self.card)
        return examine(self.name, k, class_counts)

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
        (gradient,) = torch.autograd.grad(self.values(leaf, labels).sum(), leaf)
        return gradient

    def hessian(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Hessian (N, k, k) of each value in its logits, by double backward on the batch's sum.

        Not by vmap, which fails on much paper code (`one_hot`, `.item()`, masks). Zero where the
        gradient does not depend on the logits.
        """
        leaf = logits.detach().clone().requires_grad_()
        (first,) = torch.autograd.grad(self.values(leaf, labels).sum(), leaf, create_graph=True)
        if not first.requires_grad:
            return torch.zeros(*logits.shape, logits.shape[1], dtype=logits.dtype)
        rows = []
        for i in range(logits.shape[1]):
            (row,) = torch.autograd.grad(
                first[:, i].sum(), leaf, retain_graph=True, allow_unused=True
            )
            rows.append(torch.zeros_like(leaf) if row is None else row)
        return torch.stack(rows, 1)

    def at_50_digits(self, inputs: Any, target: Any) -> Any:
        """Value of one sample (or the mean over one batch of embeddings) as an mpmath number.

        Raises:
            exact.Unsupported: the code uses a function that has no 50-digit form.
        """
        function = self.function if self.loss is None else self.loss.per_sample
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


def examine(name: str, k: int = CLASSES, class_counts: tuple[float, ...] | None = None) -> Subject:
    """The registered loss (or expression) `name` at its defaults, ready for k classes.

    Raises:
        UserError: there is no such loss.
    """
    loss = ready(name, k).provide(class_counts=class_counts)
    loss.validate = False
    given = None if loss.class_counts is None else tuple(loss.class_counts.tolist())
    entry = registry.index().get(name)
    card = cards.read(entry.card) if entry and entry.card.is_file() else None
    return Subject(name, loss, loss.target, k, given, card, loss)
