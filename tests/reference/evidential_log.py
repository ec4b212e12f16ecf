"""Sensoy et al. (2018): the Dirichlet's loss and divergence from gamma functions, in 60 digits."""

from mpmath import digamma, log, loggamma, mpf, workdps


def reference(
    logits: list[mpf], target: int, lambda_max: mpf, anneal: mpf, variant: mpf, epoch: int
) -> mpf:
    """One of three fits of alpha to the label, plus the weighted KL(Dir(alpha~) || Dir(1))."""
    with workdps(60):
        alpha = [max(s, mpf(0)) + 1 for s in logits]
        total, k = sum(alpha), len(alpha)
        if variant == 0:
            fit = log(total / alpha[target])
        elif variant == 1:
            fit = digamma(total) - digamma(alpha[target])
        else:
            fit = mpf(0)
            for j, a in enumerate(alpha):
                fit += ((j == target) - a / total) ** 2
                fit += a * (total - a) / (total**2 * (total + 1))
        wrong = [mpf(1) if j == target else a for j, a in enumerate(alpha)]
        kl = loggamma(sum(wrong)) - loggamma(k)
        for a in wrong:
            kl += (a - 1) * (digamma(a) - digamma(sum(wrong))) - loggamma(a)
        return fit + lambda_max * min(mpf(1), epoch / anneal) * kl
