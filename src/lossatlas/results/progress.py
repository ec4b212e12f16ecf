"""How far a sweep is, what it will cost, and when it will be done: from measured runs only."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lossatlas.results.sweeps import Planned

# Runs alike in these cost alike, an epoch each; among them, those of the same loss even more so.
KIND = ("recipe", "model", "data", "batch_size", "holdout", "threads", "target")
OPEN = ("running", "interrupted", "planned")
STATES = ("done", "diverged", "failed", *OPEN)

Row = Mapping[str, Any]


class Member(NamedTuple):
    """A run of a sweep: what was planned, its row (if any) and its state."""

    planned: Planned
    row: Row
    state: str


def members(plan: Iterable[Planned], table: pd.DataFrame) -> list[Member]:
    """The runs of a plan with their rows in the table of the store; without a row: planned."""
    plan = list(plan)
    wanted = {run.run_id for run in plan}
    rows = {
        row["run_id"]: row for row in table[table["run_id"].isin(wanted)].to_dict("records")
    }  # a run in work, after an earlier failure, comes later in the table and counts
    return [
        Member(run, row, row.get("state", "planned"))
        for run in plan
        for row in [rows.get(run.run_id, {})]
    ]


class Costs:
    """Wall-clock seconds of an epoch, everything included, as medians over finished runs.

    What a store has not measured is taken from the published survey, and `borrowed` then says so.
    """

    def __init__(self, table: pd.DataFrame | None = None, published: Path | None = None):
        self._seconds: dict[tuple[Any, ...], list[float]] = defaultdict(list)
        self._published, self.borrowed = published, False
        if table is not None and {"wall_s", "epochs", *KIND} <= set(table):
            done = table[table["state"] == "done"]
            for row in done[["loss", "wall_s", "epochs", *KIND]].to_dict("records"):
                self.add(row)

    def add(self, row: Row) -> None:
        """Learn from one finished run."""
        kind = tuple(row.get(field) for field in KIND)
        if row.get("wall_s"):
            for key in (kind, (row["loss"], *kind)):
                self._seconds[key].append(row["wall_s"] / row["epochs"])

    def of(self, run: Planned) -> float | None:
        """Expected seconds of a whole run; None where nothing like it was measured."""
        conf = run.config
        known = {
            "recipe": conf["recipe"]["name"], "batch_size": conf["recipe"]["batch_size"],
            "model": conf["model"]["name"], "data": conf["data"]["name"], "target": run.target,
            "holdout": conf["holdout"], "threads": conf["threads"],
        }  # fmt: skip
        kind = tuple(known[field] for field in KIND)
        for key in ((conf["loss"]["name"], *kind), kind):
            if key in self._seconds:
                return statistics.median(self._seconds[key]) * run.epochs
        found = self._elsewhere.of(run) if self._published else None
        self.borrowed |= found is not None
        return found

    @cached_property
    def _elsewhere(self) -> "Costs":
        assert self._published is not None
        return Costs(pd.read_csv(self._published) if self._published.is_file() else None)


def left(sweep: Iterable[Member], costs: Costs, now: float) -> tuple[float, int]:
    """Seconds of work that are left, of one worker, and how many runs of unknown cost besides.

    A running run whose like was never measured is judged by its own epochs so far.
    """
    seconds, unknown = 0.0, 0
    for planned, row, state in sweep:
        if state not in OPEN:
            continue
        made = 0 if state == "planned" else row.get("epochs_made") or 0
        whole = costs.of(planned)
        if whole is None and state == "running" and made and not math.isnan(row["started"]):
            whole = (now - row["started"]) / made * planned.epochs
        if whole is None:
            unknown += 1
        else:
            seconds += whole * (1 - made / planned.epochs)
    return seconds, unknown


def describe(sweep: list[Member], costs: Costs, now: float, workers: int) -> str:
    """One line on a sweep: how many runs are in which state, and about how long it will take."""
    counts = {state: sum(member.state == state for member in sweep) for state in STATES}
    text = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    seconds, unknown = left(sweep, costs, now)
    if seconds:
        text += f"; about {duration(seconds / workers)} left with {workers} at once"
        text += ", by the timings of reports/quick" if costs.borrowed else ""
    if unknown:
        text += f"; {unknown} of a kind not measured yet"
    return text


def duration(seconds: float) -> str:
    """`45 s`, `12.5 min`, `3.2 h` or `4.1 days`."""
    for size, unit in ((86400 * 1.5, "days"), (5400, "h"), (90, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86400, 'h': 3600, 'min': 60}[unit]:.1f} {unit}"
    return f"{seconds:.0f} s"
