"""Lee, Lin & Wahba (2004): the hinge of the wrong scores, on scores that sum to zero."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_{j != y} max(0, f_j + 1/(K-1)), where f is s minus its mean."""
    with workdps(60):
        k = len(logits)
        f = [s - sum(logits) / k for s in logits]
        return sum(max(mpf(0), f[j] + mpf(1) / (k - 1)) for j in range(k) if j != target)
