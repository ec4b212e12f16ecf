"""Defects that other libraries of losses have, or had, by number: ours gives what is right.

B1 to B20 are wrong values and gradients, N1 to N20 gradients that are NaN, infinite or dead. A row
says what went wrong elsewhere and names a loss of ours, an input on which the defect shows, and the
right value, by mathematics: a closed form, or the formula in 150 digits. The defect stands beside
it, in our own words, and must be caught by the same check; so no row can pass for nothing.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mpmath import acos, cos, exp, log, mpf, sqrt, workdps
from torch import Tensor, nn

from lossatlas.losses import registry
from lossatlas.losses.registry import get_loss

DIGITS, STEP = 150, mpf(10) ** -50

# What has no like among our losses: the names they go by elsewhere, and why.
ABSENT = {
    "B16": (
        ("affinity_field", "adaptive_affinity_field"),
        "compares neighbouring pixels; its fault, a divergence of probabilities in the place of "
        "their logarithms, is tried on soft_target_kl and js_divergence",
    ),
    "B17": (
        ("angular", "ndcg", "rank_net", "lambda_rank", "tukey", "cauchy", "welsch", "fair"),
        "constants under the names of losses; of these names ours are arcface and cosface",
    ),
    "N9": (("log_cosh", "logcosh"), "regression, and every loss here is of classes or of views"),
    "N14": (("swav",), "Sinkhorn's exponentials; no clustering loss is in the atlas"),
    "N20": (
        ("sigreg", "lejepa"),
        "gradients gathered from several processes; no loss here gathers, which a test reads off "
        "their files (barlow_twins among them)",
    ),
}


@dataclass(frozen=True)
class Row:
    """A defect, and the value that our loss has where it shows.

    Attributes:
        wrong: what went wrong elsewhere.
        right: the reduced loss of inputs and target, as nested lists of 150-digit numbers (for
            reduction "none" the list of values); with `owned`, of that parameter too.
        defect: the loss with the defect, of tensors.
        slope: its gradient in the inputs; by default the derivative of `right`. "finite": the
            function has no derivative there, and any number will do.
        every_label: the one row of inputs is meant once for each label.
        owned: a parameter of the loss, in which the gradient is taken as well.
        tolerance: of the gradient's entries, relative to the largest and absolute; also of the
            value, which for narrow inputs is held to 1e-5, as it is computed in float32.
        parameters: what those of the loss are set to.
        given: keyword arguments of the call.
    """

    number: str
    wrong: str
    loss: str
    inputs: Any
    target: Any
    right: Callable[..., Any]
    defect: Callable[..., Tensor]
    dtype: torch.dtype = torch.float64
    reduction: str = "mean"
    slope: Any = None
    every_label: bool = False
    owned: str = ""
    tolerance: float = 1e-9
    facts: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Tensor] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)


# The mathematics, in 150 digits.


def log_p(s: list[mpf]) -> list[mpf]:
    total = log(sum(exp(x - max(s)) for x in s)) + max(s)
    return [x - total for x in s]


def p(s: list[mpf]) -> list[mpf]:
    return [exp(x) for x in log_p(s)]


def mean(values: Any) -> mpf:
    values = list(values)
    return sum(values) / len(values)


def samples(f: Callable[[list[mpf], Any], mpf]) -> Callable[..., mpf]:
    """The mean over samples of f(scores, label)."""
    return lambda s, y: mean(f(row, label) for row, label in zip(s, y, strict=True))


def each(f: Callable[[list[mpf], Any], mpf]) -> Callable[..., list[mpf]]:
    return lambda s, y: [f(row, label) for row, label in zip(s, y, strict=True)]


def ce(s: list[mpf], y: int) -> mpf:
    return -log_p(s)[y]


def focal(gamma: float) -> Callable[[list[mpf], int], mpf]:
    return lambda s, y: -((1 - p(s)[y]) ** mpf(gamma)) * log_p(s)[y]


def nfl(gamma: float) -> Callable[[list[mpf], int], mpf]:
    f = focal(gamma)
    return lambda s, y: f(s, y) / sum(f(s, k) for k in range(len(s)))


def smoothed(eps: float) -> Callable[[list[mpf], int], mpf]:
    return lambda s, y: (1 - mpf(eps)) * ce(s, y) + mpf(eps) * mean(ce(s, k) for k in range(len(s)))


def kl(q: list[mpf], logs: list[mpf]) -> mpf:
    return sum(a * (log(a) - b) for a, b in zip(q, logs, strict=True) if a > 0)


def js(w: float) -> Callable[[list[mpf], int], mpf]:
    def f(s: list[mpf], y: int) -> mpf:
        e = [mpf(k == y) for k in range(len(s))]
        m = [w * a + (1 - w) * b for a, b in zip(e, p(s), strict=True)]
        logs = [log(x) for x in m]
        return (w * kl(e, logs) + (1 - w) * kl(p(s), logs)) / -((1 - w) * log(1 - mpf(w)))

    return f


def cosine(a: list[mpf], b: list[mpf]) -> mpf:
    lengths = sqrt(sum(x * x for x in a)) * sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else mpf(0)


def contrastive(temperature: float, positives: Callable[[int, int, Any, int], bool]) -> Any:
    """The mean over 2N anchors of the mean over positives of their log loss; cosines over T."""

    def f(z: Any, y: Any) -> mpf:
        flat, n = z[0] + z[1], len(z[0])
        values = []
        for i in range(2 * n):
            others = [j for j in range(2 * n) if j != i]
            logs = log_p([cosine(flat[i], flat[j]) / mpf(temperature) for j in others])
            right = [a for a, j in zip(logs, others, strict=True) if positives(i, j, y, n)]
            values.append(-mean(right))
        return mean(values)

    return f


def nt_xent(temperature: float) -> Any:
    return contrastive(temperature, lambda i, j, y, n: j == (i + n) % (2 * n))


def supcon(temperature: float) -> Any:
    return contrastive(temperature, lambda i, j, y, n: y[i % n] == y[j % n])


def angular(scale: float, move: Callable[[mpf], mpf]) -> Callable[[list[mpf], int], mpf]:
    """The log loss of scaled cosines, with that of the label moved."""
    return lambda c, y: ce([scale * (move(x) if k == y else x) for k, x in enumerate(c)], y)


def confidences(s: Any, y: Any) -> list[tuple[mpf, int]]:
    return [(max(p(r)), int(r.index(max(r)) == k)) for r, k in zip(s, y, strict=True)]


def mmce(s: Any, y: Any) -> mpf:
    """Cross-entropy and twice the root of the mean over pairs of Kumar et al. (2018)."""
    c = confidences(s, y)
    pairs = ((a - r) * (b - q) * exp(-abs(r - q) / mpf(0.4)) for r, a in c for q, b in c)
    return samples(ce)(s, y) + 2 * sqrt(sum(pairs)) / len(c)


def mmce_weighted(s: Any, y: Any) -> mpf:
    c = confidences(s, y)
    m, n = sum(a for _, a in c), sum(1 - a for _, a in c)
    w = [((1 - r) / m if a else -r / n, r) for r, a in c]
    pairs = (a * b * exp(-abs(r - q) / mpf(0.4)) for a, r in w for b, q in w)
    return samples(ce)(s, y) + 2 * sqrt(sum(pairs))


def anchored(proxies: Tensor) -> Any:
    """Proxy-Anchor of the proxies, scale 32 and margin 0.1."""

    def f(z: Any, y: Any) -> mpf:
        w = [[mpf(x) for x in row] for row in proxies.tolist()]
        here = sorted(set(y))
        pull, push = [], []
        for k, proxy in enumerate(w):
            c = [(cosine(x, proxy), label == k) for x, label in zip(z[0], y, strict=True)]
            pull.append(log(1 + sum(exp(-32 * (x - mpf(0.1))) for x, own in c if own)))
            push.append(log(1 + sum(exp(32 * (x + mpf(0.1))) for x, own in c if not own)))
        return sum(pull[k] for k in here) / len(here) + mean(push)

    return f


# The defects, in our own words.


def lp(s: Tensor, y: Tensor) -> Tensor:
    return torch.log_softmax(s, 1).gather(1, y[:, None]).squeeze(1)


def naive_focal(gamma: float, *, detach: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    def f(s: Tensor, y: Tensor) -> Tensor:
        weight = (1 - lp(s, y).exp()) ** gamma
        return -(weight.detach() if detach else weight) * lp(s, y)

    return f


def similarities(z: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """exp of cosines over T without maximum, of (2N, 2N); who is an anchor itself; its partner."""
    x = F.normalize(z.flatten(0, 1), dim=1)
    itself = torch.eye(len(x), dtype=torch.bool)
    return (x @ x.T / temperature).exp(), itself, itself.roll(z.shape[1], 1)


def ratio(z: Tensor, temperature: float, tiny: float = 0.0) -> Tensor:
    """The share of the partner among all others, by plain sums of exponentials, (2N,)."""
    e, itself, partner = similarities(z, temperature)
    return (e * partner).sum(1) / e.masked_fill(itself, 0).sum(1) + tiny


def log_out(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    """What SupCon's anchors pay, (2N,): the mean over their positives, outside the logarithm."""
    e, itself, _ = similarities(z, temperature)
    y = y.repeat(2)
    positive = (y[:, None] == y) & ~itself
    logs = (e / e.masked_fill(itself, 0).sum(1, keepdim=True)).log()
    return -torch.where(positive, logs, 0.0).sum(1) / positive.sum(1)


