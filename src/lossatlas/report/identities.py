"""The page of losses that are one loss."""

from collections.abc import Sequence

import pandas as pd

from lossatlas.pages import render
from lossatlas.pages.publish import Text
from lossatlas.theory.fingerprint import FAR
from lossatlas.theory.fit import EXACT
from lossatlas.theory.identities import FRESH, Identity, candidates, identities

PAGE = "identities.md"


def frame(found: Sequence[Identity]) -> pd.DataFrame:
    """A row an identity: loss, equals, other, setting, factor, residual, fresh, told."""
    return pd.DataFrame([{**one._asdict(), "equals": one.formula} for one in found])


def page(names: Sequence[str], command: str) -> dict[str, Text]:
    """The page of all identities among these losses, by the name of its file."""
    compared = candidates(names)
    found = identities(compared)
    content = {
        "identities": found,
        "losses": len(compared),
        "exact": f"{EXACT:.0e}",
        "fresh": f"{FRESH:.0e}",
        "reach": f"{FAR[-1]:g}",
        "untold": sum(not one.told for one in found),
    }
    return {PAGE: render.markdown(content, command, "identities")}
