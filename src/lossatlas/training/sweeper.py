"""A Hydra sweeper that plans first and makes only the runs that are missing.

Hydra 1.3 cannot resume a sweep. Here every run is composed first and looked up in the store; the
plan is written beside the runs, and workers (here, or on a cluster) make what has no row yet.
Besides the product of the command line's choices, a named study (`sweep=...`) or a file gives a
list of such products.
"""

import math
import shlex
import sys
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, RangeSweep
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from lossatlas import resources, terminal, yamls
from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.names import short
from lossatlas.results import progress, store, sweeps
from lossatlas.results.progress import Costs, Member
from lossatlas.results.selection import since as parse_since
from lossatlas.results.sweeps import Planned
from lossatlas.terminal import printable
from lossatlas.training import arguments, legal
from lossatlas.training.wording import our_words

MOST_RUNS = 100_000  # of one sweep; docs/scale.md says what that many cost
RETRIED = ("failed", "diverged")


@dataclass
class ResumableSweeperConf:
    _target_: str = "hydra_plugins.lossatlas_sweeper.ResumableSweeper"
    grids: list[str] = field(default_factory=list)
    file: str | None = None  # a YAML file with `grids`
    study: str | None = None  # the sweep's name; null: that of the file or of the named study
    plan: bool = False  # show what would be made, and start nothing
    retry: list[str] = field(default_factory=list)  # make these again, too: failed, diverged
    only: str | None = None  # only runs whose id fits this pattern
    since: str | None = None  # retry only what was started since


class ResumableSweeper(Sweeper):
    """See the module; the fields are those of `ResumableSweeperConf`."""

    def __init__(
        self, grids: list[str], file: str | None, study: str | None, plan: bool,
        retry: list[str], only: str | None, since: str | None,
    ) -> None:  # fmt: skip
        self.grids = read_grids(Path(file)) if file else list(grids)
        self.plan_only, self.retry, self.only = plan, list(retry), only
        self.since = 0.0 if since is None else parse_since(since)
        self.study = study or (Path(file).stem if file else None)
        for state in self.retry:
            if state not in RETRIED:
                raise UserError(f"--retry takes {' and '.join(RETRIED)}, not {state!r}")

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's hook before `sweep`."""
        self.master = config
        self.loader = hydra_context.config_loader
        self._composed = lru_cache(maxsize=256)(self._load)
        chosen = config.hydra.runtime.choices.sweep
        if not self.study and chosen != "none":
            self.study = chosen

    def sweep(self, arguments: list[str]) -> None:
        """Plan; unless only the plan is asked for, make what is missing.

        Exits with code 1 if a run failed or could not be made.
        """
        # Not before: Hydra imports this file while it looks for plug-ins, with warnings set aside.
        from lossatlas.training import pool
        from lossatlas.training.config import Config, LauncherConf

        threads, launcher = self.master.threads, self.master.launcher
        legal.check_field(Config, "threads", threads)
        legal.check(LauncherConf, OmegaConf.to_container(launcher, resolve=True), "launcher.")
        local = launcher.name == "local"
        if local and not self.plan_only:
            pool.prepare(threads)  # its imports go on while we plan
        root, plan = self.plan(arguments)
        table = store.table(root)
        costs = Costs(table, resources.published_rows())
        members = progress.members(plan, table)
        size = launcher.workers or (pool.default_size(threads) if local else 1)
        console = terminal.console()
        store.tell_earlier(root)
        if self.plan_only:
            print(_table(members, costs, self._again))
            ahead = [m._replace(state="planned") if self._again(m) else m for m in members]
            print(progress.describe(ahead, costs, time.time(), size))
            return
        damaged = [m for m in members if m.state == "damaged"]  # left alone
        for member in damaged:
            console.print(printable(f"{member.planned.run_id}: damaged: {member.row['reason']}"))
        missing = [m for m in members if m.state in progress.OPEN or self._again(m)]
        failed = sum(m.state == "failed" and not self._again(m) for m in members)
        also = f" ({failed} failed; --retry failed makes them again)" if failed else ""
        also += f", {len(damaged)} damaged" if damaged else ""
        ended = f"{len(plan) - len(missing) - len(damaged)} finished{also}"
        console.print(f"{len(plan)} runs in {root}: {ended}, {len(missing)} to do")
        folder = sweeps.write(root, self.study, self._lines(arguments), plan)
        if missing:
            self._make(folder, plan, missing, launcher, size, costs)
        if damaged:
            sys.exit(1)

    def _make(self, folder: Path, plan: list[Planned], missing: list[Member], *how: Any) -> None:
        """Let workers make what is missing."""
        from lossatlas.training import launch

        if any(run.config["data"]["name"] == "cifar10" for run in plan):
            from lossatlas.data import cifar10

            cifar10.fetch()  # here, once, where its failure is one sentence
        for member in filter(self._again, missing):
            store.remove(folder.parents[1], member.planned.run_id)
        launch.launch(folder, [m.planned for m in missing], *how)

    def _again(self, member: Member) -> bool:
        """Is this a run that ended and is to be made again?"""
        started = member.row.get("started") or 0.0
        return member.state in self.retry and started >= self.since

    def plan(self, arguments: list[str]) -> tuple[Path, list[Planned]]:
        """The run store and every run of the sweep, each once, in order.

        Raises:
            UserError: a value is illegal, or no run is left; nothing was started yet.
        """
        from lossatlas.training.app import lr_source
        from lossatlas.training.config import resolve
        from lossatlas.training.identity import build_loss, place

        parser = OverridesParser.create(config_loader=self.loader)
        plan: dict[str, Planned] = {}
        root = store.runs_dir()
        grids = []
        for grid in self.grids or [""]:
            with our_words(Exception):
                parsed = parser.parse_overrides([*_words(grid), *arguments])
            _leave_out_sums(parsed)
            grids.append(parsed)
        if sum(map(count_runs, grids)) > MOST_RUNS:  # before anything of it is written out
            raise UserError(f"a sweep may have {MOST_RUNS:,} runs, and this one has more")
        for parsed in grids:
            for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
                for overrides in batch:
                    cfg = self._compose(tuple(overrides))
                    config = resolve(cfg)
                    root, run_id = place(config)  # wrong parameters end here, before any start
                    if self.only is None or fnmatchcase(run_id, self.only):
                        target = build_loss(config["loss"]).target
                        plan[run_id] = Planned(run_id, config, target, lr_source(cfg))
        if not plan:
            raise UserError(
                "the sweep is empty"
                if self.only is None
                else f"no run of the sweep fits {short(self.only)}"
            )
        return root, list(plan.values())

    def _compose(self, overrides: tuple[str, ...]) -> DictConfig:
        """The configuration of one run.

        Hydra needs 0.1 s for it; runs that differ in their seed alone are composed once.
        """
        apart = tuple(text for text in overrides if not text.startswith("seed="))
        cfg = self._composed(apart).copy()
        for text in overrides:
            if text.startswith("seed="):
                OmegaConf.update(cfg, "seed", text.removeprefix("seed="))
        return cfg

    def _load(self, overrides: tuple[str, ...]) -> DictConfig:
        from lossatlas.training.config import check_names

        with our_words(Exception):
            cfg = self.loader.load_sweep_config(self.master, list(overrides))
        check_names(cfg, cfg.hydra.runtime.choices)
        with flag_override(cfg, ["readonly", "struct"], False):
            del cfg["hydra"]
        return cfg

    def _lines(self, arguments: list[str]) -> list[str]:
        """The sweep's grids with the command line's choices written into them."""
        own = [shlex.quote(text) for text in arguments if not text.startswith("sweep=")]
        return [" ".join(filter(None, [grid, *own])) for grid in self.grids or [""]]


