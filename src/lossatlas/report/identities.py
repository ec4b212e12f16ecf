"""The page of losses that are one loss."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lossatlas.theory.fingerprint import FAR
from lossatlas.theory.fit import EXACT
from lossatlas.theory.identities import FRESH, Identity, candidates, identities


def frame(found: Sequence[Identity]) -> pd.DataFrame:
    """A row an identity: loss, equals, other, setting, factor, residual, fresh, told."""
    return pd.DataFrame([{**one._asdict(), "equals": one.formula} for one in found])


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
        "untold": sum(not one.told for one in found),
    }
