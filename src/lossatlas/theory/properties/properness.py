"""Strict properness: do the scores of least risk mean the true label probabilities?"""

from typing import Any

import torch
from torch import Tensor

from lossatlas.losses.quantities import of_label
from lossatlas.theory.checks import check
from lossatlas.theory.curves import weights
from lossatlas.theory.minimise import Minima, minimise, scale
from lossatlas.theory.proof import unrefuted
from lossatlas.theory.properties.calibration import searched
from lossatlas.theory.risks import plain, risk_terms, weighted
from lossatlas.theory.subject import Subject
from lossatlas.theory.theorems.fenchel_young import fenchel_young
from lossatlas.theory.verdict import Finding, Term, indicate, not_applicable, refute

SAME = 1e-3  # probabilities that close are equal: minimisers are flat
EXCESS = 1e-6  # risks closer than this, in units of the loss's scale, are equal
GRID = 39  # probabilities of class 0 at which the link of two classes is drawn


@check("logits", "Gneiting & Raftery, JASA 2007; Williamson, Vernet & Reid, JMLR 2016", reach=30)
def strictly_proper(subject: Subject) -> Finding:
    """The risk sum_k q_k l(s, k) is least where s means q, and nowhere else: link(s*) = q.

    The card names the link: softmax, sigmoid of each score, identity, e_y + grad_s l(s, y) of a
    Fenchel-Young loss, or the loss's own. Under the balanced rule s has to mean q / prior,
    normalised.
    Method: minimisers by BFGS at 24 posteriors; where one means something else, its risk is
    compared with the least risk of scores that mean q.
    """
    if subject.link == "none":
        return not_applicable("its scores are ranked only and mean no probabilities")
    if subject.link is None or subject.bayes_rule is None:
        return not_applicable("its parts take scores for different probabilities")
    if subject.link == "fenchel_young" and not (residual := _no_argmax(subject)) <= 1e-9:
        reason = f"e_y + grad l depends on the label y or leaves the simplex, by {residual:.2g}"
        return Finding("inconclusive", "the link that the card names", reason=reason)
    done = searched(subject)
    q, meant, best = done.q, done.meant, done.free
    error = (predictions(subject, best.point) - meant).abs().amax(1)
    found = {
        "largest_error": plain(error.max()),
        **_link(subject),
        **_from_weights(subject, q, best),
    }
    method = f"minimisers at {len(q)} posteriors, compared under the link {subject.link}"
    facts: dict[str, Any] = {
        "found": found, "worst": error.max().item(), "tolerance": SAME, "n": len(q),
    }  # fmt: skip
    if not best.value.isfinite().all():
        reason = "the minimiser found no finite risk at some posterior"
        return Finding("inconclusive", method, reason=reason, **facts)
    most = error.argsort(descending=True)[:4]
    most = torch.cat([most, meant.amin(1).argsort()[:1]])  # and where a class hardly occurs
    there = meaning(subject, q[most], meant[most])
    saved = error[most] * 0 if there is None else subject.risk(there, q[most]) - best.value[most]
    i = int(saved.argmax())
    at = int(most[i])
    if error.max() <= SAME and saved[i] <= EXCESS * scale(subject):
        return unrefuted(subject, "strictly_proper", method, **facts)
    if there is None or saved[i] <= EXCESS * scale(subject):
        reason = "minimisers do not mean q, but scores that do are not known to have more risk"
        return Finding("inconclusive", method, reason=reason, **facts)
    says = f"at posterior {plain(q[at])} scores that mean {plain(meant[at])} have more risk"

    def terms(s: Tensor) -> list[Term]:
        return risk_terms(1.0, q[at], there[i]) + risk_terms(-1.0, q[at], s)

    # Where a shift of all scores matters, only some of the scores that mean q were tried; through a
    # link of the loss's own, those that were found.
    tried_all = subject.link not in ("softmax", "own") or (
        subject.link == "softmax" and _ignores_shifts(subject, there[i], q[at])
    )
    conclude = refute if tried_all else indicate
    return conclude(subject, says, terms, best.point[at], method=method, **facts)


def _no_argmax(subject: Subject) -> float:
    """How far a Fenchel-Young loss, or a part of the sum, is from the theorem's hypotheses."""
    parts = [part for _, part in subject.summands]
    return max(fenchel_young.test(one) for one in parts or [subject])


def _ignores_shifts(subject: Subject, s: Tensor, q: Tensor) -> bool:
    shifted = s + torch.tensor([0.0, -10.0, -1.0, 1.0, 10.0], dtype=s.dtype)[:, None]
    risks = subject.risk(shifted, q.expand_as(shifted))
    return bool((risks - risks[0]).abs().max() <= 1e-9 * (scale(subject) + risks[0].abs()))