def _words(grid: str) -> list[str]:
    try:
        words = shlex.split(grid)
    except ValueError as error:
        raise UserError(f"grids: a line cannot be read ({error}): {grid}") from None
    words = [arguments.override(word) for word in words]
    if any(word.startswith("sweep=") for word in words):
        raise UserError(f"grids: a line names another sweep: {grid}")
    return words


def count_runs(overrides: list[Override]) -> float:
    """How many runs the product of some overrides has; of one key the last one counts.

    Raises:
        UserError: an override is a sweep that cannot be counted.
    """
    sizes: dict[str, float] = {}
    for one in overrides:
        length: float = 1
        if one.is_sweep_override():
            if not one.is_discrete_sweep():
                raise UserError(f"{one.input_line}: an interval has no end of values; use a list")
            value: object = one.value()
            ranges = isinstance(value, RangeSweep)
            length = _length(value) if ranges else sum(1 for _ in one.sweep_iterator())  # type: ignore[arg-type]
        sizes[one.get_key_element()] = length
    return math.prod(sizes.values())


def _length(of: RangeSweep) -> float:
    """How many values a range has, without making them."""
    try:
        return max(0, math.ceil((of.stop - of.start) / of.step))  # type: ignore[operator]
    except (ValueError, OverflowError, ZeroDivisionError):  # not a number, infinite, no step
        return math.inf


def read_grids(path: Path) -> list[str]:
    """The products of a sweep's file; raises UserError for what is no such file."""
    found = yamls.read(path)
    grids = found.get("grids") if isinstance(found, dict) else None
    if not (isinstance(grids, list) and grids and all(isinstance(grid, str) for grid in grids)):
        raise UserError(f"{path}: field 'grids' must be a list of lines like 'loss=focal seed=0'")
    return grids


def _table(members: list[Member], costs: Costs, again: Any) -> str:
    rows = []
    for member in members:
        planned, row, state = member
        if state in progress.OPEN:
            cost = costs.of(planned)
            will = progress.duration(cost) if cost else "?"
        else:
            will = "again" if again(member) else ""
        rows.append([state, planned.run_id, will, store.headline(row) or row.get("reason") or ""])
    return "\n".join(aligned(rows))


def _leave_out_sums(overrides: list[Override]) -> None:
    """Keep what cannot be used out of patterns like glob(*): `sum` without terms, broken losses."""
    for override in overrides:
        value: object = override.value()  # Hydra's annotation forgets Glob
        if override.key_or_group == "loss" and isinstance(value, Glob):
            value.exclude += [registry.SUM, *_broken(value)]


def _broken(pattern: Glob) -> list[str]:
    """The losses that fit a pattern but cannot be imported, each told on stderr."""
    found = []
    for name in pattern.filter(registry.list_losses()):
        try:
            registry.get_class(name)
        except UserError as error:
            print(f"lossatlas: left out of the pattern: {error}", file=sys.stderr)
            found.append(name)
    return found
