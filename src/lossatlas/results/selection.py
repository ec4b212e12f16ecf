"""What `--since` and `--only` mean, for every command that has them."""

import re
import time
from datetime import datetime
from fnmatch import fnmatchcase

import pandas as pd

from lossatlas.errors import UserError
from lossatlas.names import short

UNITS = {"m": 60, "h": 3600, "d": 86400}


def since(text: str) -> float:
    """Seconds of Unix time for `90m`, `2h`, `3d`, `2026-11-24` or `2026-11-24T18:30`."""
    stretch = re.fullmatch(r"(\d{1,15})([mhd])", text, re.ASCII)
    if stretch:
        return time.time() - int(stretch[1]) * UNITS[stretch[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UserError(
            f"--since takes 90m, 2h, 3d or 2026-11-24T18:30, not {short(text)}"
        ) from None


def fits(table: pd.DataFrame, only: str) -> pd.Series:
    """Bool for each row: does its id fit the shell pattern `only`?"""
    found = [fnmatchcase(name, only) for name in table["run_id"]]
    return pd.Series(found, index=table.index, dtype=bool)
