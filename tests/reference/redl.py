"""Chen et al. (2024): the relaxed evidential loss from gamma functions, in 60 digits."""

from functools import cache

from mpmath import digamma as _digamma
from mpmath import exp, log1p, mpf, workdps
from mpmath import loggamma as _loggamma

# The same numbers come with every label and hyperparameter.
digamma, loggamma = cache(_digamma), cache(_loggamma)


def reference(
    logits: list[mpf],
    target: int,
    lamb2: mpf,
    lamb1: mpf,
    lambda_max: mpf,
    anneal: mpf,
    epoch: int,
) -> mpf:
    """Each class's share has its own denominator; the prior of the divergence is lamb2."""
    with workdps(60):
        evidence = [log1p(exp(s)) if s < 100 else s + log1p(exp(-s)) for s in logits]
        k, value = len(logits), mpf(0)
        for j, e in enumerate(evidence):
            others = sum(x for i, x in enumerate(evidence) if i != j)
            share = (e + lamb2) / (e + lamb1 * others + lamb2 * k)
            value += ((j == target) - share) ** 2
        wrong = [lamb2 + (0 if j == target else e) for j, e in enumerate(evidence)]
        kl = loggamma(sum(wrong)) - loggamma(k * lamb2)
        for a in wrong:
            kl += (a - lamb2) * (digamma(a) - digamma(sum(wrong))) - loggamma(a) + loggamma(lamb2)
        return value + lambda_max * min(mpf(1), epoch / anneal) * kl
