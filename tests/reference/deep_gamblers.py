"""Ziyin et al. (2019): the log of the wealth that a bet leaves, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, o: mpf, pretrain: mpf, epoch: int) -> mpf:
    """-log of p_y plus a share 1/o of what is kept; before, cross-entropy without the last."""
    with workdps(60):
        scores = logits[:-1] if epoch < pretrain else logits
        top = max(scores)
        weights = [exp(s - top) for s in scores]
        won = weights[target]
        if epoch >= pretrain:
            won += weights[-1] / o
        return log(sum(weights)) - log(won)
