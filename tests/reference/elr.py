"""Liu et al. (2020): cross-entropy plus lam log(1 - <t, p>), in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    beta: mpf,
    lam: mpf,
    clamp: mpf,
    indices: int,
    num_samples: int,
    num_classes: int,
    memory: list[list[mpf]],
) -> mpf:
    """The memory given is t as it is used; p meets it clipped, the cross-entropy does not."""
    with workdps(60):
        t = memory[int(indices)]
        top = max(logits)
        total = sum(exp(s - top) for s in logits)
        p = [exp(s - top) / total for s in logits]
        clipped = [min(max(q, clamp), 1 - clamp) for q in p]
        inner = sum(a * b for a, b in zip(t, clipped, strict=True))
        return log(total) + top - logits[target] + lam * log(1 - inner)