def log_in(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    e, itself, _ = similarities(z, temperature)
    y = y.repeat(2)
    positive = (y[:, None] == y) & ~itself
    return -((e * positive).sum(1) / positive.sum(1) / e.masked_fill(itself, 0).sum(1)).log()


def others_only(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    """SupCon of view 1 alone, where a class with one image has no positive."""
    x = F.normalize(z[0], dim=1)
    itself = torch.eye(len(x), dtype=torch.bool)
    logs = torch.log_softmax((x @ x.T / temperature).masked_fill(itself, -torch.inf), 1)
    positive = (y[:, None] == y) & ~itself
    return (-torch.where(positive, logs, 0.0).sum(1) / positive.sum(1)).mean()


def kernel(s: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Confidence r, whether the sample is right, and the kernel of MMCE."""
    r, guess = torch.softmax(s, 1).max(1)
    return r, guess == y, (-(r[:, None] - r).abs() / 0.4).exp()


def squared_mmce(s: Tensor, y: Tensor) -> Tensor:
    r, right, k = kernel(s, y)
    gap = right.to(r) - r
    return F.cross_entropy(s, y) + 2 * (gap[:, None] * gap * k).mean()


def mmce_averaged_twice(s: Tensor, y: Tensor) -> Tensor:
    r, right, k = kernel(s, y)
    size = torch.where(right, right.sum(), (~right).sum())
    w = torch.where(right, 1 - r, -r) / size**2
    return F.cross_entropy(s, y) + 2 * (w[:, None] * w * k).sum().sqrt()


def turned(scale: float, turn: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A margin put on acos of the label's cosine."""

    def f(c: Tensor, y: Tensor) -> Tensor:
        label = F.one_hot(y, c.shape[1]).bool()
        return F.cross_entropy(scale * torch.where(label, turn(c.acos()), c), y)

    return f


S = [[1.2, -0.4, 0.3, 0.0], [0.1, 0.9, -1.5, 0.7], [-0.6, 0.2, 1.1, -2.0]]
Y = [2, 1, 0]
SURE = [[20.0, 0.0, -1.0], [100.0, 0.0, 1.0], [-1.0, 0.0, 100.0]]  # of labels 0, 0, 2
TEN = [[0.3, -1.2, 2.2, 0.0, 0.7, -0.5, 1.9, -2.4, 0.1, 1.0]]
COSINES = [[0.7, 0.1, -0.3], [0.2, -0.4, 0.5]]
Z = [[[1.0, 0.2], [-0.3, 1.1], [0.5, -0.9]], [[0.8, 0.4], [0.1, 1.3], [0.9, -0.2]]]
OPPOSED = [[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.1], [0.1, -1.0]]]  # each far from its partner
SAME = [[[0.6, 0.8]] * 3] * 2
PAIRED = [[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]]]
Q = [[0.2, 0.5, 0.3, 0.0], [0.0, 0.0, 1.0, 0.0]]
COUNTS = {"class_counts": [50.0, 20.0, 10.0, 5.0]}
PROXIES = torch.tensor([[1.0, 0.3], [-0.4, 1.0], [-0.8, -0.9]], dtype=torch.float64)
FAR = torch.tensor([[-1000.0, -1000.0, -1008.0]]).bfloat16().tolist()


def rarity(s: list[mpf], y: int) -> mpf:
    w = [1 / mpf(n) for n in COUNTS["class_counts"]]
    return len(w) * w[y] / sum(w) * ce(s, y)


def weighted(s: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(s, y, weight=1 / torch.tensor(COUNTS["class_counts"]).to(s))


def summed_to_four(s: Tensor, y: Tensor) -> Tensor:
    """Reverse cross-entropy, "divided" as 1 / 4 * (K - 1)."""
    return (4 * (1 - lp(s, y).exp()) / 4 * (s.shape[1] - 1)).sum()


DEFECTS = [
    # B: wrong values, wrong gradients.
    Row(
        "B1",
        "(1 - p)^gamma is detached, so that the gradient is not that of the value",
        "focal(gamma=2)",
        S,
        Y,
        samples(focal(2)),
        lambda s, y: naive_focal(2, detach=True)(s, y).mean(),
    ),
    Row(
        "B1",
        "the same in the normalised focal loss, above and below",
        "nfl(gamma=0.5)",
        S,
        Y,
        samples(nfl(0.5)),
        lambda s, y: (
            naive_focal(0.5, detach=True)(s, y)
            / sum(naive_focal(0.5, detach=True)(s, torch.full_like(y, k)) for k in range(4))
        ).mean(),
    ),
    Row(
        "B2",
        "1 / 4 * (K - 1) for 1 / (4 (K - 1)): a normalised loss sums to 1 over the labels",
        "0.0625 * rce",
        [[0.4, -1.0, 2.0, 0.3, 0.0]],
        [0, 1, 2, 3, 4],
        lambda s, y: mpf(1),
        summed_to_four,
        reduction="sum",
        every_label=True,
    ),
    Row(
        "B3",
        "log(1e-4) = -9.21 in the place of the paper's A = -4",
        "rce",
        S,
        Y,
        samples(lambda s, y: 4 * (1 - p(s)[y])),
        lambda s, y: -math.log(1e-4) * (1 - lp(s, y).exp()).mean(),
    ),
    Row(
        "B3",
        "the same in symmetric cross-entropy",
        "sce",
        S,
        Y,
        samples(lambda s, y: mpf(0.1) * ce(s, y) + 4 * (1 - p(s)[y])),
        lambda s, y: (-0.1 * lp(s, y) - math.log(1e-4) * (1 - lp(s, y).exp())).mean(),
    ),
    Row(
        "B4",
        "the 2 of |p - e_y| = 2 (1 - p_y) is dropped: over the labels it sums to 2 (K - 1)",
        "mae",
        [[0.4, -1.0, 2.0, 0.3, 0.0]],
        [0, 1, 2, 3, 4],
        lambda s, y: mpf(8),
        lambda s, y: (1 - lp(s, y).exp()).sum(),
        reduction="sum",
        every_label=True,
    ),
    Row(
        "B5",
        "a weight of the focal loss enters its exponent, p = exp(-w CE)",
        "focal(gamma=2)",
        S,
        Y,
        lambda s, y: mean(w * focal(2)(r, k) for r, k, w in zip(s, y, (3, 1, 0.5), strict=True)),
        lambda s, y: (lambda cost: ((1 - (-cost).exp()) ** 2 * cost).mean())(
            -lp(s, y) * torch.tensor([3.0, 1.0, 0.5])
        ),
        given={"weight": torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)},
    ),
    Row(
        "B6",
        "the batch's mean cross-entropy is added to each sample's penalty, shape (N, 1)",
        "max_suppression",
        S,
        Y,
        each(lambda s, y: ce(s, y) + (mpf(0.1) + mpf(0.2 - 0.1) / 2) * (max(s) - mean(s))),
        lambda s, y: F.cross_entropy(s, y) + 0.15 * (s.amax(1) - s.mean(1)),
        reduction="none",
        given={"progress": 0.5},
    ),
    Row(
        "B7",
        "mean divides by N K, not by N",
        "focal(gamma=2)",
        S,
        Y,
        samples(focal(2)),
        lambda s, y: naive_focal(2)(s, y).mean() / s.shape[1],
    ),
    Row(
        "B8",
        "sum gives the mean",
        "focal(gamma=2)",
        S,
        Y,
        lambda s, y: len(y) * samples(focal(2))(s, y),
        lambda s, y: naive_focal(2)(s, y).mean(),
        reduction="sum",
    ),
    Row(
        "B9",
        "one against the rest by sigmoids, under the name of the softmax loss: gamma = 0 is CE",
        "focal(gamma=0)",
        S,
        Y,
        samples(ce),
        lambda s, y: F.binary_cross_entropy_with_logits(s, F.one_hot(y, 4).to(s)),
    ),
    Row(
        "B10",
        "anchors whose value has reached 0 leave the mean",
        "supcon_out(temperature=0.01)",
        PAIRED,
        [0, 1, 0],
        supcon(0.01),
        lambda z, y: (lambda v: v.sum() / (v > 0).sum())(log_out(z, y, 0.01)),
    ),
    Row(
        "B11",
        "an anchor with no other of its class: 0, dropped or infinite; here its partner is one",
        "supcon_out",
        Z,
        [0, 1, 2],
        nt_xent(0.1),
        lambda z, y: others_only(z, y, 0.1),
    ),
    Row(
        "B12",
        "the sum over positives stands inside the logarithm (L_in under the name of L_out)",
        "supcon_out",
        Z,
        [0, 1, 0],
        supcon(0.1),
        lambda z, y: log_in(z, y, 0.1).mean(),
    ),
    Row(
        "B13",
        "multiplied by temperature / 0.07: equal vectors must give log(2N - 1)",
        "supcon_out(temperature=0.5)",
        SAME,
        [0, 1, 0],
        lambda z, y: log(mpf(5)),
        lambda z, y: 0.5 / 0.07 * log_out(z, y, 0.5).mean(),
        slope=[[[0.0, 0.0]] * 3] * 2,
    ),
    Row(
        "B14",
        "MMCE squared: the paper adds the root",
        "mmce",
        S,
        Y,
        mmce,
        squared_mmce,
    ),
    Row(
        "B14",
        "the weighted form averages and divides by the squared count",
        "mmce_weighted",
        [*S, [0.0, 0.3, 0.1, 2.0]],
        [*Y, 3],
        mmce_weighted,
        mmce_averaged_twice,
    ),
    Row(
        "B15",
        "eps is spread over the K - 1 wrong classes: 0.90 and 0.0111 for 0.91 and 0.01",
        "label_smoothing",
        TEN,
        [6],
        samples(smoothed(0.1)),
        lambda s, y: -(0.9 - 0.1 / 9) * lp(s, y).mean() - 0.1 / 9 * torch.log_softmax(s, 1).sum(),
    ),
    Row(
        "B15",
        "the row of the target sums to 0.99",
        "asl_single_label(gamma_pos=0, gamma_neg=0)",
        TEN,
        [6],
        samples(smoothed(0.1)),
        lambda s, y: -0.89 * lp(s, y).mean() - 0.01 * torch.log_softmax(s, 1).sum(),
    ),
    Row(
        "B16",
        "a divergence with probabilities where their logarithms belong",
        "soft_target_kl",
        S[:2],
        Q,
        samples(lambda s, q: kl(q, log_p(s))),
        lambda s, q: (q * (q - torch.softmax(s, 1))).sum(1).mean(),
    ),
    Row(
        "B16",
        "at equality it must be 0, and flat",
        "soft_target_kl",
        [[math.log(0.2), math.log(0.5), math.log(0.3)]],
        [[0.2, 0.5, 0.3]],
        lambda s, q: mpf(0),
        lambda s, q: (q * torch.softmax(s, 1)).sum(),
        slope=[[0.0, 0.0, 0.0]],
    ),
    Row(
        "B16",
        "the same of Jensen and Shannon's",
        "js_divergence",
        S,
        Y,
        samples(js(0.7)),
        lambda s, y: (F.one_hot(y, 4) - torch.softmax(s, 1)).square().sum(1).mean(),
    ),
    Row(
        "B17",
        "a constant 0 without a gradient, under the name of a loss",
        "arcface",
        COSINES,
        [0, 2],
        samples(angular(64, lambda c: cos(acos(c) + mpf(0.5)))),
        lambda s, y: torch.tensor(0.0),
    ),
    Row(
        "B17",
        "the same",
        "cosface",
        COSINES,
        [0, 2],
        samples(angular(64, lambda c: c - mpf(0.35))),
        lambda s, y: torch.tensor(0.0),
    ),
    Row(
        "B18",
        "a learned scalar gets no gradient",
        "normface",
        COSINES,
        [0, 2],
        lambda c, y, scale: samples(lambda r, k: ce([scale[0] * x for x in r], k))(c, y),
        lambda c, y, scale: F.cross_entropy(scale.detach() * c, y),
        owned="learned_scale",
    ),
    Row(
        "B19",
        "mean divides by the sum of the weights for indices, by N for probabilities; ours by N",
        "weighted_cross_entropy",
        S,
        Y,
        samples(rarity),
        weighted,
        facts=COUNTS,
    ),
    Row(
        "B20",
        "the weight of a loss has no effect",
        "0.25 * label_smoothing",
        TEN,
        [6],
        lambda s, y: samples(smoothed(0.1))(s, y) / 4,
        lambda s, y: F.cross_entropy(s, y, label_smoothing=0.1),
    ),
    # N: gradients that are NaN, infinite or dead.
    *(
        Row(
            "N1",
            "(1 - p)^gamma with gamma < 1 where p rounds to 1: NaN, 0 times infinity",
            name,
            SURE,
            [0, 0, 2],
            samples(right),
            lambda s, y: naive_focal(0.5)(s, y).mean(),
            dtype=dtype,
            tolerance=tolerance,
        )
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5))
        for name, right in (
            ("focal(gamma=0.5)", focal(0.5)),
            ("nfl(gamma=0.5)", nfl(0.5)),
            ("focal_flsd53(gamma_low=0.5, gamma_high=0.5)", focal(0.5)),
            ("asl_single_label(gamma_pos=0.5, gamma_neg=0, eps=0)", focal(0.5)),
        )
    ),
    Row(
        "N2",
        "log(share + tiny): the value stops at 87.3, and the gradient dies",
        "nt_xent(temperature=0.01)",
        OPPOSED,
        [0, 1],
        nt_xent(0.01),
        lambda z, y: -ratio(z, 0.01, torch.finfo(torch.float32).tiny).log().mean(),
    ),
    Row(
        "N2",
        "the same with the labels' positives",
        "supcon_out(temperature=0.01)",
        OPPOSED,
        [0, 1],
        supcon(0.01),
        lambda z, y: -ratio(z, 0.01, torch.finfo(torch.float32).tiny).log().mean(),
    ),
    Row(
        "N3",
        "exponentials without their maximum taken out: NaN at a small temperature",
        "nt_xent(temperature=0.01)",
        PAIRED,
        [0, 1, 2],
        nt_xent(0.01),
        lambda z, y: -ratio(z, 0.01).log().mean(),
        dtype=torch.float32,
        tolerance=1e-4,
    ),
    Row(
        "N4",
        "a feature along its class's weight: the slope of acos is infinite there, times 0 is NaN",
        "arcface(scale=8)",
        [[1.0, 0.5, -0.2]],
        [0],
        samples(angular(8, lambda c: cos(acos(c) + mpf(0.5)))),
        turned(8, lambda t: (t + 0.5).cos()),
        # The slope at the end is taken to be that of c cos m.
        slope=lambda c, y: [
            [
                8 * (q - (k == 0)) * (cos(mpf(0.5)) if k == 0 else 1)
                for k, q in enumerate(p([8 * cos(mpf(0.5)), mpf(4), 8 * c[0][2]]))
            ]
        ],
    ),
    Row(
        "N4",
        "the same where the label's angle is multiplied",
        "sphereface(m=4, lam=0)",
        [[1.0, 0.5, -0.2]],
        [0],
        samples(angular(5, lambda c: 8 * c**4 - 8 * c**2 + 1)),
        turned(5, lambda t: (4 * t).cos()),
        given={"features": torch.tensor([[3.0, 4.0]], dtype=torch.float64)},
    ),
    Row(
        "N5",
        "eps = 1e-8 inside a logarithm is 0 in half precision: infinite",
        "asl_single_label(gamma_pos=0, gamma_neg=0, eps=0.1)",
        [[20.0, -20.0, 0.0], [-12.0, 20.0, 12.0]],
        [1, 0],
        samples(smoothed(0.1)),
        lambda s, y: F.nll_loss((torch.softmax(s, 1) + 1e-8).log(), y),
        dtype=torch.float16,
        tolerance=2e-3,
    ),
    Row(
        "N7",
        "negative learning as a cross-entropy whose targets are all ignored: NaN",
        "negative_learning_nlnl",
        S,
        Y,
        samples(lambda s, y: -sum(log(1 - q) for k, q in enumerate(p(s)) if k != y) / (len(s) - 1)),
        lambda s, y: F.cross_entropy(s, torch.full_like(y, -100)),
        given={"randomness": torch.Generator()},
    ),
    Row(
        "N10",
        "a class that is masked out, score -infinity and target 0: NaN, 0 times infinity",
        "soft_target_kl",
        [[1.0, -math.inf, 0.3]],
        [[0.7, 0.0, 0.3]],
        samples(lambda s, q: kl(q, log_p(s))),
        lambda s, q: F.cross_entropy(s, q),
    ),
    Row(
        "N11",
        "0 log 0 of a target is NaN",
        "soft_target_kl",
        S[:2],
        Q,
        samples(lambda s, q: kl(q, log_p(s))),
        lambda s, q: (q * (q.log() - torch.log_softmax(s, 1))).sum(1).mean(),
    ),
    Row(
        "N11",
        "the cosine of the zero vector is NaN",
        "cosine_loss",
        [[0.0, 0.0, 0.0]],
        [1],
        lambda s, y: mpf(1),
        lambda s, y: 1 - (s / s.norm(dim=1, keepdim=True)).gather(1, y[:, None]).mean(),
        slope="finite",
    ),
    Row(
        "N11",
        "the same among views",
        "nt_xent",
        [[[0.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.0, 0.0]]],
        [0, 1],
        nt_xent(0.5),
        lambda z, y: -ratio(z / z.norm(dim=2, keepdim=True), 0.5).log().mean(),
        slope="finite",
    ),
    *(
        Row(
            "N12",
            "scores near -1000 in bfloat16: NaN, or a value below 0",
            name,
            FAR,
            [1],
            lambda s, y, value=value: mpf(value),
            lambda s, y: (s.gather(1, y[:, None]) - s.logsumexp(1, keepdim=True)).sum(),
            dtype=torch.bfloat16,
            slope=[[0.5, -0.5, 0.0]],
            tolerance=8e-3,
        )
        # Both scores ahead get 1/2. H(p) = sum_k (p_k - p_k^alpha) / (alpha (alpha - 1)).
        for name, value in (
            ("sparsemax_loss", 1 / 4),
            ("entmax15_loss", (1 - 2 * 0.5**1.5) / 0.75),
            ("entmax_loss(alpha=1.25)", (1 - 2 * 0.5**1.25) / 0.3125),
        )
    ),
    *(
        Row(
            "N15",
            f"{what}: 0, NaN or an index out of bounds",
            "proxy_anchor",
            [z],
            y,
            anchored(PROXIES),
            lambda z, y: torch.tensor(0.0),
            facts={"num_classes": 3, "feature_dim": 2},
            parameters={"proxies": PROXIES},
            slope=slope,
        )
        for what, z, y, slope in (
            ("a batch of one class", Z[0], [1, 1, 1], None),
            ("a batch of one sample", Z[0][:1], [2], None),
            ("zero vectors", [[0.0, 0.0], [0.0, 0.0]], [0, 1], "finite"),
        )
    ),
    Row(
        "N15",
        "pairs that are the same vector",
        "supcon_out",
        SAME,
        [0, 0, 1],
        lambda z, y: log(mpf(5)),
        lambda z, y: torch.tensor(0.0),
        slope=[[[0.0, 0.0]] * 3] * 2,
    ),
    *(
        Row(
            "N16",
            "a bfloat16 batch is refused for want of a kernel, or rounded at each step",
            name,
            Z,
            [0, 1, 0],
            right,
            lambda z, y, wrong=wrong: wrong(z, y).mean(),
            dtype=torch.bfloat16,
            tolerance=8e-3,
        )
        for name, right, wrong in (
            ("nt_xent(temperature=0.5)", nt_xent(0.5), lambda z, y: -ratio(z, 0.5).log()),
            ("supcon_out(temperature=0.5)", supcon(0.5), lambda z, y: log_out(z, y, 0.5)),
        )
    ),
]


