"""A Hydra sweeper that makes only the runs that are missing, and shows how far they are.

Hydra 1.3 cannot resume a sweep. Here every job is composed first, its run id looked up in the
store, and finished runs are dropped before anything is launched. Besides the product of the
command line's choices, a named study (`sweep=...`) gives a list of such products.
"""

import shlex
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, flag_override
from rich.console import Console

from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.results import store


@dataclass
class ResumableSweeperConf:
    _target_: str = "hydra_plugins.lossatlas_sweeper.ResumableSweeper"
    grids: list[str] = field(default_factory=list)


@dataclass
class Planned:
    """One run of a sweep: the overrides that make it, its id, how many epochs it has."""

    overrides: tuple[str, ...]
    run_id: str
    epochs: int


class ResumableSweeper(Sweeper):
    """See the module; the launcher (joblib by default) decides how many runs go on at once."""

    def __init__(self, grids: list[str]) -> None:
        self.grids = list(grids)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's hook before `sweep`."""
        self.master = config
        self.loader = hydra_context.config_loader
        self.engine: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Plan, launch what is missing, and exit with code 1 if a run failed."""
        root, plan = self.plan(arguments)
        todo = [run for run in plan if not store.is_finished(root, run.run_id)]
        console = Console(stderr=True)
        console.print(
            f"{len(plan)} runs in {root}: {len(plan) - len(todo)} finished, {len(todo)} to do",
            highlight=False,
            soft_wrap=True,
        )
        if not todo:
            return []
        with Watch(root, todo, console):
            returns = self.engine.launch([run.overrides for run in todo], initial_job_idx=0)
        rows = [job.return_value for job in returns]  # raises what a job raised
        bad = [row for row in rows if row["state"] not in ("done", "running")]
        for row in bad:
            text = f"{row['run_id']}: {row['state']}: {row['reason']}"
            console.print(text, highlight=False, soft_wrap=True)
        if any(row["state"] == "failed" for row in bad):
            sys.exit(1)
        return list(returns)

    def plan(self, arguments: list[str]) -> tuple[Path, list[Planned]]:
        """The run store and every run of the sweep, each once, in order."""
        from lossatlas.training.config import resolve
        from lossatlas.training.run import place

        parser = OverridesParser.create(config_loader=self.loader)
        plan: dict[str, Planned] = {}
        root = store.runs_dir()
        for grid in self.grids or [""]:
            parsed = parser.parse_overrides([*shlex.split(grid), *arguments])
            _leave_out_sums(parsed)
            for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
                for overrides in batch:
                    cfg = self.loader.load_sweep_config(self.master, list(overrides))
                    with flag_override(cfg, ["readonly", "struct"], False):
                        del cfg["hydra"]
                    config = resolve(cfg)
                    root, run_id = place(config)  # wrong parameters end here, before any start
                    plan[run_id] = Planned(tuple(overrides), run_id, cfg.recipe.epochs)
        if not plan:
            raise UserError("the sweep is empty")
        return root, list(plan.values())


def _leave_out_sums(overrides: list[Override]) -> None:
    """Keep `sum`, which is no loss before its terms are given, out of patterns like glob(*)."""
    for override in overrides:
        value: object = override.value()  # Hydra's annotation forgets Glob
        if override.key_or_group == "loss" and isinstance(value, Glob):
            value.exclude.append(registry.SUM)


class Watch:
    """Looks at the run store while a sweep goes on, and says how far it is.

    On a terminal one line is kept up to date; elsewhere a line is printed as runs end.
    """

    def __init__(self, root: Path, todo: list[Planned], console: Console):
        self.root, self.todo, self.console = root, todo, console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._begin, self._since = time.monotonic(), int(time.time())
        self._at_begin = self._look()[1]
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> tuple[int, int, list[str]]:
        """Runs that ended, whole epochs that passed, and what is going on."""
        ended, epochs, going = 0, 0, []
        for run in self.todo:
            row = store.read_row(self.root / run.run_id)
            # a failure from before this sweep is being tried again
            if row and (row["state"] != "failed" or row["started"] >= self._since):
                ended, epochs = ended + 1, epochs + run.epochs
            elif (folder := self.root / ".running" / run.run_id).is_dir():
                passed = len(store.read_epochs(folder))
                epochs += passed
                going.append(f"{run.run_id.rsplit('-', 1)[0]} {passed}/{run.epochs}")
        return ended, epochs, going

    def _line(self) -> tuple[int, str]:
        ended, epochs, going = self._look()
        elapsed, left = time.monotonic() - self._begin, "time left unknown yet"
        if epochs > self._at_begin:
            passed = epochs + 0.5 * len(going)  # each run is on average halfway into an epoch
            rest = max(0.0, sum(run.epochs for run in self.todo) - passed)
            left = f"about {_minutes(elapsed / (passed - self._at_begin) * rest)} left"
        doing = f" | now: {', '.join(going[:4])}" if going else ""
        return ended, f"{ended} of {len(self.todo)} runs, {_minutes(elapsed)}, {left}{doing}"

    def _watch(self) -> None:
        if self.console.is_terminal:
            with self.console.status("starting") as status:
                while not self._stop.wait(1):
                    status.update(self._line()[1])
            self.console.print(self._line()[1], highlight=False)
            return
        shown, since = -1, 0
        while not self._stop.wait(5):
            ended, line = self._line()
            since += 1
            if ended != shown or since >= 6:
                self.console.print(line, highlight=False, soft_wrap=True)
                shown, since = ended, 0
        self.console.print(self._line()[1], highlight=False, soft_wrap=True)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
