"""The page of losses that are one loss."""

from collections.abc import Sequence
from typing import Any

from lossatlas.theory.fingerprint import CLASSES, FAR
from lossatlas.theory.fit import EXACT
from lossatlas.theory.identities import FEWER, FRESH, candidates, identities


def content(names: Sequence[str]) -> dict[str, Any]:
    """What the page says: all identities among these losses."""
    compared = candidates(names)
    found = identities(compared)
    return {
        "identities": found,
        "losses": len(compared),
        "exact": f"{EXACT:.0e}",
        "fresh": f"{FRESH:.0e}",
        "reach": f"{FAR[-1]:g}",
        "classes": CLASSES,
        "few": FEWER,
        "alone": sum(not one.fewer for one in found),
        "untold": sum(not one.told for one in found),
    }
