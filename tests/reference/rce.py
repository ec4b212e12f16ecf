"""Wang et al. (2019): the cross-entropy of the label under the prediction, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, A: mpf) -> mpf:
    """-sum_k p_k log q_k, where log q_k is log 1 = 0 for the label and A for the others."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        log_q = [mpf(0) if k == target else A for k in range(len(logits))]
        return -sum((exp(s) / total * log for s, log in zip(logits, log_q, strict=True)), mpf(0))
