"""Kumar et al. (2018): the three double sums of MMCE_w, pair by pair, in many digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(
    logits: list[list[mpf]], target: list[int], lam: mpf, width: mpf, averages: mpf
) -> mpf:
    """One number for the batch."""
    with workdps(60):
        entropy, right, wrong = mpf(0), [], []
        for s, y in zip(logits, target, strict=True):
            weights = [exp(v - max(s)) for v in s]
            entropy += (max(s) + log(sum(weights)) - s[y]) / len(logits)
            (right if s.index(max(s)) == y else wrong).append(1 / sum(weights))
        if not right or not wrong:
            return entropy

        def pairs(these: list[mpf], those: list[mpf], f, g) -> mpf:  # type: ignore[no-untyped-def]
            found = sum(f(a) * g(b) * exp(-abs(a - b) / width) for a in these for b in those)
            return found / (len(these) * len(those)) ** averages

        def below(r: mpf) -> mpf:
            return 1 - r

        square = pairs(right, right, below, below) + pairs(wrong, wrong, mpf, mpf)
        square -= 2 * pairs(right, wrong, below, mpf)
        return entropy + lam * sqrt(max(square, mpf(0)))
