"""A Hydra sweeper that plans first and makes only the runs that are missing.

Hydra 1.3 cannot resume a sweep. Here every run is composed first and looked up in the store; the
plan is written beside the runs, and workers (here, or on a cluster) make what has no row yet.
Besides the product of the command line's choices, a named sweep (`sweep=...`) or a file gives a
list of such products. A loss that cannot be used, or does not fit the scenario, is left out of the
plan with its reason, and stops no other.
"""

import json
import math
import re
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from lossatlas import legal, resources, terminal, yamls
from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.losses import expression, registry
from lossatlas.names import short
from lossatlas.results import progress, store, sweeps, travel
from lossatlas.results.progress import Costs, Member
from lossatlas.results.selection import since as parse_since
from lossatlas.results.sweeps import LeftOut, Planned
from lossatlas.terminal import printable
from lossatlas.training import arguments, query, rates, tuned
from lossatlas.training.wording import our_words

if TYPE_CHECKING:
    from pandas import DataFrame

    from lossatlas.losses.base import Loss
    from lossatlas.training.stages import Chosen

MOST_RUNS = 100_000  # of one sweep; docs/scale.md says what that many cost
RETRIED = ("failed", "diverged")


@cache
def _value() -> re.Pattern[str]:
    """An override of a value of a configuration, not the choice of an option of a group."""
    from lossatlas.training.config import Config

    alone = "|".join(each.name for each in fields(Config) if each.name not in arguments.GROUPS)
    return re.compile(rf"\+{{0,2}}(\w+\.[\w.]+|{alone})=")


def _loss_of(options: Sequence[str]) -> str | None:
    """The loss of a run, where each option is no more than a name and that of one usable loss."""
    plain = all(re.fullmatch(r"\w+=[\w./-]+", text) for text in options)
    losses = [text.removeprefix("loss=") for text in options if text.startswith("loss=")]
    entry = registry.index().get(losses[0]) if plain and len(losses) == 1 else None
    return None if entry is None or entry.fault is not None else entry.id


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
    max_failures: int | None = None  # begin no run after so many have failed
    losses: str | None = None  # a query of losses, in the place of the grids' own
    rates: str | None = None  # find learning rates first: missing; or nothing else: only
    tables: str | None = None  # folder of their tables; null: in the run store


class Plan(NamedTuple):
    """The run store, every run of a sweep, each once, in order, and what was left out of it."""

    root: Path
    runs: list[Planned]
    left_out: list[LeftOut]


class Setting(NamedTuple):
    """What runs that differ in their seed alone share; without a loss none can be made."""

    config: dict[str, Any]
    loss: "Loss | None"
    lr_source: str
    reason: str | None  # why such a run cannot be made, or need not
    lacks: tuned.Cell | None = None  # the rate that is to be found first
    overrides: tuple[str, ...] = ()


