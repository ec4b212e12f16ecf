"""Wang et al. (2021): the loss with its factors M and C one by one, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf], target: int, p: mpf, q: mpf, eps: mpf, class_counts: list[mpf]
) -> mpf:
    """log(1 + sum_{j != y} M_yj C_yj e^{s_j - s_y})."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        shares = [exp(s) / total for s in logits]
        floored = max(shares[target], eps)
        others = mpf(0)
        for j, s in enumerate(logits):
            if j != target:
                m = min(mpf(1), (class_counts[j] / class_counts[target]) ** p)
                c = max(mpf(1), (shares[j] / floored) ** q)
                others += m * c * exp(s - logits[target])
        return log1p(others)
