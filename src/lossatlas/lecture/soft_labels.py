"""Statements about distributions as labels."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lossatlas.lecture.descent import descend
from lossatlas.lecture.sample import FAR, Sample, values
from lossatlas.lecture.statement import Relation, statement
from lossatlas.losses import quantities

SEARCHES = 200
SMOOTHING = (0.0, 0.1, 0.5, 1.0)


def pinsker(q: Tensor, p: Tensor) -> Tensor:
    """The least value (N,) that KL(q || p) may have: half the squared l1 distance of the rows."""
    return (q - p).abs().sum(1) ** 2 / 2


@statement(
    "KL is never negative, and zero only at p = q",
    r"\text{KL}(q\,\|\,p)=\sum_k q_k\log\frac{q_k}{p_k}\;\geq\;"
    r"\frac{1}{2}\left(\sum_k|q_k-p_k|\right)^{2}\;\geq\;0",
)
def kl_nonnegative(sample: Sample) -> Iterator[Relation]:
    r"""That KL is at least 0 is Jensen's inequality for the logarithm. Pinsker's inequality says by
    how much: a distribution that differs from $q$ by $d$, summed over the classes, pays at least
    $d^{2}/2$. So KL cannot vanish unless $p=q$. A search confirms it: gradient descent from random
    scores, for random $q$ without very rare classes, ends at $p=q$ every time.
    """
    s, q = sample.s, sample.q
    kl = values("soft_target_kl", s, q)
    yield Relation(r"$0\leq\text{KL}(q\,\|\,p)$", torch.zeros_like(kl), "<=", kl, sample.size)
    lower = pinsker(q, quantities.softmax(s))
    yield Relation(
        r"$\frac{1}{2}\left(\sum_k\mid q_k-p_k\mid\right)^{2}\leq\text{KL}(q\,\|\,p)$",
        lower, "<=", kl, sample.size,
    )  # fmt: skip
    itself = values("soft_target_kl", q.log().clamp_min(-FAR), q)
    yield Relation("KL is 0 at $p=q$", itself, "==", torch.zeros_like(kl))
    goal = 0.5 * sample.q[:SEARCHES] + 0.5 / sample.k
    g = torch.Generator().manual_seed(sample.k)
    start = torch.randn(goal.shape, generator=g).double()
    ends = descend(lambda s: values("soft_target_kl", s, goal), start)[-1]
    yield Relation(
        "a search for the smallest KL ends at $p=q$",
        quantities.softmax(ends), "==", goal, tolerance=1e-9,
    )  # fmt: skip


@statement(
    "Soft cross-entropy is KL plus the entropy of the target",
    r"-\sum_k q_k\log\,p_k=\text{KL}(q\,\|\,p)+\text{H}(q),\qquad \text{H}(q)=-\sum_k q_k\log\,q_k",
)
def cross_entropy_minus_entropy(sample: Sample) -> Iterator[Relation]:
    r"""Split the logarithm of the quotient. The entropy does not depend on the model: both losses
    have the same gradient and the same best scores. They differ by a number that no training can
    lower, which is why a learning curve of soft cross-entropy does not go to 0.
    """
    s, q = sample.s, sample.q
    log_p = s - quantities.logsumexp(s)[:, None]
    cross, entropy = -(q * log_p).sum(1), -torch.xlogy(q, q).sum(1)
    kl = values("soft_target_kl", s, q)
    yield Relation(
        r"$-\sum_k q_k\log\,p_k=\text{KL}+\text{H}(q)$", cross, "==", kl + entropy, sample.size
    )


@statement("A one-hot target gives back the log loss", r"\text{KL}(e_y\,\|\,p)=-\log\,p_y")
def one_hot_target(sample: Sample) -> Iterator[Relation]:
    r"""The certain label $e_y$ has entropy 0, and only the term of class $y$ is left of the sum.
    Soft labels extend the log loss; they do not replace it.
    """
    hard = quantities.one_hot(sample.y, sample.k).double()
    yield Relation(
        r"$\text{KL}(e_y\,\|\,p)$ is the log loss",
        values("soft_target_kl", sample.s, hard), "==",
        values("cross_entropy", sample.s, sample.y), sample.size,
    )  # fmt: skip


@statement(
    "Label smoothing is KL to a softened label",
    r"\ell_{\varepsilon}(s,y)=\text{KL}(q_{\varepsilon}\,\|\,p)+\text{H}(q_{\varepsilon}),"
    r"\qquad q_{\varepsilon,k}=(1-\varepsilon)\,e_{y,k}+\frac{\varepsilon}{K}",
)
def smoothing_is_kl(sample: Sample) -> Iterator[Relation]:
    r"""Label smoothing is the cross-entropy to $q_{\varepsilon}$. Its best prediction is
    $p=q_{\varepsilon}$, at finite scores, and costs $\text{H}(q_{\varepsilon})$. Checked for
    $\varepsilon$ = 0, 0.1, 0.5 and 1.
    """
    hard = quantities.one_hot(sample.y, sample.k).double()
    for epsilon in SMOOTHING:
        q = (1 - epsilon) * hard + epsilon / sample.k
        q = q / q.sum(1, keepdim=True)
        entropy = -torch.xlogy(q, q).sum(1)
        yield Relation(
            r"label smoothing $=\text{KL}(q_{\varepsilon}\,\|\,p)+\text{H}(q_{\varepsilon})$",
            values("label_smoothing", sample.s, sample.y, epsilon=epsilon), "==",
            values("soft_target_kl", sample.s, q) + entropy, sample.size,
        )  # fmt: skip
