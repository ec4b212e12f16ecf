"""One binary squared hinge a class, Rifkin & Klautau (2004), class by class."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_k max(0, 1 - t_k s_k)^2 with t_k = 1 at the label and -1 elsewhere."""
    with workdps(60):
        value = mpf(0)
        for k, s in enumerate(logits):
            sign = 1 if k == target else -1
            if sign * s < 1:
                value += (1 - sign * s) ** 2
        return value
