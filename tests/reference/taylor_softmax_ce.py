"""De Brébisson & Vincent (2016): a softmax of Taylor polynomials, their terms by factorials."""

from mpmath import factorial, log, mpf, workdps


def reference(logits: list[mpf], target: int, order: mpf) -> mpf:
    """-log(f(s_y) / sum_k f(s_k)) with f(x) = sum_{i=0}^n x^i / i!."""
    with workdps(60):
        f = [sum(s**i / factorial(i) for i in range(int(order) + 1)) for s in logits]
        return -log(f[target] / sum(f))
