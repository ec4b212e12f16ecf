"""How far a sweep is, what it will cost, and when it will be done: from measured runs only."""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lossatlas import legal
from lossatlas.names import label
from lossatlas.results.sweeps import Planned

# Runs alike in these cost alike, an epoch each; among them, those of the same loss even more so.
KIND = ("recipe", "model", "data", "batch_size", "holdout", "threads", "target")
LOOSER = tuple(field for field in KIND if field not in ("batch_size", "holdout"))
SECONDS = ("wall_s", "train_s", "cpu_s")  # of a whole run, its epochs, the processor in these
N_TRAIN = 50_000  # of CIFAR-10
CLEAN = {"name": "clean"}
OPEN = ("running", "interrupted", "planned")
ENDED = ("done", "diverged")
STATES = (*ENDED, "failed", "damaged", *OPEN)

Row = Mapping[str, Any]


class Member(NamedTuple):
    """A run of a sweep: what was planned, its row (if any) and its state."""

    planned: Planned
    row: Row
    state: str


def members(plan: Iterable[Planned], table: pd.DataFrame) -> list[Member]:
    """The runs of a plan with their rows in the table of the store; without a row: planned."""
    plan = list(plan)
    found = counting(table[table["run_id"].isin({run.run_id for run in plan})])
    rows = {row["run_id"]: row for row in found.to_dict("records")}
    return [
        Member(run, row, row.get("state", "planned"))
        for run in plan
        for row in [rows.get(run.run_id, {})]
    ]


def counting(table: pd.DataFrame) -> pd.DataFrame:
    """The one row of each run that counts: its result, else what is damaged, else the last, which
    is that of a run in work after an earlier failure."""
    rank = table["state"].isin(ENDED) * 2 + (table["state"] == "damaged")
    order = table.iloc[rank.argsort(kind="stable")]
    return order.drop_duplicates("run_id", keep="last")


class Measured(NamedTuple):
    """Seconds besides the epochs and of an epoch, and training images (0: unknown), of one run."""

    besides: float
    epoch: float
    images: float

    def of(self, epochs: int, images: float) -> float:
        """The seconds of a run like it, with so many epochs and training images."""
        share = images / self.images if self.images else 1.0
        return self.besides + epochs * self.epoch * share


def images(config: Mapping[str, Any]) -> int:
    """About how many training images a run of a resolved configuration has."""
    data, recipe = config["data"], config["recipe"]
    size = max(0, (data.get("n_train") or N_TRAIN) - config["holdout"])
    size = min(size, recipe.get("train_limit") or size)
    scenario = config.get("scenario")
    if scenario in (None, CLEAN):
        return size
    return _kept(json.dumps(scenario), data.get("num_classes"), size)


@cache
def _kept(scenario: str, num_classes: int | None, size: int) -> int:
    """How many of so many images of equally large classes the scenario leaves.

    Without a number of classes they are CIFAR-10's; else they have numbers for names, since a file
    of images is not read to tell what a run may cost.
    """
    import torch  # here: most commands that look at runs do without

    from lossatlas.data import cifar10, scenarios

    names = tuple(map(str, range(num_classes))) if num_classes else cifar10.CLASSES
    with suppress(Exception):  # a damaged plan, or a scenario that asks for classes by their names
        conf = json.loads(scenario)
        legal.check(scenarios.schema(conf["name"]), conf)
        return len(scenarios.rows(conf, torch.arange(size) % len(names), names, seed=0))
    return size