def numbers(x: Any, narrow: Callable[[Any], Any]) -> Any:
    """Nested lists, each number through `narrow`."""
    return [numbers(y, narrow) for y in x] if isinstance(x, list) else narrow(x)


def as_mpf(x: Any) -> Any:
    return x if isinstance(x, int) else mpf(x)


def derivative(f: Callable[[Any], mpf], x: Tensor) -> Tensor:
    """The gradient of f, of nested lists, at x, in 150 digits."""
    flat, slopes = [mpf(v) for v in x.detach().double().flatten().tolist()], []

    def at(i: int, step: mpf) -> mpf:
        moved = iter([v + step if j == i else v for j, v in enumerate(flat)])
        return f(numbers(x.tolist(), lambda _: next(moved)))

    for i in range(len(flat)):
        slopes.append(float((at(i, STEP) - at(i, -STEP)) / (2 * STEP)))
    return torch.tensor(slopes, dtype=torch.float64).reshape(x.shape)


def near(ours: Tensor, right: Any, tolerance: float, what: str) -> None:
    right = torch.as_tensor(right, dtype=torch.float64)
    assert ours.shape == right.shape, f"{what} of shape {tuple(ours.shape)}"
    gap = (ours.detach().double() - right).abs().amax()
    assert gap <= tolerance * max(1.0, float(right.abs().amax())), f"{what}: off by {gap:.3g}"


