"""Where the course notes print something else than comes out, as the cards keep it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lossatlas.cards import Card, Example
from lossatlas.lecture import log_loss, smooth_maximum, soft_labels
from lossatlas.lecture.statement import Outcome, Statement, decide
from lossatlas.losses import quantities
from lossatlas.losses.examples import Outcome as Measured
from lossatlas.losses.examples import run_examples


class Bound(NamedTuple):
    """What a statement of the lecture allows for the inputs of an example."""

    by: Statement
    low: float
    high: float


class WrongNumber(NamedTuple):
    """A number that was printed wrongly.

    Attributes:
        card: id of the loss.
        example: what the code gives, beside what was printed.
        printed: the number that was printed.
        bound: a statement about the same inputs, if the chapter has one.
    """

    card: str
    example: Measured
    printed: float
    bound: Bound | None

    @property
    def confirmed(self) -> bool:
        """The code gives the card's number, and not the printed one."""
        gap = abs(float(torch.tensor(self.example.measured).mean()) - self.printed)
        return self.example.passed and gap > 1e-3 * max(1.0, abs(self.printed))

    @property
    def ruled_out(self) -> bool:
        """Whether the statement alone shows that the printed number cannot be right."""
        return self.bound is not None and not self.bound.low <= self.printed <= self.bound.high


class WrongClaim(NamedTuple):
    """A statement that was printed wrongly, with the comparison that refutes it, if any."""

    card: str
    says: str
    note: str
    settled: Outcome | None

    @property
    def confirmed(self) -> bool:
        """The comparison that contradicts the printed statement holds."""
        return self.settled is not None and self.settled.holds


SETTLED = {
    ("cross_entropy", "shift_invariant"): (
        smooth_maximum.log_loss_shift, smooth_maximum.LOG_LOSS_SHIFT,
    ),
}  # fmt: skip


def of_card(card: Card) -> list[WrongNumber | WrongClaim]:
    """All that a card marks as printed wrongly: numbers first, then statements."""
    found: list[WrongNumber | WrongClaim] = []
    for example, measured in zip(card.examples, run_examples(card), strict=True):
        if measured.printed is not None:
            bound = BOUNDS[card.id](example) if card.id in BOUNDS else None
            found.append(WrongNumber(card.id, measured, measured.printed, bound))
    for prop, claim in card.properties.items():
        if claim.printed is not None:
            settled = _settle(card.id, prop)
            found.append(WrongClaim(card.id, claim.printed, claim.note or "", settled))
    return found


def _settle(card: str, prop: str) -> Outcome | None:
    if (card, prop) not in SETTLED:
        return None
    one, says = SETTLED[card, prop]
    return next(outcome for outcome in decide(one) if outcome.says == says)


def _band(example: Example) -> Bound:
    scores, target = _inputs(example)
    margin = quantities.margin(scores, target.long())
    low, high = log_loss.sandwich(margin, scores.shape[1])
    return Bound(log_loss.margin_band, low.item(), high.item())


def _pinsker(example: Example) -> Bound:
    scores, q = _inputs(example)
    low = soft_labels.pinsker(q, quantities.softmax(scores)).item()
    return Bound(soft_labels.kl_nonnegative, low, math.inf)


def _inputs(example: Example) -> tuple[Tensor, Tensor]:
    scores = torch.tensor([example.logits], dtype=torch.float64)
    return scores, torch.tensor([example.target], dtype=torch.float64)


BOUNDS: dict[str, Callable[[Example], Bound]] = {
    "cross_entropy": _band,
    "soft_target_kl": _pinsker,
}
