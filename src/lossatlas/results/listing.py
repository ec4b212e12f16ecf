"""What `lossatlas runs` prints: a line a run, then a line for each sweep that is not finished."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lossatlas import resources
from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.results import progress, selection, store, sweeps, travel
from lossatlas.results.files import Damaged
from lossatlas.results.progress import OPEN, STATES, Costs, Member
from lossatlas.terminal import printable

IMPORTED = "imported"
EVERY = 2.0  # seconds between looks


class Listing(NamedTuple):
    """The chosen runs, a sentence on each sweep, and whether any of it will still change."""

    table: pd.DataFrame
    sweeps: list[str]
    open: bool


def gather(
    path: Path | None, sweep: str | None, states: Sequence[str], only: str | None, since: str | None
) -> Listing:
    """The runs of a store, or of one sweep, that are in one of the states (none given: all), whose
    id fits `only`, and that were started `since`.

    Raises:
        UserError: no such folder, sweep or state, or a moment that cannot be read.
    """
    root = store.runs_dir(path)
    if path and not root.is_dir():
        raise UserError(f"{path}: there is no such folder of runs; 'lossatlas train' makes runs")
    begun = selection.since(since) if since else None
    for state in states:
        if state not in STATES:
            raise UserError(f"--state {state!r} is unknown; legal: {', '.join(STATES)}")
    table = store.table(root)
    brought = travel.imported(root, table)
    if sweep:
        folder = sweeps.find(root, sweep)
        told, members = _told(folder, table, Costs(table, resources.published_rows()))
        table = _planned_too(table, members)
    else:
        told = _unfinished(root, table)
    table = _imported_too(table, brought, [m.planned.run_id for m in members] if sweep else None)
    keep = pd.Series(True, index=table.index)
    if states:
        keep &= table["state"].isin(states)
    if only is not None:
        keep &= selection.fits(table, only)
    if begun is not None:
        keep &= (table["started"] >= begun) if "started" in table else False
    return Listing(table[keep], told, bool(told) and bool(table["state"].isin(OPEN).any()))


def lines(listing: Listing) -> list[str]:
    """State, id, and main numbers or reason of each run; how many are in each state; the sweeps."""
    table = listing.table
    columns = ("state", "run_id", "reason", IMPORTED, *store.HEADLINES)
    rows = [
        [row["state"], row["run_id"], (store.headline(row) or _text(row["reason"])) + _from(row)]
        for row in table[[c for c in columns if c in table]].to_dict("records")
    ]
    ours = table[table[IMPORTED].isna()] if IMPORTED in table else table
    counts = ours["state"].value_counts()
    totals = [f"{counts[state]} {state}" for state in STATES if state in counts]
    totals += [f"{len(table) - len(ours)} imported"] if len(ours) < len(table) else []
    total = ", ".join(totals)
    none = "no such runs; 'lossatlas train' makes runs"
    return [*(aligned(rows) if rows else []), total or none, *listing.sweeps]


def follow(look: Callable[[], Listing]) -> None:
    """Keep the end of the listing on the screen until nothing is left to be made."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            listing = look()
            text = "\n".join(lines(listing)[-(console.height - 1) :])
            live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
            if not listing.open:
                return
            time.sleep(EVERY)


def _unfinished(root: Path, table: pd.DataFrame) -> list[str]:
    """A sentence on each sweep of the store that has runs left to make."""
    ended = set(table["run_id"][~table["state"].isin(OPEN)])
    found, costs = [], None
    for folder in sweeps.folders(root):
        with suppress(Damaged):
            if ended.issuperset(sweeps.ids(folder)):
                continue
        costs = costs or Costs(table, resources.published_rows())
        found += _told(folder, table, costs)[0]
    return found


def _told(folder: Path, table: pd.DataFrame, costs: Costs) -> tuple[list[str], list[Member]]:
    """A sentence on a sweep, and one on what is damaged of its plan; and its runs."""
    plan, wrong = sweeps.checked(folder)
    members = progress.members(plan, table)
    told = [_sentence(folder.name, members, costs)] if plan else []
    if wrong:
        told.append(f"sweep {folder.name}: damaged: {wrong}; 'lossatlas train -m' plans it anew")
    return list(map(printable, told)), members


def _sentence(name: str, members: list[Member], costs: Costs) -> str:
    """How far a sweep is, and when it will be done at the present pace."""
    workers = sum(member.state == "running" for member in members)
    text = progress.describe(members, costs, time.time(), max(1, workers))
    if not workers and any(member.state in OPEN for member in members):
        text += "; nobody works on it now"
    return f"sweep {name}: {text}"


def _planned_too(table: pd.DataFrame, members: list[Member]) -> pd.DataFrame:
    """The runs of a sweep in the order of its plan, those without a row with state planned."""
    rows = progress.counting(table).set_index("run_id", drop=False)
    names = [member.planned.run_id for member in members]
    listed = rows.reindex(names).reset_index(drop=True)
    return listed.assign(run_id=names, state=[member.state for member in members])


def _imported_too(
    table: pd.DataFrame, brought: travel.Imported, planned: Sequence[str] | None
) -> pd.DataFrame:
    """The table, then the rows that were imported (of these runs only), with where they are from in
    the column `IMPORTED`; it is not there if there are none."""
    rows: list[Mapping[str, Any]] = [
        one.row | {IMPORTED: printable(travel.machine(one.row))}
        for one in brought.runs
        if planned is None or one.row["run_id"] in planned
    ]
    if planned is None:
        rows += brought.damaged
    return travel.beside(table, pd.DataFrame(rows))


def _from(row: Mapping[str, Any]) -> str:
    return f"; imported, from {row[IMPORTED]}" if _text(row.get(IMPORTED)) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
