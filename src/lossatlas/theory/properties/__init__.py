"""One file per group of properties; importing this package registers every check."""

from lossatlas.theory.properties import (
    bounds,
    calibration,
    contracts,
    curvature,
    embeddings,
    integrability,
    invariance,
    margins,
    noise,
    precision,
    properness,
    slopes,
    symmetry,
    weights,
)

__all__ = [
    "bounds", "calibration", "contracts", "curvature", "embeddings", "integrability", "invariance",
    "margins", "noise", "precision", "properness", "slopes", "symmetry", "weights",
]  # fmt: skip
