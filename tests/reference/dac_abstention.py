"""Thulasidasan et al. (2019): the loss from probabilities, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    alpha_final: mpf,
    alpha_init_factor: mpf,
    learn_epochs: mpf,
    epoch: int,
    epochs: int,
    start: mpf,
) -> mpf:
    """(1 - p_{K+1}) (-log(p_y / (1 - p_{K+1}))) + alpha log(1 / (1 - p_{K+1})); before, -log p_y.

    1 - p_{K+1} is the mass of the classes, summed; alpha goes in equal steps from start, already
    divided by alpha_init_factor, to alpha_final in the last epoch.
    """
    with workdps(60):
        powers = [exp(s) for s in logits]
        p = [power / sum(powers) for power in powers]
        if epoch < learn_epochs:
            return -log(p[target])
        kept = sum(p[:-1])
        alpha = start
        for _ in range(epoch - int(learn_epochs)):
            alpha += (alpha_final - start) / (epochs - 1 - learn_epochs)
        return -kept * log(p[target] / kept) - alpha * log(kept)
