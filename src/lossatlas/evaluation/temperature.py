"""Temperature scaling (Guo et al., 2017, arXiv:1706.04599): one number that makes scores softer or
sharper, and changes no prediction."""

import math

from torch import Tensor

LEAST, MOST = 1e-3, 1e3


def fitted(logits: Tensor, target: Tensor) -> float:
    """The T in [LEAST, MOST] that minimises the mean NLL of softmax(logits / T).

    The NLL is convex in 1/T; its minimum is found by bisection of its slope in float64, to a share
    of 1e-9 of T. Where it has none in between T is the end that it falls to: LEAST if every
    prediction is right, MOST if the scores speak against the target. Scores that are equal within
    each sample say the same at every T: then it is 1.

    Args:
        logits: (N, K) floats, N >= 1; those of a loss with a link of its own are its log p, so that
            it scales to p^(1/T), normalised.
        target: (N,) int64; or (N, K), bool or floats >= 0: equal or given shares for each class.

    Raises:
        ValueError: a logit is not finite.
    """
    if not logits.isfinite().all():
        raise ValueError("logits must be finite")
    z = logits.double()
    z = z - z.amax(1, keepdim=True)
    if not z.any():
        return 1.0
    if target.ndim == 1:
        said = z.gather(1, target[:, None])[:, 0]
    else:
        shares = target.double()
        said = (shares * z).sum(1) / shares.sum(1)

    def slope(log_t: float) -> float:
        """The derivative of the NLL in 1/T."""
        expected = ((z * math.exp(-log_t)).softmax(1) * z).sum(1)
        return (expected - said).mean().item()

    low, high = math.log(LEAST), math.log(MOST)
    if slope(low) <= 0:
        return LEAST
    if slope(high) >= 0:
        return MOST
    while high - low > 1e-9:
        middle = (low + high) / 2
        if slope(middle) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
