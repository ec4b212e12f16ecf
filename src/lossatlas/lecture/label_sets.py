"""Statements about labels that are sets: dog or cat, both are right."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lossatlas.lecture.descent import descend
from lossatlas.lecture.sample import CLASSES, FAR, Sample, values
from lossatlas.lecture.statement import Relation, statement
from lossatlas.losses import quantities

STARTS = 200
PETS = torch.tensor([True, True, False, False])  # dog and cat, the first two of four classes


def set_loss(scores: Tensor, sets: Tensor) -> Tensor:
    """-log of the probability that softmax gives to a set: LSE(s) - LSE_S(s), (N,)."""
    inside = scores.masked_fill(~sets, float("-inf"))
    return quantities.logsumexp(scores) - quantities.logsumexp(inside)


def uniform(sets: Tensor) -> Tensor:
    """The distribution (N, K) that gives every class of the set the same share."""
    return sets.double() / sets.sum(1, keepdim=True)


@statement(
    "The hinge of a set asks for one winner inside",
    r"\mathbf{1}[m(s,S)\leq 0]\;\leq\;\max\left(0,\,1-m(s,S)\right)\;\leq\;"
    r"\min_{k\in S}\,\max\left(0,\,1-m(s,k)\right)",
)
def set_hinge(sample: Sample) -> Iterator[Relation]:
    r"""The margin of a set is $m(s,S)=\max_{j\in S}s_j-\max_{j\notin S}s_j$. For a class $k$ of the
    set, the rivals of $k$ include everything outside $S$, so $m(s,k)\leq m(s,S)$: whoever satisfies
    one acceptable label satisfies the set. With one class in the set the two hinges are the same.
    """
    s, sets = sample.s, sample.sets
    margin, hinge = quantities.margin(s, sets), values("set_margin_hinge", s, sets)
    yield Relation(r"error of the set $\leq$ hinge of the set", (margin <= 0).double(), "<=", hinge)
    least = _cheapest("crammer_singer_hinge", s, sets)
    yield Relation("hinge of the set $\\leq$ smallest hinge of its classes", hinge, "<=", least)
    alone = quantities.one_hot(sample.y, sample.k)
    yield Relation(
        "a set of one class: the two hinges agree",
        values("set_margin_hinge", s, alone), "==", values("crammer_singer_hinge", s, sample.y),
    )  # fmt: skip


@statement(
    "The log loss of a set",
    r"-\log\sum_{k\in S}p_k=\text{LSE}(s)-\text{LSE}_S(s)\;\leq\;\min_{k\in S}\,(-\log\,p_k)"
    r"\;\leq\;-\log\sum_{k\in S}p_k+\log|S|",
)
def set_log_loss(sample: Sample) -> Iterator[Relation]:
    r"""Smooth both maxima of the set's margin, and its log loss appears: $\text{LSE}_S$ sums over
    the classes in $S$ only. The probability of a set is at least that of its likeliest class, and
    at most $|S|$ times that. The first bound is attained when one class of the set has all its
    mass, the second when the classes of the set tie.
    """
    s, sets = sample.s, sample.sets
    loss, count = set_loss(s, sets), sets.sum(1).double()
    p = quantities.softmax(s)
    yield Relation(
        r"$-\log\sum_{k\in S}p_k=\text{LSE}(s)-\text{LSE}_S(s)$",
        -(p * sets).sum(1).log(), "==", loss, sample.size,
    )  # fmt: skip
    best = _cheapest("cross_entropy", s, sets)
    yield Relation("loss of the set $\\leq$ smallest log loss in it", loss, "<=", best, sample.size)
    yield Relation(
        r"smallest log loss $\leq$ loss of the set $+\log\mid S\mid$",
        best, "<=", loss + count.log(), sample.size,
    )  # fmt: skip
    tied = torch.where(sets, s.amax(1, keepdim=True), s)
    yield Relation(
        "a tie inside the set attains the second bound",
        _cheapest("cross_entropy", tied, sets), "==",
        set_loss(tied, sets) + count.log(), sample.size,
    )  # fmt: skip
    others = sets & ~quantities.one_hot(sample.y, sample.k)
    single = torch.where(others, s - FAR, s)
    yield Relation(
        "one class alone attains the first",
        _cheapest("cross_entropy", single, sets), "==", set_loss(single, sets), sample.size,
    )  # fmt: skip


@statement(
    "Soft target and set differ by how the set is shared out",
    r"\text{KL}(u_S\,\|\,p)=-\log\sum_{k\in S}p_k+\text{KL}\left(u_S\,\|\,p(\cdot\mid S)\right),"
    r"\qquad -\sum_k u_{S,k}\log\,p_k\;\geq\;-\log\sum_{k\in S}p_k+\log|S|",
)
def soft_target_and_set(sample: Sample) -> Iterator[Relation]:
    r"""Let $u_S$ give each class of $S$ the same share. The soft target charges twice: for mass
    outside the set, as the set's loss does, and for mass inside that is not shared evenly, by
    the KL to $p(\cdot\mid S)$, the softmax of the scores in $S$ alone. The inequality on the right
    drops the second charge (and adds the entropy $\log|S|$ of $u_S$). Equality: the classes of the
    set have equal scores.
    """
    s, sets = sample.s, sample.sets
    u, count = uniform(sets), sets.sum(1).double()
    soft, loss = values("soft_target_kl", s, u), set_loss(s, sets)
    inside = s.masked_fill(~sets, float("-inf"))
    log_share = torch.where(sets, s - quantities.logsumexp(inside)[:, None], 0.0)
    within = -count.log() - (u * log_share).sum(1)
    yield Relation(
        r"$\text{KL}(u_S\,\|\,p)=$ loss of the set $+\,\text{KL}(u_S\,\|\,p(\cdot\mid S))$",
        soft, "==", loss + within, sample.size,
    )  # fmt: skip
    cross = -(u * (s - quantities.logsumexp(s)[:, None])).sum(1)
    yield Relation(
        r"loss of the set $+\log\mid S\mid\;\leq$ soft cross-entropy",
        loss + count.log(), "<=", cross, sample.size,
    )  # fmt: skip
    tied = torch.where(sets, s.amax(1, keepdim=True), s)
    yield Relation(
        "equal scores in the set attain equality",
        values("soft_target_kl", tied, u), "==", set_loss(tied, sets), sample.size,
    )  # fmt: skip


@statement(
    "The set is content anywhere on an edge, the soft target at one point",
    r"p=(a,\,1-a,\,0,\,0):\qquad -\log\sum_{k\in S}p_k=0,\qquad "
    r"\text{KL}(u_S\,\|\,p)=\frac{1}{2}\log\frac{1}{4a(1-a)}",
)
def flat_or_unique(sample: Sample) -> Iterator[Relation]:
    r"""Dog and cat are the first two of four classes, and both are right. Every split of the mass
    between them minimises the set's loss: it does not say how sure the model should be of a dog.
    The soft target has one minimiser, $a=\frac{1}{2}$. Gradient descent from the same random scores
    shows it: with the soft target all runs end at the same $p$; with the set's log loss or its
    hinge the pet that led at the start still leads at the end.
    """
    if sample.k != CLASSES[0]:
        return  # the classes are four whatever the sample has: once is enough
    a = quantities.softmax(sample.s[:, :2])
    far = torch.full_like(a, -FAR)
    s = torch.cat([a.log(), far], 1)
    sets = PETS.expand(len(s), 4)
    zero = torch.zeros(len(s), dtype=torch.float64)
    yield Relation("the loss of the set is 0 for every $a$", set_loss(s, sets), "==", zero)
    yield Relation(
        r"KL to the soft target is $\frac{1}{2}\log\frac{1}{4a(1-a)}$",
        values("soft_target_kl", s, uniform(sets)), "==",
        -(torch.log(2 * a).sum(1)) / 2, sample.size,
    )  # fmt: skip
    g = torch.Generator().manual_seed(sample.k)
    start = 2 * torch.randn(STARTS, 4, generator=g).double()
    some = PETS.expand(STARTS, 4)
    soft = quantities.softmax(
        descend(lambda s: values("soft_target_kl", s, uniform(some)), start)[-1]
    )
    log_set = quantities.softmax(descend(lambda s: set_loss(s, some), start)[-1])
    hinge = descend(lambda s: values("set_margin_hinge", s, some), start, rate=0.1)[-1]
    yield Relation(
        r"descent on KL ends with a share of $\frac{1}{2}$ for dog",
        _share_of_dog(soft), "==", torch.tensor(0.5).double(), tolerance=1e-6,
    )  # fmt: skip
    yield Relation(
        "descent on the set's log loss ends with at least 99 % of the mass in the set",
        1 - log_set[:, :2].sum(1), "<=", torch.tensor(0.01).double(),
    )  # fmt: skip
    yield Relation(
        "the set's hinge is 0 after descent",
        values("set_margin_hinge", hinge, some), "==", torch.tensor(0.0).double(),
    )  # fmt: skip
    for name, p in (("log loss", log_set), ("hinge", quantities.softmax(hinge))):
        share = _share_of_dog(p)
        yield Relation(
            f"shares of dog after descent on the set's {name} still range over more than a half",
            torch.tensor([0.5]).double(), "<=", (share.max() - share.min())[None],
        )  # fmt: skip
        yield Relation(
            f"the pet that led at the start leads after descent on the set's {name}",
            (share > 0.5).double(), "==", (start[:, 0] > start[:, 1]).double(),
        )  # fmt: skip


def _share_of_dog(p: Tensor) -> Tensor:
    return p[:, 0] / p[:, :2].sum(1)


def _cheapest(loss: str, scores: Tensor, sets: Tensor) -> Tensor:
    """The smallest value (N,) of a loss among the classes of each set."""
    n, classes = scores.shape
    each = [values(loss, scores, torch.full((n,), k)) for k in range(classes)]
    return torch.stack(each, 1).masked_fill(~sets, float("inf")).amin(1)
