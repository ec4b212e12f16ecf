"""He et al. (2020), eq. 1, query by query; in float64, as 4096 keys are slow in many digits."""

import numpy as np
from mpmath import mpf


def reference(
    embeddings: list[list[list[mpf]]],
    labels: list[int] | None,
    temperature: mpf,
    queue_size: mpf,
    twin_momentum: mpf,
    symmetric: mpf,
    feature_dim: int,
    keys: list[list[list[mpf]]],
    queue: list[list[mpf]],
) -> list[float]:
    """-log of the positive's share among it and the queue, in one direction or both."""
    views, twins = np.array(embeddings, dtype=float), np.array(keys, dtype=float)
    kept = np.array(queue, dtype=float)
    assert kept.shape == (int(queue_size), feature_dim)
    directions = [(views[0], twins[1]), (views[1], twins[0])][: 1 + int(symmetric)]
    return [
        sum(_one(q[n], k[n], kept, float(temperature)) for q, k in directions)
        for n in range(len(views[0]))
    ]


def _one(query: np.ndarray, key: np.ndarray, queue: np.ndarray, temperature: float) -> float:
    query, key = query / np.linalg.norm(query), key / np.linalg.norm(key)
    apart = (queue - key) @ query / temperature  # each rival's score less the positive's
    top = max(0.0, apart.max())
    return top + np.log(np.exp(-top) + np.exp(apart - top).sum())
