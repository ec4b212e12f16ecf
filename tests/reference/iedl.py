"""Deng et al. (2023): the Fisher-weighted evidential loss, its determinant from the matrix."""

from functools import cache

from mpmath import det, exp, log, log1p, matrix, mpf, polygamma, workdps
from mpmath import digamma as _digamma
from mpmath import loggamma as _loggamma

# The same numbers come with every label and hyperparameter.
digamma, loggamma = cache(_digamma), cache(_loggamma)
trigamma = cache(lambda x: polygamma(1, x))


def reference(
    logits: list[mpf], target: int, fisher_c: mpf, lambda_max: mpf, anneal: mpf, epoch: int
) -> mpf:
    """I(alpha) is diag(psi'(alpha)) - psi'(S), as a matrix; 1 - alpha_y / S may be of any size."""
    with workdps(60):
        alpha = [1 + (log1p(exp(s)) if s < 100 else s + log1p(exp(-s))) for s in logits]
        total, k = sum(alpha), len(alpha)
        info = matrix(k, k)
        value = mpf(0)
        for j, a in enumerate(alpha):
            for i in range(k):
                info[j, i] = (trigamma(a) if i == j else 0) - trigamma(total)
            error = ((j == target) - a / total) ** 2 + a * (total - a) / (total**2 * (total + 1))
            value += trigamma(a) * error
        value -= fisher_c * log(det(info))
        wrong = [mpf(1) if j == target else a for j, a in enumerate(alpha)]
        kl = loggamma(sum(wrong)) - loggamma(k)
        for a in wrong:
            kl += (a - 1) * (digamma(a) - digamma(sum(wrong))) - loggamma(a)
        return value + lambda_max * min(mpf(1), epoch / anneal) * kl
