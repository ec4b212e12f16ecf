"""Zhao et al. (2022): two divergences from probabilities, the label's and the others', summed."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    alpha: mpf,
    beta: mpf,
    temperature: mpf,
    warmup_epochs: mpf,
    teacher_logits: list[mpf],
    epoch: int,
) -> mpf:
    """-log p_y + w T^2 (alpha KL(b^t || b) + beta KL(q^t || q)), epochs counted from 1 in w."""
    with workdps(60):

        def parts(scores: list[mpf], by: mpf) -> tuple[list[mpf], list[mpf]]:
            powers = [exp(s / by) for s in scores]
            right = powers.pop(target)
            rest = sum(powers)
            return [right / (right + rest), rest / (right + rest)], [v / rest for v in powers]

        def kl(theirs: list[mpf], ours: list[mpf]) -> mpf:
            return sum((a * log(a / b) for a, b in zip(theirs, ours, strict=True)), mpf(0))

        (b, q), (b_teacher, q_teacher) = (
            parts(logits, temperature),
            parts(teacher_logits, temperature),
        )
        w = min((epoch + 1) / warmup_epochs, mpf(1)) * temperature**2
        label = -log(parts(logits, mpf(1))[0][0])
        return label + w * (alpha * kl(b_teacher, b) + beta * kl(q_teacher, q))
