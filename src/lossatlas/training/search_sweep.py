"""A search as an ordinary sweep: planned, read back from the run store, shown, and written down."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, flag_override

from lossatlas import resources
from lossatlas.aligned import aligned
from lossatlas.analysis.choice import standard_error
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.names import file_name, folder
from lossatlas.results import store
from lossatlas.training import arguments, trials
from lossatlas.training.config import check_names, register_configs, resolve
from lossatlas.training.identity import place
from lossatlas.training.search import RATE, Dimension, Trial, choose, dimensions, grid, random
from lossatlas.training.wording import our_words

METHODS = ("random", "grid")
MOST_TRIALS = 10_000  # of a loss
SEEDS = "seed=0,1,2"  # of the runs with the chosen values
OF_TRIALS = ("holdout", "seed", "recipe.epochs", "hydra", *store.VOLATILE)  # not of those runs


class Searched(NamedTuple):
    """A loss, its trials and the runs that they are."""

    loss: str
    dimensions: list[Dimension]
    trials: list[Trial]
    run_ids: list[str]


class Planned(NamedTuple):
    """A planned search; `cfg` is the configuration that its trials share."""

    method: str
    overrides: list[str]
    cfg: DictConfig
    name: str
    root: Path
    out: Path
    losses: list[Searched]

    @property
    def budget(self) -> int:
        """Trials of each loss."""
        return len(self.losses[0].trials)

    @property
    def sweep(self) -> list[str]:
        """The overrides that make an ordinary sweep of the trials; failed ones are made again."""
        lines = [
            f"'{_overrides(one.loss, trial)} holdout={self.cfg.holdout}'"
            for one in self.losses
            for trial in one.trials
        ]
        options = {"grids": f"[{','.join(lines)}]", "study": self.name, "retry": "[failed]"}
        return [*(f"hydra.sweeper.{key}={text}" for key, text in options.items()), *self.overrides]


class Outcome(NamedTuple):
    """What the trials of a loss scored (None: diverged), and the one to keep (None: no score)."""

    searched: Searched
    scores: list[float | None]
    chosen: Trial | None

    @property
    def best(self) -> float | None:
        """The highest score."""
        return max((score for score in self.scores if score is not None), default=None)

    def score(self, trial: Trial) -> float | None:
        """The score of one trial."""
        return self.scores[self.searched.trials.index(trial)]


def plan(
    names: Sequence[str], method: str, n: int, overrides: Sequence[str], out: Path | None = None
) -> Planned:
    """Compose every trial of a search before any starts.

    Args:
        names: ids of losses.
        method: one of METHODS.
        n: trials of each loss.
        overrides: Hydra's, of every trial; they may set `holdout` (else `trials.SHARE`).
        out: where the sweep of the chosen values will be written; None means under the run store.

    Raises:
        UserError: an unknown loss or one without a card, an unknown method, no trial, an override
            that is wrong or sets what is searched, or an `out` that is no .yaml file.
    """
    if method not in METHODS:
        raise UserError(f"method {method!r} is unknown; legal: {', '.join(METHODS)}")
    if not 1 <= n <= MOST_TRIALS:
        raise UserError(f"trials must be at least 1, not {n}, and at most {MOST_TRIALS:,}")
    overrides = [arguments.override(word) for word in overrides]
    for override in overrides:
        if any(_under(override, key) for key in ("loss", RATE, "sweep")):
            raise UserError(f"{override!r} sets what the search varies; leave it out")
    if out is not None:
        if out.suffix != ".yaml":
            raise UserError(f"{out}: the file of a sweep must end in .yaml")
        file_name(out.stem, "the name of a sweep")
        out = folder(out.parent, "--out") / out.name
        if out.is_dir():
            raise UserError(f"--out {out} is a folder")
    names = list(dict.fromkeys(names))
    found = [registry.get_card(name) for name in names]
    register_configs()
    losses = []
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        for card in found:
            cfg = _compose([*overrides, f"loss={card.id}"])
            if not any(_under(override, "holdout") for override in overrides):
                cfg.holdout = trials.held_out(resolve(cfg))
            if cfg.holdout < 1:
                raise UserError(
                    "a search selects on held-out training images; holdout must be at least 1, "
                    f"not {cfg.holdout}"
                )
            over = dimensions(card, _rate(cfg))
            asked = grid(over, n) if method == "grid" else random(over, n, cfg.seed)
            places = [_place(cfg, trial) for trial in asked]
            losses.append(Searched(card.id, over, asked, [run for _, run in places]))
    root = places[0][0]
    what = "-".join(names) if len(names) < 3 else f"{len(names)}-losses"
    name = f"search-{what}-{cfg.scenario.name}-{cfg.recipe.name}-{method}{n}"
    return Planned(method, list(overrides), cfg, name, root, out or root / f"{name}.yaml", losses)


def outcomes(planned: Planned) -> list[Outcome]:
    """The scores of exactly the planned runs, and the choice for each loss.

    Raises:
        UserError: a run is not there yet.
    """
    found = []
    for one in planned.losses:
        scores = [trials.ended(planned.root, run)["score"] for run in one.run_ids]
        chosen = choose(one.dimensions, one.trials, scores, planned.cfg.holdout)
        found.append(Outcome(one, scores, chosen))
    return found


def table(planned: Planned, found: Sequence[Outcome]) -> str:
    """Lines for a terminal; scores are shares of held-out images (or kNN accuracies) in percent."""
    rows = [["loss", "done", "diverged", "best", "defaults", "chosen", "chosen values"]]
    for one in found:
        diverged = one.scores.count(None)
        defaults = {d.key: d.default for d in one.searched.dimensions}
        tried = defaults in one.searched.trials
        rows.append([
            one.searched.loss, str(len(one.scores) - diverged), str(diverged),
            _best(one, planned.cfg.holdout),
            _percent(one.score(defaults)) if tried else "not tried",
            _percent(one.score(one.chosen)) if one.chosen else "none",
            _settings(one.chosen) if one.chosen else "",
        ])  # fmt: skip
    return "\n".join([*aligned(rows, right=(1, 2, 3, 4, 5)), "", *_protocol(planned)])


def write_sweep(planned: Planned, found: Sequence[Outcome]) -> Path:
    """Write the sweep that trains each loss with its chosen values; returns its path.

    Raises:
        UserError: every trial of every loss diverged, or the file cannot be written.
    """
    kept = shlex.join(o for o in planned.overrides if not any(_under(o, key) for key in OF_TRIALS))
    said, lines = [], []
    for one in found:
        ranges = "; ".join(f"{d.key} in {d.where}" for d in one.searched.dimensions)
        said.append(f"  {one.searched.loss}: {ranges};")
        outcome = "left out, for every trial diverged"
        if one.chosen:
            outcome = f"chosen {_percent(one.score(one.chosen))} %"
            outcome += f", best {_best(one, planned.cfg.holdout)} %"
            outcome += f", {one.scores.count(None)} diverged"
            line = f"{kept} {_overrides(one.searched.loss, one.chosen)} {SEEDS}"
            lines.append(line.strip())
        said.append(f"    {outcome}")
    if not lines:
        raise UserError("every trial diverged, so there is nothing to choose")
    header = [
        "@package hydra.sweeper",
        "Written by `lossatlas search`: every loss with the values chosen for it, no images held",
        "out, as many epochs as the recipe has.",
        *_protocol(planned),
        *said,
    ]
    text = "".join(f"# {line}\n" for line in header)
    try:
        planned.out.parent.mkdir(parents=True, exist_ok=True)
        planned.out.write_text(text + yaml.safe_dump({"grids": lines}, width=math.inf))
    except OSError as error:
        raise UserError(f"{planned.out}: cannot be written ({error.strerror})") from error
    return planned.out


def _protocol(planned: Planned) -> list[str]:
    cfg = planned.cfg
    how = "a product of even levels"
    if planned.method == "random":
        how = f"the defaults, then draws of seed {cfg.seed}"
    return [
        f"Protocol: {planned.budget} trials a loss, diverged ones included "
        f"({planned.method}: {how}),",
        f"scenario {cfg.scenario.name}, recipe {cfg.recipe.name}, data {cfg.data.name}, "
        f"epochs {cfg.recipe.epochs}, seed {cfg.seed}; scored on {cfg.holdout:,} training images",
        "held out, never on the test set: share whose predicted class is in the support of their",
        "label, or kNN accuracy for embeddings. Chosen is, within one binomial standard error of",
        "the best, the smallest rate, then what is nearest to the defaults.",
    ]


def _compose(overrides: list[str]) -> DictConfig:
    with our_words(Exception):  # Hydra raises errors of any kind over what it cannot compose
        cfg = compose("config", overrides, return_hydra_config=True)
    check_names(cfg, cfg.hydra.runtime.choices)
    with flag_override(cfg, ["readonly", "struct"], False):
        del cfg["hydra"]
    return cfg


def _rate(cfg: DictConfig) -> float:
    """The recipe's learning rate for a loss that nobody tuned."""
    loss, cfg.loss.name = cfg.loss.name, ""
    rate, cfg.loss.name = float(cfg.recipe.lr), loss
    return rate


def _place(cfg: DictConfig, trial: Trial) -> tuple[Path, str]:
    for key, value in trial.items():
        OmegaConf.update(cfg, key, value)
    return place(resolve(cfg))


def _overrides(loss: str, trial: Trial) -> str:
    return f"loss={loss} {_settings(trial)}"


def _settings(trial: Trial) -> str:
    return " ".join(f"{key}={value}" for key, value in trial.items())


def _under(override: str, group: str) -> bool:
    """Whether an override sets the key `group` or one below it."""
    key = override.lstrip("+~").partition("=")[0].partition("@")[0]
    return key == group or key.startswith((f"{group}.", f"{group}/"))


def _best(one: Outcome, holdout: int) -> str:
    if one.best is None:
        return "none"
    return f"{_percent(one.best)} ± {100 * standard_error(one.best, holdout):.2f}"


def _percent(score: float | None) -> str:
    return "diverged" if score is None else f"{100 * score:.2f}"