def _number(value: Any) -> float:
    """A number of a row; 0 if it is missing."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


class Costs:
    """Wall-clock seconds of a run, as medians over finished runs of its kind.

    The seconds of an epoch grow with its training images; what comes before and after the epochs
    does not. What a store has not measured is taken from published results, and `borrowed` then
    says so.
    """

    def __init__(self, table: pd.DataFrame | None = None, published: Sequence[Path] = ()):
        self._measured: dict[tuple[Any, ...], list[Measured]] = defaultdict(list)
        self._published, self.borrowed = published, False
        if table is not None and {"wall_s", "epochs", *KIND} <= set(table):
            done = table[table["state"] == "done"]
            fields = ["loss", "wall_s", "epochs", *KIND, "train_s", "train_size"]
            for row in done[[field for field in fields if field in done]].to_dict("records"):
                self.add(row)

    def add(self, row: Row) -> None:
        """Learn from one finished run."""
        kind, looser = (tuple(row.get(field) for field in fields) for fields in (KIND, LOOSER))
        if row.get("wall_s") and row["epochs"]:
            train, size = _number(row.get("train_s")), _number(row.get("train_size"))
            besides = max(0.0, row["wall_s"] - train) if train else 0.0
            cost = Measured(besides, (row["wall_s"] - besides) / row["epochs"], size)
            for key in (kind, (row["loss"], *kind), looser):
                self._measured[key].append(cost)

    def of(self, run: Planned) -> float | None:
        """Expected seconds of a whole run; None where nothing like it was measured.

        Runs with as many training images count before others; the size of a batch and held-out
        images count for little, and runs that differ in them stand in where there are no others.
        """
        conf = run.config
        known = {
            "recipe": conf["recipe"]["name"], "batch_size": conf["recipe"]["batch_size"],
            "model": label(conf["model"]), "data": label(conf["data"]), "target": run.target,
            "holdout": conf["holdout"], "threads": conf["threads"],
        }  # fmt: skip
        kind, looser = (tuple(known[field] for field in fields) for fields in (KIND, LOOSER))
        size = images(conf)
        for key in ((conf["loss"]["name"], *kind), kind, looser):
            if found := self._measured.get(key):
                alike = [one for one in found if one.images and abs(one.images - size) <= 10]
                return statistics.median(one.of(run.epochs, size) for one in alike or found)
        elsewhere = self._elsewhere.of(run) if self._published else None
        self.borrowed |= elsewhere is not None
        return elsewhere

    @cached_property
    def _elsewhere(self) -> "Costs":
        tables = []
        for path in self._published:
            try:
                found = pd.read_csv(path)
                number = {c: pd.to_numeric(found[c], "coerce") for c in (*SECONDS, "epochs")}
            except (OSError, ValueError, KeyError):  # none, or damaged: nothing is known of it
                continue
            # It was made beside other work: of the time that passed, what the processor worked.
            share = (number["cpu_s"] / number["train_s"]).clip(upper=1).fillna(1)
            number |= {c: number[c] * share for c in ("wall_s", "train_s")}
            tables.append(found.assign(**number))
        return Costs(pd.concat(tables)) if tables else Costs()


def left(sweep: Iterable[Member], costs: Costs, now: float) -> tuple[float, int]:
    """Seconds of work that are left, of one worker, and how many runs of unknown cost besides.

    A running run whose like was never measured is judged by its own epochs so far.
    """
    seconds, unknown, costs.borrowed = 0.0, 0, False
    for planned, row, state in sweep:
        if state not in OPEN:
            continue
        made = 0 if state == "planned" else row.get("epochs_made") or 0
        whole = costs.of(planned)
        started = row.get("started", math.nan)
        if whole is None and state == "running" and made and not math.isnan(started):
            whole = (now - started) / made * planned.epochs
        if whole is None:
            unknown += 1
        else:
            seconds += whole * (1 - made / planned.epochs)
    return seconds, unknown


def describe(sweep: list[Member], costs: Costs, now: float, workers: int) -> str:
    """One line on a sweep: how many runs are in which state, and about how long it will take."""
    counts = {state: sum(member.state == state for member in sweep) for state in STATES}
    text = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    return "; ".join([text, *ahead(sweep, costs, now, workers)])


def ahead(sweep: Iterable[Member], costs: Costs, now: float, workers: int) -> list[str]:
    """About how long what is left of a sweep will take, as far as that is known."""
    seconds, unknown = left(sweep, costs, now)
    said = []
    if seconds:
        by = ", by the timings of the published reports" if costs.borrowed else ""
        said.append(f"about {duration(seconds / workers)} left with {workers} at once{by}")
    return said + ([f"{unknown} of a kind not measured yet"] if unknown else [])


def duration(seconds: float) -> str:
    """`45 s`, `12.5 min`, `3.2 h` or `4.1 days`."""
    for least, size, unit in ((129_600, 86_400, "days"), (5400, 3600, "h"), (90, 60, "min")):
        if seconds >= least:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