def predictions(subject: Subject, s: Tensor) -> Tensor:
    """What scores (N, k) mean, (N, k), by the subject's link."""
    if subject.link == "softmax":
        return torch.softmax(s, 1)
    if subject.link == "sigmoid":
        return torch.sigmoid(s)
    if subject.link == "identity":
        return s
    if subject.link == "own":
        assert subject.loss is not None
        with torch.no_grad():
            return torch.exp(subject.loss.log_probabilities(s))
    meant = subject.gradient(s, torch.zeros(len(s), dtype=torch.int64)) / subject.weight
    meant[:, 0] += 1
    return meant


def meaning(subject: Subject, q: Tensor, meant: Tensor) -> Tensor | None:
    """Scores (N, k) that mean the probabilities `meant` (N, k); None if none are known.

    Many scores have the same softmax; the shift of least risk under weights q is taken. Through a
    loss's own link they are looked for, where the cross-entropy with what they mean is least.
    """
    if subject.link == "own":
        return _inverse(subject, meant)
    if subject.link == "identity":
        return meant
    if subject.link == "sigmoid":
        return torch.logit(meant)
    if subject.link != "softmax":
        return None
    s = meant.log() - meant.log().mean(1, keepdim=True)
    for reach in (30.0, 0.1):
        shifts = torch.linspace(-reach, reach, 601, dtype=q.dtype)
        every = (s[:, None] + shifts[:, None]).view(-1, q.shape[1])
        risks = subject.risk(every, q.repeat_interleave(len(shifts), 0)).view(len(q), -1)
        gain = risks[:, 300] - risks.amin(1)
        best = torch.where(gain > 1e-12 * scale(subject), shifts[risks.argmin(1)], 0.0)
        s = s + best[:, None]
    return s


def _inverse(subject: Subject, meant: Tensor) -> Tensor | None:
    """Scores that mean `meant` through the loss's own link, of which many may; None if not found.

    Those are taken that were found; others may have less risk.
    """
    assert subject.loss is not None
    log_p = subject.loss.log_probabilities

    def surprise(s: Tensor, y: Tensor) -> Tensor:
        return -of_label(log_p(s), y)

    link = Subject(subject.name, surprise, k=subject.k)
    s = minimise(link, meant).point
    error = (predictions(subject, s) - meant).abs().amax()
    return s if error <= SAME / 10 else None


def _link(subject: Subject) -> dict[str, Any]:
    """For two classes, what the minimiser means as a function of the truth; slope of its log odds.

    A slope of 1 / (1 - r) means p proportional to q^(1 / (1 - r)), as for GCE with exponent r.
    """
    if subject.fault(2):
        return {}
    two = subject.at(2)
    truth = torch.arange(1, GRID + 1, dtype=torch.float64) / (GRID + 1)
    meant = torch.stack([truth, 1 - truth], 1)
    q = weighted(two, meant)
    says = predictions(two, minimise(two, q).point)[:, 0]
    link: dict[str, Any] = {"truth": plain(truth), "prediction": plain(says)}
    inside = (says > 1e-6) & (says < 1 - 1e-6)
    if inside.sum() > GRID // 2:
        x, y = torch.logit(truth[inside]), torch.logit(says[inside])
        link["slope_of_log_odds"] = plain((x @ y) / (x @ x))
    return link


def _from_weights(subject: Subject, q: Tensor, best: Minima) -> dict[str, Any]:
    """How well q is recovered as p / w(p), normalised, from p = softmax(s*) inside the simplex.

    If l = phi(p_y), grad l is w(p_y) times that of cross-entropy, and a stationary point of the
    risk obeys q_i w(p_i) = p_i sum_k q_k w(p_k). For other losses the recovery fails.
    """
    p = torch.softmax(best.point, 1)
    inside = ((p > 1e-6) & (p < 1 - 1e-6)).all(1) & ~best.at_box
    if subject.link != "softmax" or subject.class_counts or not inside.any():
        return {}
    p = p[inside]
    w = torch.tensor(weights(subject, p.flatten().tolist()).to_numpy()).view(p.shape)
    if not (w > 0).all():
        return {}
    recovered = p / w
    recovered /= recovered.sum(1, keepdim=True)
    truth = q[inside] / q[inside].sum(1, keepdim=True)
    error = (recovered - truth).abs().max()
    return {"error_of_p_over_w": plain(error), "inside": int(inside.sum())}
