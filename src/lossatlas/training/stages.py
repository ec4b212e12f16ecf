"""The second stage of a sweep: more seeds for the losses that the first leaves in question."""

from pathlib import Path
from typing import Any, NamedTuple

from lossatlas.analysis import arms
from lossatlas.analysis.contenders import contenders
from lossatlas.analysis.statistics import LEAST
from lossatlas.losses import registry
from lossatlas.results import store, travel
from lossatlas.training.identity import ground


class Chosen(NamedTuple):
    """Losses, the seeds on which they were chosen, and, where there are none, why."""

    losses: list[str]
    seeds: str
    reason: str | None


def choose(config: dict[str, Any], seeds: set[int]) -> Chosen:
    """The losses that finished runs of other seeds than `seeds` leave a chance to be among the best
    of the scenario, recipe, network and data of a configuration.

    What the second stage finds chooses nothing, so that started again it has the same losses. Rows
    that were imported count.
    """
    shared, root = ground(config), Path(config["runs"] or store.runs_dir())
    table, _ = travel.with_imported(root, store.table(root))
    rows = [
        row
        for row in arms.rows(table)
        if {field: row.get(field) for field in shared} == shared
        and (row.get("loss") == arms.BASELINE or row.get("seed") not in seeds)
    ]
    found = [
        name for one in arms.conditions(rows, list(registry.index())) for name in contenders(one)
    ]
    if not found:
        where = f"{arms.setting(shared)}, recipe {shared['recipe']}, data {shared['data']}"
        reason = f"no loss has {LEAST} finished runs of other seeds beside a baseline in {where}"
        return Chosen([], "", reason)
    by = sorted({row["seed"] for row in rows if row["loss"] in found})
    return Chosen(found, ", ".join(map(str, by)), None)