def check(row: Row, call: Callable[..., Tensor], owned: Tensor | None = None) -> None:
    """Assert that value and gradients of `call` are what the row says is right."""
    x = torch.tensor(row.inputs, dtype=row.dtype).requires_grad_()
    hard = torch.tensor(row.target).dtype == torch.int64
    y = torch.tensor(row.target, dtype=torch.int64 if hard else row.dtype)
    extra = () if owned is None else (owned,)
    found = call(x.expand(len(y), -1) if row.every_label else x, y, *extra)
    narrow = row.dtype in (torch.float16, torch.bfloat16)
    with workdps(DIGITS):
        target = numbers(y.tolist(), as_mpf)
        exact = numbers(x.detach().double().tolist(), mpf)
        own = [] if owned is None else [[mpf(v) for v in owned.detach().reshape(-1).tolist()]]
        right = row.right(exact, target, *own)
        near(found, numbers(right, float), 1e-5 if narrow else row.tolerance, "value")
        assert found.requires_grad, "the value has no gradient"
        slopes = torch.autograd.grad(found.sum(), (x, *extra), allow_unused=True)
        assert all(slope is not None for slope in slopes), "a gradient is missing"
        assert all(slope.isfinite().all() for slope in slopes), "a gradient is not finite"

        def total(*arguments: Any) -> mpf:
            value = row.right(*arguments)
            return sum(value) if isinstance(value, list) else value

        if owned is not None:
            theta = derivative(lambda v: total(exact, target, v), owned.reshape(-1))
            near(slopes[1].reshape(-1), theta, row.tolerance, row.owned)
        if row.slope is None:
            slope = derivative(lambda v: total(v, target, *own), x)
        elif row.slope == "finite":
            return
        else:
            given = row.slope(exact, target) if callable(row.slope) else row.slope
            slope = numbers(given, float)
        near(slopes[0], slope, row.tolerance, "gradient")


