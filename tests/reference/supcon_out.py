"""Khosla et al. (2020), eq. 2, positive by positive, in 60 digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(embeddings: list[list[list[mpf]]], labels: list[int], temperature: mpf) -> list[mpf]:
    """-1/|P(i)| sum over P(i) of log(e^(z_i z_p / t) / sum over A(i)), view 1 then view 2."""
    with workdps(60):
        views = []
        for z in embeddings[0] + embeddings[1]:
            length = sqrt(sum(a * a for a in z))
            views.append([a / length for a in z])
        classes = labels + labels
        values = []
        for i, anchor in enumerate(views):
            shares = {
                k: exp(sum(a * b for a, b in zip(anchor, other, strict=True)) / temperature)
                for k, other in enumerate(views)
                if k != i
            }
            everyone = sum(shares.values())
            terms = [-log(shares[k] / everyone) for k in shares if classes[k] == classes[i]]
            values.append(sum(terms) / len(terms))
        return values
