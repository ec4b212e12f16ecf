"""Popordanoska et al. (2022): Dirichlet densities pair by pair, in many digits."""

from mpmath import exp, fprod, gamma, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int], bandwidth: mpf, p: mpf, lam: mpf) -> mpf:
    """One number for the batch: mean cross-entropy + lam times the penalty, without sample i."""
    with workdps(60):
        n, k = len(logits), len(logits[0])
        entropy, rows = mpf(0), []
        for s, y in zip(logits, target, strict=True):
            weights = [exp(v - max(s)) for v in s]
            entropy += (max(s) + log(sum(weights)) - s[y]) / n
            rows.append([w / sum(weights) for w in weights])
        if n == 1:
            return entropy

        def density(x: list[mpf], centre: list[mpf]) -> mpf:
            alphas = [c / bandwidth + 1 for c in centre]
            beta = fprod(gamma(a) for a in alphas) / gamma(sum(alphas))
            return fprod(v ** (a - 1) for v, a in zip(x, alphas, strict=True)) / beta

        penalty = mpf(0)
        for i in range(n):
            near = [density(rows[i], rows[j]) if j != i else mpf(0) for j in range(n)]
            for c in range(k):
                own = sum(w for w, y in zip(near, target, strict=True) if y == c)
                penalty += abs(own / sum(near) - rows[i][c]) ** p / n
        return entropy + lam * penalty