def built(row: Row) -> nn.Module:
    loss = get_loss(row.loss, row.reduction).provide(**row.facts).eval()
    for name, value in row.parameters.items():
        getattr(loss, name).data = value
    return loss.double() if row.owned else loss


IDS = [f"{row.number}-{n}" for n, row in enumerate(DEFECTS)]


@pytest.mark.parametrize("row", DEFECTS, ids=IDS)
def test_our_value_and_gradient_are_right(row):
    loss = built(row)
    owned = getattr(loss, row.owned) if row.owned else None
    check(row, lambda x, y, *_: loss(x, y, **row.given), owned)


@pytest.mark.parametrize("row", DEFECTS, ids=IDS)
def test_the_defect_is_caught(row):
    owned = getattr(built(row), row.owned) if row.owned else None
    with pytest.raises(AssertionError):
        check(row, row.defect, owned)


# What a call does around it: a function of the loss, as a module of inputs and target, that
# asserts it; a loss of ours; and a module with the defect.


def keeps_the_mode_of_gradients(loss: Callable[..., Tensor]) -> None:
    """Called without gradients, the loss leaves them off; called with them, on."""
    x, y = torch.tensor(S), torch.tensor(Y)
    with torch.no_grad():
        loss(x, y)
        after = torch.is_grad_enabled()
    loss(x.requires_grad_(), y)
    assert (after, torch.is_grad_enabled()) == (False, True)


