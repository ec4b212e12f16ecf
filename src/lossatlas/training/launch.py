"""From a planned sweep to its rows: start workers, look on, and tell how it ended."""

import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.results import progress, store, sweeps
from lossatlas.results.progress import Costs
from lossatlas.results.sweeps import Planned
from lossatlas.training import pool
from lossatlas.training.config import LauncherConf
from lossatlas.training.watch import Watch


def console() -> Console:
    """Where a sweep says how far it is."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def launch(
    folder: Path, todo: list[Planned], launcher: LauncherConf, size: int, context: Any, costs: Costs
) -> None:
    """Let workers make the runs `todo` of the sweep in `folder`, `size` at once.

    `context` is that of `pool.prepare` for workers on this machine, None elsewhere. Ends the
    process with code 1 if a run failed or was not made.
    """
    root, said, size = folder.parents[1], console(), min(size, len(todo))
    problems: list[str] = []
    said.print(f"{size} at once; look on with 'lossatlas runs --sweep {folder.name}'")
    with Watch(root, todo, size, costs, said) as watch:
        if launcher.name == "local":
            problems = pool.work(folder, size, context, watch.made)
        else:
            from lossatlas.training import slurm

            slurm.work(folder, size, launcher, int(todo[0].config["threads"]))
    # The table's cache learns the new rows by that, and the next command starts at once.
    ended = progress.members(todo, store.load(root))
    for run, row, state in ended:
        if state in ("diverged", "failed"):
            said.print(f"{run.run_id}: {state}: {row['reason']}")
    if unmade := sum(state in progress.OPEN for _, _, state in ended):
        problems.append(f"{unmade} of {len(todo)} runs were not made; see {folder}")
    for problem in problems:
        said.print(f"lossatlas: {problem}")
    if problems or any(state == "failed" for _, _, state in ended):
        sys.exit(1)


def join(name: str, path: Path | None, workers: int | None) -> None:
    """Make what is missing of a sweep that was planned before, beside others who may do so.

    Raises:
        UserError: there is no such sweep in the store at `path` (None: the usual one).
    """
    root = path.resolve() if path else store.runs_dir()
    folder = sweeps.find(root, name)
    plan = sweeps.read(folder)
    threads = int(plan[0].config["threads"])
    context = pool.prepare(threads)
    table = store.load(root)
    todo = [m.planned for m in progress.members(plan, table) if m.state in progress.OPEN]
    if not todo:
        raise UserError(f"sweep {folder.name} has no run left to make")
    size = workers or pool.default_size(threads)
    launch(folder, todo, LauncherConf(), size, context, Costs(table, resources.published_rows()))
