"""The statement about SimCLR: a classification without labels."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lossatlas.lecture.sample import Sample, values
from lossatlas.lecture.statement import Relation, statement

IMAGES = 5  # a batch: two views of each
BATCHES = 40
TEMPERATURES = (0.1, 0.5, 1.0)


@statement(
    "NT-Xent is a log loss with 2N − 1 classes",
    r"-\log\frac{e^{\text{sim}(z_i,z_{j(i)})/\tau}}{\sum_{k\neq i}e^{\text{sim}(z_i,z_k)/\tau}}"
    r"=\text{LSE}(s^{(i)})-s^{(i)}_{j(i)},\qquad "
    r"s^{(i)}=\left(\text{sim}(z_i,z_k)/\tau\right)_{k\neq i}",
)
def nt_xent_is_log_loss(sample: Sample) -> Iterator[Relation]:
    r"""For each of the $2N$ views the other $2N-1$ views are the classes, cosine similarities over
    the temperature are the scores, and the other view $j(i)$ of the same image is the label.
    Everything above applies, with $K=2N-1$. If all embeddings coincide, all scores tie, and the
    loss is $\log(2N-1)$: a guess. Checked on batches of 5 images with embeddings in 2, 3 and 10
    dimensions, at $\tau$ = 0.1, 0.5 and 1. The log loss is that of the atlas, on scores that are
    collected view by view.
    """
    rows = 2 * IMAGES * BATCHES
    spread = torch.linspace(0, len(sample.s) - 1, rows).long()
    batches = sample.s[spread].reshape(BATCHES, 2, IMAGES, sample.k)
    for temperature in TEMPERATURES:
        ours = [values("nt_xent", z, None, temperature=temperature) for z in batches]
        plain = [_as_classes(z, temperature) for z in batches]
        yield Relation(
            "NT-Xent of a view is the log loss of its scores", torch.cat(ours), "==",
            torch.cat(plain), 1 / temperature,
        )  # fmt: skip
    same = batches[:, :1, :1].expand_as(batches)
    collapsed = torch.cat([values("nt_xent", z, None) for z in same])
    guess = torch.full_like(collapsed, math.log(2 * IMAGES - 1))
    yield Relation(r"collapsed embeddings cost $\log(2N-1)$", collapsed, "==", guess)


def _as_classes(z: Tensor, temperature: float) -> Tensor:
    """The log loss (2N,) of every view of embeddings (2, N, D), its own column left out."""
    views = torch.nn.functional.normalize(z.flatten(0, 1), dim=1)
    n = len(views)
    scores, labels = [], []
    for i in range(n):
        others = [k for k in range(n) if k != i]
        scores.append(views[others] @ views[i] / temperature)
        labels.append(others.index((i + n // 2) % n))
    return values("cross_entropy", torch.stack(scores), torch.tensor(labels))