def runs_without_gradients(loss: Callable[..., Tensor]) -> None:
    """A network in evaluation gives logits that need no gradient."""
    try:
        with torch.no_grad():
            value = loss(torch.tensor(S), torch.tensor(Y))
    except RuntimeError as error:
        raise AssertionError(error) from error
    assert value.isfinite()


def keeps_the_type_of_its_parameters(loss: nn.Module) -> None:
    """A batch in half precision leaves what the loss owns in float32."""
    x = torch.tensor(COSINES, dtype=torch.float16, requires_grad=True)
    loss(x, torch.tensor([0, 2])).backward()
    assert {parameter.dtype for parameter in loss.parameters()} == {torch.float32}


class TurnsGradientsOn(nn.Module):
    def forward(self, s, y):
        torch.set_grad_enabled(False)
        weight = (1 - lp(s, y).exp()) ** 4
        torch.set_grad_enabled(True)
        return -(weight * lp(s, y)).mean()


class KeepsAGradient(nn.Module):
    def forward(self, s, y):
        norm = s.norm(dim=1)
        norm.retain_grad()
        return F.cross_entropy(s / norm[:, None], y)


class FollowsItsInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, s, y):
        self.scale.data = self.scale.data.to(s.dtype)
        return F.cross_entropy((self.scale * s).float(), y)


