"""Theorems about conditional risks: each is a formula that the code is compared with.

A test fits the loss by a combination of known functions of the scores, l(s, y) = c + sum_i a_i
f_i(s, y), and returns the relative residual; infinity if the weights a_i do not have the signs that
the theorem needs. Importing this module adds the theorems to `THEOREMS`.

Where a statement is not quoted, its proof is short, and stands with its test.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lossatlas.theory import agreement, design
from lossatlas.theory.curves import tied, weights
from lossatlas.theory.minimise import scale
from lossatlas.theory.subject import Subject
from lossatlas.theory.theorems import THEOREMS, Theorem, prove, unrefuted

__all__ = ["prove", "unrefuted"]

NEVER = float("inf")
CALIBRATED = "classification_calibrated"
Feature = Callable[[Tensor], Tensor]  # logits (N, k) -> values (N, k), one for each label


def fit(subject: Subject, *features: Feature) -> tuple[list[float], float]:
    """Weights a_i of the best fit of c + sum_i a_i f_i to all labels' losses, and its residual.

    Fitted at scores up to 40; the residual is the largest there and at those of `agreement`,
    relative to the loss there or to its scale if that is larger.
    """
    logits, _ = design.points(subject.k)
    logits = logits[logits.abs().amax(1) <= 40][::20]
    values, columns = _columns(subject, logits, features)
    y = values.flatten()
    size = y.abs().clamp(min=scale(subject))
    a = torch.linalg.lstsq(columns / size[:, None], (y / size)[:, None]).solution[:, 0]
    residual = 0.0
    for where in (logits, agreement.points(subject.k)):
        values, columns = _columns(subject, where, features)
        formula = (columns @ a).view_as(values)
        residual = max(residual, agreement.apart(subject, where, values, formula).max().item())
    return a[1:].tolist(), residual


def _columns(
    subject: Subject, logits: Tensor, features: tuple[Feature, ...]
) -> tuple[Tensor, Tensor]:
    """Values (N, k), and the columns (N k, 1 + F) of a constant and of the features."""
    values = subject.table(logits).detach()
    columns = [torch.ones_like(values), *(f(logits) for f in features)]
    return values, torch.stack([column.flatten() for column in columns], 1)


# --------------------------------------------------------------------- functions of all scores


def probability(s: Tensor) -> Tensor:
    """p_y = softmax(s)_y."""
    return torch.softmax(s, 1)


def log_score(s: Tensor) -> Tensor:
    """-log p_y."""
    return -torch.log_softmax(s, 1)


def normalised_log_score(s: Tensor) -> Tensor:
    """log p_y / sum_k log p_k."""
    log_p = torch.log_softmax(s, 1)
    return log_p / log_p.sum(1, keepdim=True)


def share_above(s: Tensor, least: float = 1e-7) -> Tensor:
    """b_y / sum_k b_k with b_k = log(max(p_k, least) / least)."""
    b = torch.log_softmax(s, 1).clamp(min=math.log(least)) - math.log(least)
    return b / b.sum(1, keepdim=True)


def squared_distance(p: Tensor) -> Tensor:
    """|p - e_y|^2 for any p (N, k)."""
    return p.square().sum(1, keepdim=True) - 2 * p + 1


def one_versus_rest_log_score(s: Tensor) -> Tensor:
    """log(1 + exp(-s_y)) + sum_{j != y} log(1 + exp(s_j))."""
    against = torch.logaddexp(s, torch.zeros_like(s)).sum(1, keepdim=True)
    return against - s


def centred_hinge(s: Tensor) -> Tensor:
    """sum_{j != y} max(0, 1 / (k - 1) + s_j - mean s)."""
    hinge = (s - s.mean(1, keepdim=True) + 1 / (s.shape[1] - 1)).relu()
    return hinge.sum(1, keepdim=True) - hinge


# ------------------------------------------------------------------------------------ the tests


def decreasing_in_probability(subject: Subject) -> float:
    """How far l(s, y) is from phi(p_y) with phi' < 0 and phi(1) finite.

    The risk is a function of p on the closed simplex, and least somewhere in the closed set where
    a class j is on top. There p_j >= 1/k. If class b with q_b > q_j has p_b < p_j, swapping the two
    lowers the risk; if p_b = p_j, moving mass from j to b does, at rate -(q_b - q_j) phi'(p_j).
    """
    if (subject.prior != 1).any() or subject.class_counts:
        return NEVER
    logits = agreement.points(subject.k)
    labels = torch.arange(len(logits)) % subject.k
    zeros = torch.zeros_like(labels)
    here = subject.values(logits, labels).detach()
    there = subject.values(tied(logits, labels), zeros).detach()
    change = agreement.apart(subject, logits, here, there).max().item()
    far = torch.zeros(2, subject.k, dtype=torch.float64)
    far[:, 0] = torch.tensor([40.0, 400.0], dtype=far.dtype)
    end = subject.values(far, zeros[:2])
    bounded = end.isfinite().all() and (end[0] - end[1]).abs() <= 1e-6 * scale(subject)
    return change if bounded and _falls(subject) else NEVER


def _falls(subject: Subject) -> bool:
    """Whether the loss falls as p_y rises: no slope is wrong, and none is cut off.

    A slope that float64 holds for zero must have vanished by degrees: what is lost all at once is
    lost to a clamp.
    """
    if not (weights(subject).to_numpy() > 0).all():
        return False
    lag = torch.cat([torch.arange(0, 1000, 2.5), torch.logspace(3, 6, 40)]).double()
    logits = torch.zeros(len(lag), subject.k, dtype=torch.float64)
    logits[:, 0] = -lag
    pull = -subject.gradient(logits, torch.zeros(len(lag), dtype=torch.int64))[:, 0]
    top = pull.amax()
    abrupt = (pull[1:] <= 0) & (pull[:-1] > 1e-12 * top)
    return bool((pull >= 0).all() and not abrupt.any())


def log_score_of_softmax(subject: Subject) -> float:
    """How far l(s, y) is from a CE(s + log prior, y) + c, a > 0; the prior is one without counts.

    R(s) - R* = a KL(q | softmax(s + log prior)), zero only if softmax(s) is q / prior, normalised.
    """
    (a,), residual = fit(subject, lambda s: log_score(s + subject.prior.log()))
    return residual if a > 0 and subject.link == "softmax" else NEVER


def smoothed_log_score(subject: Subject) -> float:
    """How far l(s, y) is from a CE(s, y) + b sum_k CE(s, k) + c, a > 0, b >= 0.

    The risk is that of cross-entropy at the posterior (a q + b) / (a + b K), which has the order
    of q, and an infimum over a closed cone above the least of all.
    """
    (a, b), residual = fit(
        subject, log_score, lambda s: log_score(s).sum(1, keepdim=True).expand_as(s)
    )
    return residual if a > 0 and b >= -1e-9 * a and (subject.prior == 1).all() else NEVER


def log_score_in_a_ball(subject: Subject) -> float:
    """How far l(s, y) is from CE(c s / (|s| + e), y), c > 0: cross-entropy on an open ball.

    On the closed ball the risk is least somewhere in the closed set where a class j is on top. If
    s_j > s_b for a class with q_b > q_j, swapping the two lowers the risk; if s_j = s_b, so does a
    rotation from j to b, which keeps the length to first order, or a small step where both vanish.
    """
    s = torch.zeros(2, subject.k, dtype=torch.float64)
    s[:, 0] = torch.tensor([1e6, 1e-7], dtype=s.dtype)
    table = subject.table(s)
    far, near = (table[:, 1] - table[:, 0]).tolist()
    if not (0 < near <= far < 1e6):
        return NEVER
    e = 1e-7 * (far / near - 1)
    c = far * (1 + e / 1e6)

    def inside(s: Tensor) -> Tensor:
        return c * s / (s.norm(dim=1, keepdim=True) + e)

    (a,), residual = fit(subject, lambda s: log_score(inside(s)))
    return residual if a > 0 and (subject.prior == 1).all() else NEVER


def squared_error_of_softmax(subject: Subject) -> float:
    """How far l(s, y) is from a |softmax(s) - e_y|^2 + c, a > 0: R - R* = a |p - q|^2."""
    (a,), residual = fit(subject, lambda s: squared_distance(torch.softmax(s, 1)))
    return residual if a > 0 and subject.link == "softmax" else NEVER


def squared_error_of_scores(subject: Subject) -> float:
    """How far l(s, y) is from a |s - e_y|^2 + c, a > 0: R - R* = a |s - q|^2."""
    (a,), residual = fit(subject, squared_distance)
    return residual if a > 0 and subject.link == "identity" else NEVER


def log_score_of_sigmoids(subject: Subject) -> float:
    """How far l(s, y) is from a sum of binary log scores, times a > 0.

    The risk is a sum over classes, strictly convex and coercive in each score, least at
    s_k = logit q_k alone; so sigmoid(s*) = q, and no other order of scores comes near.
    """
    (a,), residual = fit(subject, one_versus_rest_log_score)
    return residual if a > 0 and subject.link == "sigmoid" else NEVER


def smooth_fenchel_young(subject: Subject) -> float:
    """How far a Fenchel-Young loss is from a co-coercive prediction in the order of the scores.

    (f(s) - f(t)) . (s - t) >= |f(s) - f(t)|^2 for f = grad Omega* says that Omega* is convex and f
    1-Lipschitz (Baillon & Haddad), so Omega 1-strongly convex, and R - R* >= |f(s) - q|^2 / 2. If
    s_j >= s_b then f_j >= f_b, so the right side is at least (q_b - q_j)^2 / 4.
    """
    logits = torch.cat([design.points(subject.k)[0][::20], agreement.points(subject.k)])
    other = logits.roll(1, 0) * 0.3 + logits * 0.7  # near and far pairs
    zeros = torch.zeros(len(logits), dtype=torch.int64)
    f = subject.gradient(logits, zeros)
    change = f - subject.gradient(other, zeros)
    size = 1 + logits.abs().amax(1) + other.abs().amax(1)
    short = (change.square().sum(1) - (change * (logits - other)).sum(1)) / size
    f[:, 0] += 1
    falls = -f.gather(1, logits.argsort(1)).diff(dim=1)
    worst = max(short.max().item(), falls.max().item(), 0.0)
    return max(worst, THEOREMS["fenchel_young"].test(subject))


def fenchel_young_link(subject: Subject) -> float:
    """As `smooth_fenchel_young`, for a card whose link is that prediction.

    The risk is convex with gradient f(s) - q, so it is least exactly where f(s) = q.
    """
    return smooth_fenchel_young(subject) if subject.link == "fenchel_young" else NEVER


def affine_in_probability(subject: Subject) -> float:
    """How far l(s, y) is from c - b p_y, b > 0.

    The sum over labels is K c - b. The risk sum_k w_k l = c sum w - b sum_k w_k p_k is least as
    p_t -> 1 for the heaviest label t alone, where l(s, t) tends to its infimum.
    """
    (b,), residual = fit(subject, probability)
    return residual if b < 0 else NEVER


def symmetric_parts(subject: Subject) -> float:
    """How far l is from c + a1 p_y + a2 log p_y / sum log p + a3 b_y / sum b, any signs.

    Each part sums to one over the labels. (b: see `share_above`.) With sum_k l(s, k) = C, the risk
    under uniform noise is (1 - eta K / (K - 1)) R + eta C / (K - 1), with the same minimisers.
    """
    return fit(subject, probability, normalised_log_score, share_above)[1]


def active_passive(subject: Subject) -> float:
    """How far l is from c + a log p_y / sum log p - b p_y - d b_y / sum b; a, b, d >= 0, b + d > 0.

    The first part's risk is at least a min q, the others' at least -(b + d) max q; all are
    approached together as p tends to the likeliest class and the least likely one vanishes fastest.
    Where a wrong class j is on top, its share of the p and of the b is at least 1/K, so the risk
    exceeds this by at least (b + d)(max q - q_j) / K; no larger part will do, as at equal p where
    all classes but j are equally likely.
    """
    (a, b, d), residual = fit(subject, normalised_log_score, probability, share_above)
    tiny = 1e-9 * scale(subject)
    return residual if a >= -tiny and b <= tiny and d <= tiny and b + d < -tiny else NEVER


def lee_lin_wahba(subject: Subject) -> float:
    """How far l is from a sum_{j != y} max(0, 1/(K-1) + s_j - mean s) + c, a > 0.

    With t_j = max(0, 1/(K-1) + s_j - mean s), R = a sum_j (1 - q_j) t_j and sum t >= K/(K-1). So
    R >= a (1 - q_b) K/(K-1) for the likeliest class b, attained with t = 0 elsewhere. Where j is on
    top, t_j >= 1/(K-1), and R exceeds this by a (q_b - q_j)/(K-1).
    """
    (a,), residual = fit(subject, centred_hinge)
    return residual if a > 0 else NEVER


HAND = "short proof in the test's docstring"
THEOREMS |= {
    "decreasing_in_probability": Theorem(
        "l = phi(p_y) with phi' < 0: exchanging two classes shows it calibrated",
        HAND, (CALIBRATED, "probability_only"), decreasing_in_probability,
    ),
    "log_score_of_softmax": Theorem(
        "the log score of softmax(s + log prior): its regret is a Kullback-Leibler divergence",
        "Gneiting & Raftery, JASA 2007", (CALIBRATED, "strictly_proper"), log_score_of_softmax,
    ),
    "smoothed_log_score": Theorem(
        "a sum of log scores of all labels: cross-entropy at a mixed posterior",
        HAND, (CALIBRATED,), smoothed_log_score,
    ),
    "log_score_in_a_ball": Theorem(
        "cross-entropy of scores in a ball: exchanging two classes shows it calibrated",
        HAND, (CALIBRATED,), log_score_in_a_ball,
    ),
    "squared_error_of_softmax": Theorem(
        "the Brier score of softmax(s): its regret is |p - q|^2",
        "Gneiting & Raftery, JASA 2007", (CALIBRATED, "strictly_proper"), squared_error_of_softmax,
    ),
    "squared_error_of_scores": Theorem(
        "the squared error of the scores: its regret is |s - q|^2",
        HAND, (CALIBRATED, "strictly_proper"), squared_error_of_scores,
    ),
    "log_score_of_sigmoids": Theorem(
        "a sum of binary log scores, one a class, each strictly proper",
        HAND, (CALIBRATED, "strictly_proper"), log_score_of_sigmoids,
    ),
    "smooth_fenchel_young": Theorem(
        "a Fenchel-Young loss of strongly convex Omega: regret >= |prediction - q|^2 / 2",
        HAND, (CALIBRATED,), smooth_fenchel_young,
    ),
    "fenchel_young_link": Theorem(
        "a Fenchel-Young loss with a smooth convex conjugate: the risk's gradient is link(s) - q",
        "Blondel, Martins & Niculae, JMLR 2020; " + HAND, ("strictly_proper",), fenchel_young_link,
    ),
    "affine_in_probability": Theorem(
        "l = c - b p_y with b > 0", "Ghosh, Kumar & Sastry, AAAI 2017",
        (CALIBRATED, "symmetric_sum_constant", "noise_invariant_minimiser", "asymmetric",
         "probability_only"),
        affine_in_probability,
    ),
    "symmetric_parts": Theorem(
        "a sum of parts that are normalised over the labels or affine in p_y",
        "Ma et al., ICML 2020; Ghosh, Kumar & Sastry, AAAI 2017",
        ("symmetric_sum_constant", "noise_invariant_minimiser"), symmetric_parts,
    ),
    "active_passive": Theorem(
        "a normalised log score plus a passive part that decides: both infima are joint",
        HAND, (CALIBRATED, "asymmetric"), active_passive,
    ),
    "lee_lin_wahba": Theorem(
        "the hinge of Lee, Lin and Wahba on centred scores",
        "Lee, Lin & Wahba, JASA 2004; " + HAND, (CALIBRATED,), lee_lin_wahba,
    ),
}  # fmt: skip
