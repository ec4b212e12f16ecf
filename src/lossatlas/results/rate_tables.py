"""Tables of learning rates: what a file holds, and several of one rule as one.

`training.tuned` writes and uses them, files of rows carry them, reports tell of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossatlas import yamls
from lossatlas.results import files

WHERE = ("recipe", "scenario", "model", "data")  # what the rates of a table belong to
RULE = (*WHERE, "protocol")  # and how they were found: all that they have in common
Table = Mapping[str, Any]


def read(path: Path) -> dict[str, Any]:
    """The table in a file; raises UserError if it is none."""
    return files.fitting(yamls.read(path), files.RateTable, str(path))


def apart(one: Table, other: Table) -> str | None:
    """The first field that keeps two tables from being one; None if they were made by one rule."""
    return next((field for field in RULE if one[field] != other[field]), None)


def joined(*tables: Table) -> dict[str, Any]:
    """One table of several of one rule: of each loss what the first says that tells of it."""
    whole: dict[str, Any] = {field: tables[0][field] for field in RULE}
    whole |= {"chosen": {}, "said": {}, "trials": []}
    for table in tables:
        told = _told(whole)
        for field in ("chosen", "said"):
            whole[field] |= {k: v for k, v in table[field].items() if k not in told}
        whole["trials"] += [trial for trial in table["trials"] if trial["loss"] not in told]
    for field in ("chosen", "said"):
        whole[field] = dict(sorted(whole[field].items()))
    whole["trials"].sort(key=lambda trial: (trial["loss"], trial["stage"] == "full", trial["lr"]))
    return whole


def over(first: Mapping[str, Table], other: Mapping[str, Table]) -> dict[str, Table]:
    """Tables by name, those of `first` with what those of `other` tell of more losses: a sweep
    finds only the rates that are missing, and those that were there belong to it too."""
    whole = {**other, **first}
    for name in first.keys() & other.keys():
        if apart(first[name], other[name]) is None:
            whole[name] = joined(first[name], other[name])
    return whole


def _told(table: Table) -> set[str]:
    return {*table["chosen"], *table["said"], *(trial["loss"] for trial in table["trials"])}
