"""Where losses lie: angles between the gradient fields of all losses, and a plane through them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.theory.fingerprint import Fingerprint, Incomparable, kind_of
from lossatlas.theory.fit import gradients_of, known


def angles(fields: Sequence[Fingerprint]) -> np.ndarray:
    """Angles (n, n) in degrees between the gradient fields of n losses.

    Zero where one loss is a positive multiple of the other (plus terms without logits), 90 where
    their gradients have nothing in common, 180 where one is the other's negative. A field is taken
    as one long vector over the design's points; the points are weighed as when the one loss is
    fitted to the other (`fit.gradients_of`), and the angle is that of the two cosines' mean.
    """
    cosines = np.array([[view.cosine(f) for f in fields] for view in map(gradients_of, fields)])
    symmetric = np.clip((cosines + cosines.T) / 2, -1, 1)
    degrees = np.degrees(np.arccos(symmetric))
    np.fill_diagonal(degrees, 0)
    return degrees


def atlas_map(names: Sequence[str] | None = None) -> pd.DataFrame:
    """Losses of logits as points of a plane, so that distances are about the angles of `angles`.

    Classical scaling (Torgerson, 1952) of the angles at the losses' default hyperparameters. The
    axes have no meaning of their own: only distances do. They are in degrees.

    Args:
        names: ids of losses; None means all. Those that are not of logits and a label, or have no
            fingerprint, are left out.

    Returns:
        Columns id, family, x, y, a row a loss. `attrs["explained"]` is the share of the squared
        distances that the plane keeps, in [0, 1].

    Raises:
        UserError: there is no loss of such a name.
    """
    rows, fields = [], []
    for name in registry.index() if names is None else names:
        family = registry.find(name).family
        try:
            if kind_of(registry.get_class(name).target) == "logits":
                fields.append(known(name, {}))
                rows.append((name, family))
        except (Incomparable, UserError):  # a draft that does not run yet has no place here
            continue
    places, explained = scaling(angles(fields))
    table = pd.DataFrame(rows, columns=["id", "family"])
    table[["x", "y"]] = places
    table.attrs["explained"] = explained
    return table


def scaling(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Classical multidimensional scaling: points (n, 2) for distances (n, n), and the share kept.

    The sign of each axis is fixed: the largest coordinate is positive.
    """
    n = len(distances)
    centre = np.eye(n) - 1 / max(n, 1)
    values, vectors = np.linalg.eigh(-0.5 * centre @ distances**2 @ centre)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    total = float(np.abs(np.linalg.eigvalsh(-0.5 * centre @ distances**2 @ centre)).sum())
    kept = np.clip(values, 0, None)
    points = np.zeros((n, 2))
    points[:, : len(kept)] = vectors * np.sqrt(kept)
    for axis in points.T:
        if n and axis[np.abs(axis).argmax()] < 0:
            axis *= -1
    return points, float(kept.sum()) / total if total else 1.0
