"""Zhang et al. (2019): the softmax of scaled cosines, with the scale that is there."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, num_classes: int, sigma: mpf) -> mpf:
    """The scale is as it has been moved."""
    with workdps(60):
        weights = [exp(sigma * c) for c in logits]
        return -log(weights[target] / sum(weights))
