"""Statements about log-sum-exp, the smooth maximum."""

import math
from collections.abc import Iterator

import torch

from lossatlas.lecture.sample import FAR, Sample, values
from lossatlas.lecture.statement import Relation, statement
from lossatlas.losses import quantities

STEP = 1e-4  # of central differences: their error is of the order of its square


@statement(
    "Log-sum-exp lies just above the maximum",
    r"\max_j s_j\;\leq\;\text{LSE}(s)\;\leq\;\max_j s_j+\log\,K",
)
def lse_bounds(sample: Sample) -> Iterator[Relation]:
    r"""The sum $\sum_j e^{s_j}$ has $K$ terms. It exceeds its largest term and is at most $K$ times
    that; take logarithms. The upper bound is attained when all scores are equal. The lower bound is
    approached, never reached, when one score leaves the others behind; in float64 a lead of 800 is
    as good as infinite.
    """
    s = sample.s
    top, lse = s.amax(1), quantities.logsumexp(s)
    yield Relation(r"$\max_j s_j\leq\text{LSE}(s)$", top, "<=", lse)
    yield Relation(r"$\text{LSE}(s)\leq\max_j s_j+\log\,K$", lse, "<=", top + math.log(sample.k))
    equal = s[:, :1].expand_as(s)
    yield Relation(
        "equal scores attain the upper bound",
        quantities.logsumexp(equal), "==", s[:, 0] + math.log(sample.k),
    )  # fmt: skip
    alone = s.clone()
    alone[:, 0] = top + FAR
    yield Relation(
        "a score far above the others attains the lower bound",
        quantities.logsumexp(alone), "==", top + FAR,
    )  # fmt: skip


@statement(
    "The gradient of log-sum-exp is the softmax",
    r"\frac{\partial\,\text{LSE}(s)}{\partial s_k}=\frac{e^{s_k}}{\sum_j e^{s_j}}=p_k",
)
def lse_gradient(sample: Sample) -> Iterator[Relation]:
    r"""The chain rule gives it in one line. Where the maximum switches from one class to the next,
    its smooth stand-in passes the gradient over gradually. Two roads are compared with the softmax:
    automatic differentiation, and the slope of LSE between $s+hv$ and $s-hv$ for a random direction
    $v$ of length 1 and $h=10^{-4}$, which uses values only.
    """
    s = sample.s.clone().requires_grad_()
    p = quantities.softmax(sample.s)
    (gradient,) = torch.autograd.grad(quantities.logsumexp(s).sum(), s)
    yield Relation(r"automatic derivative $=p$", gradient, "==", p)
    v = torch.nn.functional.normalize(sample.q - 1 / sample.k, dim=1)
    ahead, behind = (quantities.logsumexp(sample.s + h * v) for h in (STEP, -STEP))
    yield Relation(
        r"slope of LSE along $v$ $=p^{\top}v$",
        (ahead - behind) / (2 * STEP), "==", (p * v).sum(1), tolerance=1e-8,
    )  # fmt: skip


@statement(
    "A shift of all scores changes neither softmax nor log loss",
    r"\text{LSE}(s+c)=c+\text{LSE}(s),\qquad \ell(s+c,\,y)=\ell(s,\,y)",
)
def log_loss_shift(sample: Sample) -> Iterator[Relation]:
    r"""The factor $e^{c}$ comes out of the sum, so LSE grows by exactly $c$, and in
    $\ell(s,y)=\text{LSE}(s)-s_y$ the score of the label grows by the same $c$. The notes print the
    opposite; see the errata.
    """
    s, y, c = sample.s, sample.y, sample.shift
    size = sample.size + c.abs()[:, 0]
    yield Relation(
        r"$\text{LSE}(s+c)=c+\text{LSE}(s)$",
        quantities.logsumexp(s + c), "==", quantities.logsumexp(s) + c[:, 0], size,
    )  # fmt: skip
    yield Relation(
        "the softmax of $s+c$ is that of $s$",
        quantities.softmax(s + c), "==", quantities.softmax(s), size[:, None],
    )  # fmt: skip
    yield Relation(
        LOG_LOSS_SHIFT,
        values("cross_entropy", s + c, y), "==", values("cross_entropy", s, y), size,
    )  # fmt: skip


LOG_LOSS_SHIFT = "the log loss of $s+c$ is that of $s$"
