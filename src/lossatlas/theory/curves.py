"""Curves that show what a loss does, as tables: its weight, its margin curves, its gradient field.

Scores are taken with mean zero, which matters only for losses that a shift changes. A loss that
needs class counts gets those of `long_tail`, where class 0 is the most frequent and k - 1 the
rarest; such a loss has a curve for each of the two.
"""

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from lossatlas.losses.quantities import of_label, one_hot
from lossatlas.theory.subject import CLASSES, Subject

LOW, HIGH = torch.logit(torch.tensor([0.001, 0.99], dtype=torch.float64))
ODDS = torch.linspace(LOW, HIGH, 59, dtype=torch.float64)  # of the label: log(p / (1 - p))
GRID = tuple(torch.sigmoid(ODDS).tolist())
REACH = 6.0  # margins drawn, to each side of zero
SIDE = 9  # points along an edge of the simplex's grid


def weights(subject: Subject, p: Sequence[float] = GRID) -> pd.DataFrame:
    """How strongly the label's score is pulled, relative to cross-entropy: w = -(dl/ds_y)/(1 - p).

    p is the label's probability, softmax(s)_y, and the k - 1 rivals share the rest equally. Where
    l = phi(p_y) this w = -p phi'(p) says everything: grad l = w grad CE at any scores, so that
    interior minimisers of sum_k q_k l(s, k) obey q_i proportional to p_i / w(p_i). Otherwise it is
    a cut along which the rivals tie. A negative w pushes the score down.

    Returns:
        A table with index "p" and one column of w (float) for each entry of `_labels`.

    Source: Zhang & Sabuncu 2018 (weighting argument for GCE), written relative to cross-entropy.
    """
    share = torch.tensor(list(p), dtype=torch.float64)
    odds = torch.log(share) - torch.log1p(-share)
    lead = odds + torch.log(torch.tensor(subject.k - 1.0, dtype=torch.float64))
    columns = {}
    for name, label in _labels(subject).items():
        logits, labels = _tied(lead, subject.k, label)
        pull = -of_label(subject.gradient(logits, labels), labels)
        columns[name] = (pull / (1 - share)).tolist()
    return pd.DataFrame(columns, index=pd.Index(share.tolist(), name="p"))


def margins(subject: Subject, m: Sequence[float] | None = None) -> pd.DataFrame:
    """Value at score margin m = s_y - s_rival, for two classes and for k classes, rivals tied.

    For cross-entropy they are the two sides of softplus(-m) <= l <= log(1 + (k - 1) e^(-m)).

    Returns:
        A table with index "m" and columns "K=2", "K=4" (or the subject's k), both of the label
        `_labels` names first.
    """
    given = torch.linspace(-REACH, REACH, 49, dtype=torch.float64)
    lead = given if m is None else torch.tensor(list(m), dtype=torch.float64)
    columns = {}
    for k in (2, subject.k):
        if subject.k != CLASSES and subject.fault(k):  # code for one number of classes
            continue
        logits, labels = _tied(lead, k, 0)
        columns[f"K={k}"] = subject.at(k).values(logits, labels).detach().tolist()
    return pd.DataFrame(columns, index=pd.Index(lead.tolist(), name="m"))


def field(subject: Subject) -> pd.DataFrame:
    """Steepest descent on three classes, seen in the probabilities: dp = (diag p - p p') (-grad l).

    Points lie inside the simplex on a triangular grid, and s = log p; the label is class 0.

    Returns:
        A table with columns p0, p1, p2 (summing to one) and d0, d1, d2 (to zero), a row a point.
    """
    # All three shares are at least 1 / SIDE.
    rows = [(i, j, SIDE - i - j) for i in range(1, SIDE) for j in range(1, SIDE - i)]
    p = torch.tensor(rows, dtype=torch.float64) / SIDE
    logits = torch.log(p)
    logits = logits - logits.mean(1, keepdim=True)
    step = -subject.at(3).gradient(logits, torch.zeros(len(p), dtype=torch.long))
    moved = p * (step - (p * step).sum(1, keepdim=True))
    table = torch.cat([p, moved], 1).tolist()
    return pd.DataFrame(table, columns=["p0", "p1", "p2", "d0", "d1", "d2"])


def tied(logits: Tensor, labels: Tensor) -> Tensor:
    """Scores (N, k), zero but for class 0, that give class 0 the probability of the label."""
    k = logits.shape[1]
    is_label = one_hot(labels, k)
    rest = torch.logsumexp(logits.masked_fill(is_label, -torch.inf), 1)
    lead = of_label(logits, labels) - rest + math.log(k - 1)
    return torch.cat([lead[:, None], torch.zeros(len(logits), k - 1, dtype=logits.dtype)], 1)


def _labels(subject: Subject) -> dict[str, int]:
    if subject.class_counts is None:
        return {"every label": 0}
    return {"most frequent label": 0, "rarest label": subject.k - 1}


def _tied(lead: Tensor, k: int, label: int) -> tuple[Tensor, Tensor]:
    """Logits (N, k) of mean zero where the label leads its rivals, which tie, by `lead` (N,)."""
    logits = torch.zeros(len(lead), k, dtype=torch.float64)
    logits[:, label] = lead
    return logits - logits.mean(1, keepdim=True), torch.full((len(lead),), label)
