"""Statements that tie the log loss to the margin."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lossatlas.lecture.sample import FAR, Sample, values
from lossatlas.lecture.statement import Relation, statement
from lossatlas.losses import quantities
from lossatlas.losses.quantities import of_label


def sandwich(margin: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The smallest and largest log loss that k classes allow at a margin; shapes as `margin`."""
    return softplus(-margin), softplus(math.log(k - 1) - margin)


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x). The one of torch returns x itself from 20 on, which is wrong by up to 2e-9."""
    return torch.logaddexp(x, torch.zeros_like(x))


@statement(
    "Smooth the maximum in the margin, and the log loss appears",
    r"\max(0,-m)=\max_j s_j-s_y\;\leq\;\text{LSE}(s)-s_y=-\log\,p_y\;\leq\;\max(0,-m)+\log\,K",
)
def smoothed_margin(sample: Sample) -> Iterator[Relation]:
    r"""By how much does the label lose against the best class, itself included? By
    $\max_j s_j-s_y=\max(0,-m)$. With LSE in place of the maximum this is the log loss, and the
    bounds of LSE become bounds of the log loss.
    """
    s, y = sample.s, sample.y
    deficit = (-quantities.margin(s, y)).relu()
    loss = values("cross_entropy", s, y)
    yield Relation(
        r"$\max(0,-m)=\max_j s_j-s_y$", deficit, "==", s.amax(1) - of_label(s, y), sample.size
    )
    yield Relation(
        r"$\text{LSE}(s)-s_y$ is the log loss",
        quantities.logsumexp(s) - of_label(s, y), "==", loss, sample.size,
    )  # fmt: skip
    p_y = of_label(quantities.softmax(s), y)
    yield Relation(r"$-\log\,p_y$ is the log loss", -p_y.log(), "==", loss, sample.size)
    yield Relation(r"$\max(0,-m)\leq$ log loss", deficit, "<=", loss, sample.size)
    yield Relation(
        r"log loss $\leq\max(0,-m)+\log\,K$", loss, "<=", deficit + math.log(sample.k), sample.size
    )


@statement(
    "The margin confines the log loss to a band",
    r"\log(1+e^{-m})\;\leq\;-\log\,p_y\;\leq\;\log\left(1+(K-1)\,e^{-m}\right)",
)
def margin_band(sample: Sample) -> Iterator[Relation]:
    r"""Divide by $e^{s_y}$: $-\log\,p_y=\log(1+\sum_{j\neq y}e^{s_j-s_y})$. The largest term of the
    sum is $e^{-m}$, and there are $K-1$ terms. The lower end is reached when a single rival is left
    (with $K=2$ always), the upper end when all rivals tie. The margin alone fixes the hinge; it
    fixes the log loss only up to this band.
    """
    s, y = sample.s, sample.y
    margin, loss = quantities.margin(s, y), values("cross_entropy", s, y)
    low, high = sandwich(margin, sample.k)
    yield Relation(r"$\log(1+e^{-m})\leq$ log loss", low, "<=", loss, sample.size)
    yield Relation(r"log loss $\leq\log(1+(K-1)e^{-m})$", loss, "<=", high, sample.size)
    rivals = (of_label(s, y) - margin)[:, None].expand_as(s)
    tied = rivals.scatter(1, y[:, None], of_label(s, y)[:, None])
    yield Relation(
        "rivals that tie attain the upper end",
        values("cross_entropy", tied, y), "==", high, sample.size,
    )  # fmt: skip
    rival = (y + 1) % sample.k
    single = (rivals - FAR).scatter(1, rival[:, None], rivals[:, :1])
    single = single.scatter(1, y[:, None], of_label(s, y)[:, None])
    yield Relation(
        "a single rival attains the lower end",
        values("cross_entropy", single, y), "==", low, sample.size,
    )  # fmt: skip


@statement(
    "An error costs at least log 2", r"\log\,2\cdot\mathbf{1}[m(s,y)\leq 0]\;\leq\;-\log\,p_y"
)
def error_costs_log_two(sample: Sample) -> Iterator[Relation]:
    r"""Put $m\leq 0$ into the lower end of the band. Divided by $\log\,2$, the log loss bounds the
    0-1 loss, as the hinge does. Equality: the label ties with one rival and the others are far
    behind. So a mean log loss below $\varepsilon$ means an error rate below $\varepsilon/\log\,2$.
    """
    s, y = sample.s, sample.y
    error = (quantities.margin(s, y) <= 0).double()
    loss = values("cross_entropy", s, y)
    yield Relation(r"$\log\,2\cdot$ 0-1 loss $\leq$ log loss", math.log(2) * error, "<=", loss)
    tie = torch.full_like(s, -FAR) + s[:, :1]
    tie = tie.scatter(1, y[:, None], s[:, :1]).scatter(1, ((y + 1) % sample.k)[:, None], s[:, :1])
    yield Relation(
        r"a tie of two attains $\log\,2$",
        values("cross_entropy", tie, y), "==", torch.full_like(loss, math.log(2)),
    )  # fmt: skip


@statement(
    "Two classes: the log loss is the logistic loss",
    r"K=2:\qquad -\log\,p_1=\log\left(1+e^{-(s_1-s_0)}\right)",
)
def two_classes(sample: Sample) -> Iterator[Relation]:
    r"""With two classes the band has no width. Softmax regression with two scores is logistic
    regression on their difference. Checked on the first two scores of every point.
    """
    s = sample.s[:, :2]
    label = torch.ones(len(s), dtype=torch.int64)
    yield Relation(
        r"log loss of $(s_0,s_1)$, class 1, is $\log(1+e^{-(s_1-s_0)})$",
        values("cross_entropy", s, label), "==", softplus(s[:, 0] - s[:, 1]),
    )  # fmt: skip