class ResumableSweeper(Sweeper):
    """See the module; the fields are those of `ResumableSweeperConf`."""

    def __init__(self, **given: Any) -> None:
        conf = ResumableSweeperConf(**given)
        file = Path(conf.file) if conf.file else None
        self.grids, rates = read_file(file) if file else (list(conf.grids), None)
        self.plan_only, self.retry, self.only = conf.plan, list(conf.retry), conf.only
        self.since = 0.0 if conf.since is None else parse_since(conf.since)
        self.study = conf.study or (file.stem if file else None)
        self.max_failures, self.losses = conf.max_failures, conf.losses
        self.rates, self.tables = conf.rates or rates, conf.tables
        if self.rates not in (None, "missing", "only"):
            where = conf.file or "rates"
            raise UserError(f"{where}: rates must be missing or only, not {short(self.rates)}")
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
        self._parsed = lru_cache(maxsize=4096)(self._parse)
        self._setting = cache(self._set)
        self._cells: dict[tuned.Cell, tuple[str, ...]] = {}  # without a rate of their own
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
        root, plan, left_out = self.plan(arguments)
        table = store.table(root)
        costs = Costs(table, resources.published_rows())
        members = progress.members(plan, table)
        size = launcher.workers or (pool.default_size(threads) if local else 1)
        console = terminal.console()
        store.tell_earlier(root)
        how = launcher, size, costs
        if self.rates:
            unmade = self._find_rates(root, *how)
            if self.rates == "only":
                sys.exit(unmade)
            if not self.plan_only:
                root, plan, left_out = self.plan(arguments)
                table = store.table(root)
                members = progress.members(plan, table)
                costs = Costs(table, resources.published_rows())
                how = launcher, size, costs
        ahead = [m._replace(state="planned") if self._again(m) else m for m in members]
        missing = [member for member in ahead if member.state in progress.OPEN]
        if self.plan_only:
            print(_table(members, costs, self._again))
            print(progress.describe(ahead, costs, time.time(), size))
            for line in _told(left_out) + _elsewhere(root, table, missing) + _doubted(members):
                print(line)
            return
        damaged = [m for m in members if m.state == "damaged"]  # left alone
        for member in damaged:
            console.print(printable(f"{member.planned.run_id}: damaged: {member.row['reason']}"))
        failed = sum(member.state == "failed" for member in ahead)
        also = f" ({failed} failed; --retry failed makes them again)" if failed else ""
        also += f", {len(damaged)} damaged" if damaged else ""
        ended = f"{len(plan) - len(missing) - len(damaged)} finished{also}"
        cost = progress.ahead(missing, costs, time.time(), size)
        said = "; ".join([f"{ended}, {len(missing)} to do", *cost])
        console.print(f"{_runs(len(plan))} in {root}: {said}")
        for line in _told(left_out) + _elsewhere(root, table, missing) + _doubted(missing):
            console.print(line, markup=False)
        folder = sweeps.write(root, self.study, self._lines(arguments), plan, left_out)
        for member in filter(self._again, members):
            store.remove(root, member.planned.run_id)
        well = not missing or self._make(folder, [member.planned for member in missing], *how)
        if damaged or not well:
            sys.exit(1)

    def _make(self, folder: Path, missing: list[Planned], *how: Any) -> bool:
        """Let workers make what is missing of a sweep; False if a run failed or was not made."""
        from lossatlas.training import launch

        if any(run.config["data"]["name"] == "cifar10" for run in missing):
            from lossatlas.data import cifar10

            cifar10.fetch()  # here, once, where its failure is one sentence
        sweeps.limit_failures(folder, self.max_failures)
        return launch.launch(folder, missing, *how)

    def _find_rates(self, root: Path, *how: Any) -> int:
        """Find the rates that the planned runs lack, unless only the plan is asked for.

        Returns:
            1 if some were not found, else 0.
        """
        if not self._cells and self.rates == "only":
            raise UserError(
                "none of these runs takes its rate from a table: recipe.lr is given, or the loss "
                "is a sum or has no defaults"
            )
        if not self._cells:
            return 0
        cost = rates.cost(self._cells, self._trial, how[-1])
        if self.plan_only:
            print(cost)
            return 0
        terminal.console().print(printable(cost), markup=False, highlight=False)

        def make(lines: list[list[str]], plan: list[Planned]) -> None:
            missing = [
                member.planned
                for member in progress.members(plan, store.table(root))
                if member.state in progress.OPEN
            ]
            if missing:
                grids = [" ".join(map(shlex.quote, line)) for line in lines]
                self._make(sweeps.write(root, f"{self.study or 'sweep'}-rates", grids, plan),
                           missing, *how)  # fmt: skip

        out = Path(self.tables) if self.tables else root / store.TUNED
        said = rates.settle(self._cells, self._trial, make, root, out)
        for line in said:
            terminal.console().print(printable(line), markup=False, highlight=False)
        self._setting = cache(self._set)
        return int(any(line.startswith("no rate") for line in said))

    def _trial(self, overrides: Sequence[str]) -> Planned:
        """The run of some overrides, planned."""
        setting, seed = self._setting_of(overrides)
        if setting.loss is None:
            raise UserError(f"{setting.config['loss']['name']}: {setting.reason}")
        return _planned(setting, setting.loss, seed)[1]

    def _again(self, member: Member) -> bool:
        """Is this a run that ended and is to be made again?"""
        started = member.row.get("started") or 0.0
        return member.state in self.retry and started >= self.since

    def plan(self, arguments: list[str]) -> Plan:
        """Every run of the sweep, composed and looked up; nothing was started yet.

        Raises:
            UserError: a value is illegal, or no run is left.
        """
        parser = OverridesParser.create(config_loader=self.loader)
        plan: dict[str, Planned] = {}
        left_out: dict[tuple[str, str], int] = {}
        root = store.runs_dir()
        grids = []
        for words in self._grids(arguments):
            words = query.latest(words)
            value = query.value_of(words)
            asked = None if value is None else query.read(value)
            chosen = None
            if asked is not None:
                words = query.without(words)
                chosen = self._contenders(words) if asked.contenders else None
                if chosen is not None and chosen.reason is not None:
                    left_out[query.CONTENDERS, chosen.reason] = 0
                left_out |= dict.fromkeys(asked.without, 0)
                asked.found.extend(chosen.losses if chosen else [])
                if not (names := dict.fromkeys(asked.named + asked.found)):
                    continue
                words = [*words, f"loss={','.join(names)}"]
            with our_words(Exception):
                grids.append((parser.parse_overrides(words), asked.found if asked else [], chosen))
        if sum(count_runs(one[0]) for one in grids) > MOST_RUNS:  # before it is written out
            raise UserError(f"a sweep may have {MOST_RUNS:,} runs, and this one has more")
        for parsed, found, chosen in grids:
            for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None):
                for overrides in batch:
                    setting, seed = self._setting_of(overrides)
                    name = setting.config["loss"]["name"]
                    if setting.reason and (setting.loss is None or name in found):
                        what = name, setting.reason
                        left_out[what] = left_out.get(what, 0) + 1
                        continue
                    assert setting.loss is not None
                    root, run = _planned(setting, setting.loss, seed)
                    if chosen is not None and name in chosen.losses:
                        run = run._replace(chosen_on=chosen.seeds)
                    if self.only is None or fnmatchcase(run.run_id, self.only):
                        plan[run.run_id] = run
                        if setting.lacks is not None:
                            self._cells.setdefault(setting.lacks, setting.overrides)
        left = [LeftOut(loss, reason, n) for (loss, reason), n in left_out.items()]
        if not plan and self.only is not None:
            raise UserError(f"no run of the sweep fits {short(self.only)}")
        if not plan:
            more = f"; and {len(left) - 1} more such" if left[1:] else ""
            why = f": {left[0].loss}: {left[0].reason}{more}" if left else ""
            raise UserError(f"the sweep is empty{why}")
        return Plan(root, list(plan.values()), left)

    def _contenders(self, words: list[str]) -> "Chosen":
        """What `contenders()` finds beside the other words of a line."""
        from lossatlas.analysis.arms import BASELINE
        from lossatlas.training import stages
        from lossatlas.training.config import resolve

        with our_words(Exception):
            parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(words)
        ours = [one for one in parsed if one.get_key_element() == "seed"]
        if not ours or any(one.is_sweep_override() for one in parsed if one not in ours):
            raise UserError(
                f"loss={query.CONTENDERS} stands with one recipe, one scenario and some seeds, as "
                f"in 'recipe=quick scenario=clean seed=3,4', not with {short(' '.join(words))}"
            )
        swept = ours[-1].is_sweep_override()
        seeds = map(str, ours[-1].sweep_iterator() if swept else [ours[-1].value()])
        others = [text for text in words if not text.startswith("seed=")]
        config = resolve(self._compose((*others, f"loss={BASELINE}")))
        return stages.choose(config, {int(seed) for seed in seeds if seed.isdecimal()})

    def _grids(self, arguments: list[str]) -> list[list[str]]:
        """The overrides of each product, the command line's last."""
        own = arguments if self.losses is None else [*arguments, f"loss={self.losses}"]
        return [[*_words(grid), *own] for grid in self.grids or [""]]

    def _setting_of(self, overrides: Sequence[str]) -> tuple[Setting, int | None]:
        """What a run shares with others, and its seed if it differs from theirs in that alone."""
        from lossatlas.training.config import Config

        seeds = [text for text in overrides if re.fullmatch(r"seed=\d{1,16}", text)]
        if not seeds or any("${" in text for text in overrides):
            return self._setting(tuple(overrides)), None
        seed = int(seeds[-1].removeprefix("seed="))
        legal.check_field(Config, "seed", seed)
        return self._setting(tuple(text for text in overrides if text not in seeds)), seed

    def _set(self, overrides: tuple[str, ...]) -> Setting:
        from lossatlas.training import fit, teacher
        from lossatlas.training.app import lr_source
        from lossatlas.training.config import resolve
        from lossatlas.training.identity import build_loss, check_wanted

        name = ([t for t in overrides if t.startswith("loss=")] or ["loss="])[-1][5:]
        if name in registry.index():
            try:
                registry.get_class(name)
            except UserError as error:
                return Setting({"loss": {"name": name}}, None, "", str(error))
        cfg = self._compose(overrides)
        config = resolve(cfg)
        try:
            loss = build_loss(config["loss"])
        except UserError as error:  # wrong values end here, before any start
            if not _fails(config["loss"]):
                raise
            return Setting(config, None, "", str(error))
        if (reason := fit.cannot(config, loss.target)) is not None:
            return Setting(config, None, "", reason)
        try:
            check_wanted(config, loss)
            teacher.check(config, Path(config["runs"] or store.runs_dir()))
        except UserError as error:
            return Setting(config, None, "", str(error))
        needless = fit.needless(config, loss.target)
        source, cell = lr_source(cfg), tuned.cell(cfg)
        wanted = {"missing": ("default",), "only": ("default", "tuned")}.get(self.rates or "", ())
        if source in wanted and not needless and rates.can_be_found(cell.loss):
            return Setting(config, loss, source, needless, cell, overrides)
        return Setting(config, loss, source, needless)

    def _compose(self, overrides: tuple[str, ...]) -> DictConfig:
        """The configuration of one run.

        Hydra needs 0.1 s to compose one. Runs that choose the same options of every group but the
        loss share that, and loss and values are written into copies of it, the values by the same
        function of Hydra's.
        """
        from lossatlas.training.config import check_names, loss_node

        values = [text for text in overrides if _value().match(text)]
        options = [text for text in overrides if text not in values]
        if (name := _loss_of(options)) is not None:
            options.remove(f"loss={name}")
        composed, choices = self._composed(tuple(options))
        cfg = composed.copy()
        with our_words(Exception):
            if name is not None:
                cfg.loss, choices = OmegaConf.structured(loss_node(name)), choices | {"loss": name}
            ConfigLoaderImpl._apply_overrides_to_config([*map(self._parsed, values)], cfg)
        check_names(cfg, choices)
        return cfg

    def _parse(self, text: str) -> Override:
        return OverridesParser.create(config_loader=self.loader).parse_override(text)

    def _load(self, overrides: tuple[str, ...]) -> tuple[DictConfig, dict[str, Any]]:
        with our_words(Exception):
            cfg = self.loader.load_sweep_config(self.master, list(overrides))
        choices = dict(cfg.hydra.runtime.choices)
        with flag_override(cfg, ["readonly", "struct"], False):
            del cfg["hydra"]
        return cfg, choices

    def _lines(self, arguments: list[str]) -> list[str]:
        """The sweep's grids with the command line's choices written into them."""
        own = [text for text in arguments if not text.startswith("sweep=")]
        own += [] if self.losses is None else [f"loss={self.losses}"]
        quoted = [shlex.quote(text) for text in own]
        return [" ".join(filter(None, [grid, *quoted])) for grid in self.grids or [""]]


