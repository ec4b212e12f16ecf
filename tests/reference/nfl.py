"""Ma et al. (2020): the focal loss of the label over the sum of all labels', in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf) -> mpf:
    """f_y / sum_k f_k with f_k = -(1 - p_k)^gamma log p_k."""
    with workdps(60):
        weights = [exp(s - logits[target]) for s in logits]
        total = sum(weights)
        focal = []
        for k, weight in enumerate(weights):
            rest = sum(w for j, w in enumerate(weights) if j != k)
            focal.append((rest / total) ** gamma * log(1 + rest / weight))
        return focal[target] / sum(focal)
