"""Castells et al. (2020), around cross-entropy: sigma by Lambert's function, in 60 digits."""

from mpmath import e, exp, lambertw, log, mpf, workdps


def reference(logits: list[mpf], target: int, tau: mpf, lam: mpf) -> mpf:
    """(l - tau) sigma + lam log(sigma)^2."""
    with workdps(60):
        above = -log(exp(logits[target]) / sum(exp(s) for s in logits)) - tau
        beta = above / lam
        sigma = exp(-lambertw(beta / 2).real) if beta > -2 / e else e
        return above * sigma + lam * log(sigma) ** 2
