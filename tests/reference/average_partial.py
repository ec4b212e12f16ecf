"""Jin & Ghahramani (2002): the mean log loss of the candidates, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: set[int]) -> mpf:
    """The candidates' cross-entropies one by one, and their mean."""
    with workdps(60):
        total = sum(exp(s - max(logits)) for s in logits)
        losses = [log(total) + max(logits) - logits[j] for j in sorted(target)]
        return sum(losses) / len(losses)