def large_margin() -> Callable[..., Tensor]:
    loss = get_loss("l_softmax").eval()
    return lambda s, y: loss(s, y, features=s[:, :2], head_weight=s.new_ones(4, 2))


AROUND = [
    ("N6", keeps_the_mode_of_gradients, lambda: get_loss("asl_single_label"), TurnsGradientsOn),
    ("N8", runs_without_gradients, large_margin, KeepsAGradient),
    ("N17", keeps_the_type_of_its_parameters, lambda: get_loss("normface"), FollowsItsInput),
    (
        "N17",
        keeps_the_type_of_its_parameters,
        lambda: get_loss("cosine_softmax").provide(num_classes=3),
        FollowsItsInput,
    ),
]


@pytest.mark.parametrize(("number", "holds", "ours", "defect"), AROUND)
def test_what_a_call_leaves_behind(number, holds, ours, defect):
    holds(ours())
    try:
        with pytest.raises(AssertionError):
            holds(defect())
    finally:
        torch.set_grad_enabled(True)


# What is refused, in a sentence, where others give a number.
REFUSED: list[tuple[str, str, Callable[[], Any], Callable[[], Any], str]] = [
    *(
        (
            "N13",
            "a batch of one has no negatives: silently 0, or NaN",
            lambda name=name: get_loss(name)(torch.ones(2, 1, 3), torch.tensor([0])),
            lambda: torch.tensor(0.0),
            "must hold N >= 2 samples",
        )
        for name in ("nt_xent", "supcon_out", "barlow_twins")
    ),
    *(
        (
            "N18",
            "a temperature below 0 turns the objective round",
            lambda name=name: get_loss(name, temperature=-0.5),
            lambda: F.cross_entropy(torch.tensor(S) / -0.5, torch.tensor(Y)),
            r"temperature.*-0\.5",
        )
        for name in ("nt_xent", "supcon_out", "moco_infonce", "cosine_softmax")
    ),
    (
        "N19",
        "-100 is the default of ignore_index, and fails inside torch; ours has no such number",
        lambda: get_loss("label_smoothing")(torch.tensor(S), torch.tensor([2, -100, 0])),
        lambda: F.cross_entropy(torch.tensor(S), torch.tensor([2, -100, 0])),
        "class indices 0 to 3; -100 is none",
    ),
    (
        "B18",
        "a tensor is taken as alpha, and its gradient is None; ours takes a number",
        lambda: get_loss("entmax_loss", alpha=torch.tensor(1.5, requires_grad=True)),
        lambda: torch.tensor(1.5, requires_grad=True) * 0,
        "alpha",
    ),
]


