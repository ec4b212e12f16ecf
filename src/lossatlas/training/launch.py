"""From a planned sweep to its rows: start workers, look on, and tell how it ended."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.results import files, progress, store, sweeps
from lossatlas.results.files import Damaged
from lossatlas.results.progress import Costs
from lossatlas.results.sweeps import Planned
from lossatlas.terminal import console, printable
from lossatlas.training import pool
from lossatlas.training.config import LauncherConf
from lossatlas.training.watch import Watch
from lossatlas.training.worker import NOT_MADE


def launch(
    folder: Path, todo: list[Planned], launcher: LauncherConf, size: int, costs: Costs
) -> bool:
    """Let workers make the runs `todo` of the sweep in `folder`, `size` at once.

    Returns:
        False if a run failed or was not made.
    """
    root, said, size = folder.parents[1], console(), min(size, len(todo))
    problems: list[str] = []
    threads = int(todo[0].config["threads"])
    said.print(f"{size} at once; look on with 'lossatlas runs --sweep {folder.name}'")
    with Watch(root, todo, size, costs, said) as watch:
        if launcher.name == "local":
            problems = pool.work(folder, size, threads, watch.made)
        else:
            from lossatlas.training import slurm

            slurm.work(folder, size, launcher, threads)
    # The table's cache learns the new rows by that, and the next command starts at once.
    ended, reasons = progress.members(todo, store.table(root)), _not_made(folder)
    for run, row, state in ended:
        if state in ("diverged", "failed", "damaged"):
            said.print(printable(f"{run.run_id}: {state}: {row['reason']}"))
        elif state in progress.OPEN and run.run_id in reasons:
            said.print(printable(f"{run.run_id}{NOT_MADE}{reasons[run.run_id]}"))
    if (reason := sweeps.stopped(folder)) is not None:
        problems.append(reason)
    if unmade := sum(state in progress.OPEN for _, _, state in ended):
        problems.append(f"{unmade} of {len(todo)} runs were not made; see {folder}")
    for problem in problems:
        said.print(printable(f"lossatlas: {problem}"))
    return not problems and all(state not in ("failed", "damaged") for _, _, state in ended)


def _not_made(folder: Path) -> dict[str, str]:
    """Why runs of a sweep have no row, by their ids: the last word on it in its workers' logs."""
    reasons, said = {}, []
    for log in (*folder.glob("worker-*.log"), *folder.glob("slurm/*.out")):
        with suppress(OSError, Damaged), files.opened(log) as file:
            said.append((os.fstat(file.fileno()).st_mtime, file.read().decode(errors="replace")))
    for _, text in sorted(said):
        for line in text.splitlines():
            run, mark, reason = line.partition(NOT_MADE)
            if mark:
                reasons[run] = reason
    return reasons


def join(name: str, path: Path | None, workers: int | None) -> None:
    """Make what is missing of a sweep that was planned before, beside others who may do so.

    Raises:
        UserError: there is no such sweep in the store at `path` (None: the usual one).
    """
    root = store.runs_dir(path)
    folder = sweeps.find(root, name)
    plan, wrong = sweeps.checked(folder)
    if not plan:
        raise UserError(f"sweep {folder.name} has no run that can be made: {wrong}")
    if wrong:
        console().print(printable(f"lossatlas: damaged: {wrong}; the other runs are made"))
    threads = int(plan[0].config["threads"])
    table = store.table(root)
    members = progress.members(plan, table)
    todo = [m.planned for m in members if m.state in progress.OPEN]
    damaged = [m for m in members if m.state == "damaged"]
    for member in damaged:
        console().print(f"{member.planned.run_id}: damaged: {member.row['reason']}")
    if not todo:
        raise UserError(f"sweep {folder.name} has no run left to make")
    pool.prepare(threads)
    size = workers or pool.default_size(threads)
    well = launch(folder, todo, LauncherConf(), size, Costs(table, resources.published_rows()))
    if wrong or damaged or not well:
        sys.exit(1)