def _planned(setting: Setting, loss: "Loss", seed: int | None) -> tuple[Path, Planned]:
    """The run store and the run of a setting, at a seed of its own if one is given."""
    from lossatlas.training.identity import place

    config = setting.config if seed is None else setting.config | {"seed": seed}
    root, run_id = place(config, loss)
    return root, Planned(run_id, config, loss.target, setting.lr_source)


def _fails(conf: dict[str, Any]) -> bool:
    """Is it the loss, or one of a sum's, that cannot be built, whatever values it is given?"""
    from lossatlas.training.identity import build_loss

    terms = expression.parse(conf["terms"]) if conf["name"] == registry.SUM else []
    for name in [term.name for term in terms] or [conf["name"]]:
        try:
            if name in registry.index():
                build_loss({"name": name})
        except UserError:
            return True
    return False


def _told(left_out: list[LeftOut]) -> list[str]:
    """What was left out of a plan, a line each, under a line on all of it."""
    lines = [
        printable(f"  {o.loss}: {o.reason}" + (f" ({_runs(o.runs)})" if o.runs else ""))
        for o in left_out
    ]
    return [f"left out: {_runs(sum(o.runs for o in left_out))}", *lines] if left_out else []


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def _elsewhere(root: Path, table: "DataFrame", missing: Iterable[Member]) -> list[str]:
    """How many of the runs that are to be made other machines have made: an imported row stands for
    none here, but whoever plans hours of work wants to know of it."""
    brought = {one.row["run_id"] for one in travel.imported(root, table).runs}
    n = sum(member.planned.run_id in brought for member in missing)
    are = "is" if n == 1 else "are"
    return [f"{n} of those to be made {are} there from other machines"] if n else []


