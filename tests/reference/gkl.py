"""Cui et al. (2026): all pairs of classes of all samples, one by one, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    alpha: mpf,
    beta: mpf,
    gamma: mpf,
    temperature: mpf,
    temperature_2: mpf,
    warmup_epochs: mpf,
    teacher_logits: list[list[mpf]],
    epoch: int,
) -> mpf:
    """One number for the batch: CE + v (beta wMSE + alpha SCE)."""
    with workdps(60):

        def softmax(scores: list[mpf], by: mpf) -> list[mpf]:
            powers = [exp(s / by) for s in scores]
            return [power / sum(powers) for power in powers]

        k, n = len(logits[0]), len(logits)
        squares, weights, label, soft = mpf(0), mpf(0), mpf(0), mpf(0)
        for s, t, y in zip(logits, teacher_logits, target, strict=True):
            w = [v**gamma for v in softmax(t, temperature_2)]
            for i in range(k):
                for j in range(k):
                    squares += w[i] * w[j] * ((t[i] - t[j]) - (s[i] - s[j])) ** 2
                    weights += w[i] * w[j]
            q, p = softmax(t, temperature), softmax(s, temperature)
            soft -= sum(a * log(b) for a, b in zip(q, p, strict=True)) / n
            label -= log(softmax(s, mpf(1))[y]) / n
        v = min((epoch + 1) / warmup_epochs, mpf(1))
        return label + v * (beta * squares / 4 / weights + alpha * soft)
