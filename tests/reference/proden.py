"""Lv et al. (2020): cross-entropy to the stored weights of the candidates, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: set[int],
    indices: int,
    num_samples: int,
    num_classes: int,
    memory: list[list[mpf]],
) -> mpf:
    """The weights are those of the row, on the candidates alone; equal if there are none."""
    with workdps(60):
        weights = {j: memory[indices][j] for j in target}
        if not any(weights.values()):
            weights = dict.fromkeys(target, mpf(1))
        top = max(logits)
        total = log(sum(exp(s - top) for s in logits)) + top
        value = mpf(0)
        for j, w in weights.items():
            value += w / sum(weights.values()) * (total - logits[j])
        return value
