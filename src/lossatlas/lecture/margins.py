"""Statements about the margin of a sample and its hinge."""

from collections.abc import Iterator

import torch

from lossatlas.lecture.sample import Sample, values
from lossatlas.lecture.statement import Relation, statement
from lossatlas.losses import quantities
from lossatlas.losses.quantities import of_label


@statement("A shift of all scores changes no margin", r"m(s+c,\,y)=m(s,\,y)")
def margin_shift(sample: Sample) -> Iterator[Relation]:
    r"""The margin is $m(s,y)=s_y-\max_{j\neq y}s_j$. The number $c$ enters both terms and cancels.
    The hinge $\max(0,\,1-m)$ is a function of the margin and inherits the invariance, and so does
    the margin of a set of classes. Only differences of scores mean anything.
    """
    s, y, sets, c = sample.s, sample.y, sample.sets, sample.shift
    size = sample.size + c.abs()[:, 0]
    yield Relation(
        r"$m(s+c,y)=m(s,y)$",
        quantities.margin(s + c, y), "==", quantities.margin(s, y), size,
    )  # fmt: skip
    yield Relation(
        r"$m(s+c,S)=m(s,S)$ for a set $S$ of classes",
        quantities.margin(s + c, sets), "==", quantities.margin(s, sets), size,
    )  # fmt: skip
    hinge = values("crammer_singer_hinge", s, y)
    shifted = values("crammer_singer_hinge", s + c, y)
    yield Relation("the hinge of $s+c$ is that of $s$", shifted, "==", hinge, size)


@statement(
    "The hinge bounds the 0-1 loss",
    r"\mathbf{1}[m(s,y)\leq 0]\;\leq\;\max\left(0,\,1-m(s,y)\right)",
)
def hinge_bounds_error(sample: Sample) -> Iterator[Relation]:
    r"""The margin is positive exactly when the label beats every other class; a tie counts as an
    error here. An error has $m\leq 0$ and costs at least 1. The two agree at $m=0$ and from $m=1$
    on; in between the hinge charges for a lead that is too small.
    """
    s, y = sample.s, sample.y
    margin, hinge = quantities.margin(s, y), values("crammer_singer_hinge", s, y)
    beaten = (s < of_label(s, y)[:, None]).sum(1) == sample.k - 1
    yield Relation(
        "$m>0$ exactly when the label beats all others",
        (margin > 0).double(), "==", beaten.double(),
    )  # fmt: skip
    yield Relation(r"0-1 loss $\leq$ hinge", (margin <= 0).double(), "<=", hinge)
    tied = s.scatter(1, y[:, None], (of_label(s, y) - margin)[:, None])
    one = torch.ones_like(margin)
    yield Relation(
        "equal at $m=0$: both are 1",
        values("crammer_singer_hinge", tied, y),
        "==",
        one,
        sample.size,
    )
    far = margin >= 1
    yield Relation(r"equal at $m\geq 1$: both are 0", hinge[far], "==", 0 * hinge[far])
