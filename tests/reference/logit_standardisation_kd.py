"""Sun et al. (2024): the divergence of the softmax of z-scores, from their probabilities."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    temperature: mpf,
    kd_weight: mpf,
    ce_weight: mpf,
    teacher_logits: list[mpf],
) -> mpf:
    """ce_weight (-log p_y) + kd_weight T^2 sum_k q_k log(q_k / p_k), p and q of z-scores."""
    with workdps(60):

        def softmax(scores: list[mpf]) -> list[mpf]:
            powers = [exp(s) for s in scores]
            return [power / sum(powers) for power in powers]

        def z(x: list[mpf]) -> list[mpf]:
            mean = sum(x) / len(x)
            std = sqrt(sum((v - mean) ** 2 for v in x) / (len(x) - 1))
            return [(v - mean) / (std + mpf(1e-7)) / temperature for v in x]

        p, q = softmax(z(logits)), softmax(z(teacher_logits))
        divergence = sum(b * log(b / a) for a, b in zip(p, q, strict=True))
        label = -log(softmax(logits)[target])
        return ce_weight * label + kd_weight * temperature**2 * divergence