def refused(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize(("number", "wrong", "ours", "defect", "says"), REFUSED)
def test_what_is_refused(number, wrong, ours, defect, says):
    refused(ours, says)
    with pytest.raises(pytest.fail.Exception):
        refused(defect, says)


def no_such_loss(name: str) -> None:
    assert name not in registry.index(), f"{name} is in the atlas: its defect wants a row"


def test_what_is_said_to_be_absent_is_absent():
    for names, _ in ABSENT.values():
        for name in names:
            no_such_loss(name)
    with pytest.raises(AssertionError, match="wants a row"):
        no_such_loss("focal")


def speaks_with_others(code: str) -> bool:
    return re.search(r"torch\.distributed|all_gather|all_reduce", code) is not None


def test_no_loss_speaks_with_other_processes():
    assert not [e.id for e in registry.index().values() if speaks_with_others(e.code.read_text())]
    assert speaks_with_others("torch.distributed.nn.all_gather(z)")


def test_every_number_has_its_row():
    tried = {row.number for row in DEFECTS} | {row[0] for row in (*AROUND, *REFUSED)}
    wanted = {f"{letter}{n}" for letter in "BN" for n in range(1, 21)}
    assert tried | ABSENT.keys() == wanted
    assert ABSENT.keys() - tried == {"N9", "N14", "N20"}
