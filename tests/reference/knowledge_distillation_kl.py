"""Hinton et al. (2015): cross-entropy and the divergence from the teacher, both from p and q."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, temperature: mpf, lam: mpf, teacher_logits: list[mpf]
) -> mpf:
    """(1 - lam) (-log p_y) + lam T^2 sum_k q_k log(q_k / p_k), p and q at temperature T."""
    with workdps(60):

        def softmax(scores: list[mpf], by: mpf) -> list[mpf]:
            powers = [exp(s / by) for s in scores]
            return [power / sum(powers) for power in powers]

        p, q = softmax(logits, temperature), softmax(teacher_logits, temperature)
        divergence = sum(b * log(b / a) for a, b in zip(p, q, strict=True))
        label = -log(softmax(logits, mpf(1))[target])
        return (1 - lam) * label + lam * temperature**2 * divergence
