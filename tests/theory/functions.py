"""Losses as bare functions whose properties are known: textbook ones, and codes with a fault."""

from collections.abc import Callable
from dataclasses import fields

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import registry
from lossatlas.theory import records
from lossatlas.theory.subject import Subject, examine
from lossatlas.theory.verdict import Finding, Witness, as_json, doubt, evaluate, evaluate_exactly

Function = Callable[[Tensor, Tensor], Tensor]


def of_label(values: Tensor, labels: Tensor) -> Tensor:
    """The label's entry of each row."""
    return values.gather(1, labels[:, None]).squeeze(1)


def cross_entropy(s: Tensor, y: Tensor) -> Tensor:
    """The log loss."""
    return F.cross_entropy(s, y, reduction="none")


def epsilon_inside(s: Tensor, y: Tensor) -> Tensor:
    """-log(p_y + 1e-8): a cross-entropy whose gradient dies behind 18.4."""
    return -(of_label(torch.softmax(s, 1), y) + 1e-8).log()


def clamped(s: Tensor, y: Tensor) -> Tensor:
    """-log max(p_y, 1e-7)."""
    return -of_label(torch.softmax(s, 1), y).clamp(min=1e-7).log()


def log_of_softmax(s: Tensor, y: Tensor) -> Tensor:
    """-log p_y by way of p_y, which underflows."""
    return -of_label(torch.softmax(s, 1), y).log()


def sigmoid_by_softplus(s: Tensor, y: Tensor) -> Tensor:
    """Sigmoid cross-entropy by torch's softplus, which replaces itself by x above 20."""
    return F.softplus(s).sum(1) - of_label(s, y)


def exponential(s: Tensor, y: Tensor) -> Tensor:
    """sum_{k != y} exp(s_k - s_y)."""
    return (s - of_label(s, y)[:, None]).exp().sum(1) - 1


def unhinged(s: Tensor, y: Tensor) -> Tensor:
    """Minus the centred score: linear, so unbounded below."""
    return -of_label(s - s.mean(1, keepdim=True), y)


def logarithmic(s: Tensor, y: Tensor) -> Tensor:
    """log(1 + CE), unbounded, but it hardly grows."""
    return torch.log1p(cross_entropy(s, y))


def slowly_settling(s: Tensor, y: Tensor) -> Tensor:
    """1 - (1 + CE)^(-1/10), bounded by 1, though at a score of 1e9 it is only 0.87."""
    return 1 - (1 + cross_entropy(s, y)) ** -0.1


def capped(s: Tensor, y: Tensor) -> Tensor:
    """min(CE, 1e5), bounded, but far up."""
    return torch.minimum(cross_entropy(s, y), torch.full_like(s[:, 0], 1e5))


def biased(s: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy with a slight preference for class 0, which also breaks the shift."""
    return cross_entropy(s, y) + 1e-4 * torch.tanh(s[:, 0])


def ordered(s: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy in which class k counts k + 1 times."""
    return cross_entropy(s, y) * (y + 1)


def offset(s: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy minus a hundredth."""
    return cross_entropy(s, y) - 0.01


def careless_focal(s: Tensor, y: Tensor) -> Tensor:
    """-sqrt(1 - p_y) log p_y, with a slope of 0 times infinity where p_y rounds to one."""
    log_p = of_label(torch.log_softmax(s, 1), y)
    return -(1 - log_p.exp()).sqrt() * log_p


def bare(function: Function) -> Subject:
    """A function of class indices as a subject; not named as any loss."""
    return Subject(f"{function.__name__}_function", function)


def found_of(check: Callable[[Subject], Finding], name: str) -> Finding:
    """What a check finds of a loss; of a registered one, its stored verdict while that is current.

    An edit of the check or of the loss ends that (see test_records): then it is found here.
    """
    if name not in registry.index():
        return check(examine(name))
    (record,) = records.check(name, [check.__name__])
    plain = {each.name: record[each.name] for each in fields(Finding)}
    return Finding(**plain | {"witness": plain["witness"] and Witness.read(plain["witness"])})


def confirmed(subject: Subject, finding: Finding) -> bool:
    """Whether a finding refutes, and its witness, read back from plain data, does still."""
    if finding.verdict not in ("refuted", "evidence_against") or finding.witness is None:
        return False
    terms = Witness.read(as_json(finding.witness)).terms
    value, rounding = evaluate(subject, terms)
    return doubt(value, evaluate_exactly(subject, terms), rounding) is None
