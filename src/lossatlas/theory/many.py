"""Checks of many losses at once."""

import sys
from collections.abc import Sequence
from typing import Any

from lossatlas.errors import UserError
from lossatlas.spread import spread
from lossatlas.theory.records import Record, check


def check_many(
    names: Sequence[str],
    only: list[str] | None,
    jobs: int,
    fresh: bool = False,
    classes: int | None = None,
    keep: bool = False,
) -> list[list[Record]]:
    """The records of each loss, computed in `jobs` processes; progress goes to stderr.

    Each loss's records are stored as soon as they are made, so that an interrupted check goes on
    where it stopped. Of several losses, one that cannot be checked is told on stderr and left out.
    """
    if len(names) == 1:
        return [check(names[0], only, fresh, classes, keep)]
    done: list[list[Record]] = []
    each = ((name, only, fresh, classes, keep) for name in names)
    for records in spread(_or_none, each, jobs):
        done.append(records)
        _tell(records, len(done), len(names))
    return [records for records in done if records]


def _or_none(name: str, *how: Any) -> list[Record]:
    try:
        return check(name, *how)
    except UserError as error:
        print(f"lossatlas: {error}", file=sys.stderr)
        return []


def _tell(records: list[Record], done: int, of: int) -> None:
    if sys.stderr.isatty() and records:
        print(f"\r{done}/{of} {records[0]['loss']:<30}", end="", file=sys.stderr, flush=True)
        if done == of:
            print(file=sys.stderr)