def _doubted(members: Iterable[Member]) -> list[str]:
    """Where the losses of runs are not as their cards say, a line each."""
    from lossatlas.training.identity import doubts

    losses = {json.dumps(m.planned.config["loss"]): m.planned.config for m in members}
    found = (fault for config in losses.values() for fault in doubts(config["loss"]))
    return [printable(fault) for fault in dict.fromkeys(found)]


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
            if not length:
                raise UserError(
                    f"{short(one.input_line)} gives no value; legal: a list or range of one or more"
                )
        sizes[one.get_key_element()] = length
    return math.prod(sizes.values())


def _length(of: RangeSweep) -> float:
    """How many values a range has, without making them; 0 of one without a step."""
    try:
        return max(0, math.ceil((of.stop - of.start) / of.step))  # type: ignore[operator]
    except OverflowError:  # infinite
        return math.inf
    except (ValueError, ZeroDivisionError):  # not a number
        return 0


def read_file(path: Path) -> tuple[list[str], Any]:
    """The products of a sweep's file and its `rates`; raises UserError if it is no such file."""
    found = yamls.read(path)
    found = found if isinstance(found, dict) else {}
    grids = found.get("grids")
    if not (isinstance(grids, list) and grids and all(isinstance(grid, str) for grid in grids)):
        raise UserError(f"{path}: field 'grids' must be a list of lines like 'loss=focal seed=0'")
    return grids, found.get("rates")


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
