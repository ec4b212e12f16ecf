"""Kobayashi (2019): cross-entropy and two divergences over the wrong classes."""

from mpmath import exp, log, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, lam: mpf) -> mpf:
    """CE + lam / 2 (KL(q, u) + KL(u, q)), u uniform over the wrong classes, q their softmax."""
    with workdps(60):
        wrong = [exp(s) for k, s in enumerate(logits) if k != target]
        u = mpf(1) / len(wrong)
        forth, back = mpf(0), mpf(0)
        for weight in wrong:
            q = weight / sum(wrong)
            forth += q * log(q / u)
            back += u * log(u / q)
        return log1p(sum(wrong) / exp(logits[target])) + lam / 2 * (forth + back)
