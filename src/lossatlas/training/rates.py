"""A learning rate for every loss by one rule, on held-out training images, never on test.

Rates are 0.375 * 3**k. First a short stage, one epoch of a part of the images in small batches,
tried outwards until the best rate has been passed on both sides; then the recipe at its own
length from there, in the same way. Chosen is the highest score of the second stage; between those
that one run cannot tell apart the first stage decides. A rule for all: losses differ a hundredfold
in the size of their gradients, and three rates for each would favour those that happen to fit.
"""

import inspect
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossatlas.analysis import choice
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.results.progress import Costs, duration
from lossatlas.results.sweeps import Planned
from lossatlas.training import trials, tuned
from lossatlas.training.config import images
from lossatlas.training.tuned import Cell

MIDDLE, FACTOR = 0.375, 3.0
IMAGES, BATCH = 10_000, 64  # of the one epoch of the short stage
# What a trial sets itself, and what would make it another loss or recipe than the table's.
_OWN = re.compile(r"\+{0,2}(loss\.|recipe\.|seed=|holdout=|keep_train=)")
TYPICAL = {"short": 5, "full": 3}  # trials, for what a plan says of the cost


class Trial(NamedTuple):
    """A run that tries one step of the lattice: the overrides that make it, and its plan."""

    step: int
    line: list[str]
    planned: Planned


Compose = Callable[[Sequence[str]], Planned]


class Search:
    """What was tried for one cell; `wrong` says why a trial could not be made."""

    def __init__(self, cell: Cell, overrides: Sequence[str], compose: Compose):
        self.cell, self.compose = cell, compose
        self.overrides = [text for text in overrides if not _OWN.match(text)]
        planned = compose(self.overrides)
        config = planned.config
        self.n, self.held = images(config), trials.held_out(config)
        self.own = [f"holdout={self.held}", "seed=0"]
        if not KINDS[planned.target].on_embeddings:  # embedders keep no logits
            self.own.append("keep_train=1")
        recipe = config["recipe"]
        self.short = min(IMAGES, self.n - self.held)
        own = min(recipe["train_limit"] or self.n, self.n - self.held) * recipe["epochs"]
        usual = -round(math.log(tuned.steepness(cell.loss), FACTOR))
        self.stages = ("short", "full") if own > 2 * self.short else ("full",)
        self.first: Sequence[int] = (usual - 1, usual, usual + 1)
        self.near = usual  # what decides between rates that score alike at the recipe's length
        self.tried: dict[int, float | None] = {}
        self.trials: list[dict[str, Any]] = []
        self.wrong: str | None = None

    def asks(self, stage: str) -> list[Trial]:
        """The trials to be made next of a stage; none once it is settled."""
        if self.wrong or stage not in self.stages:
            return []
        own = ["recipe.epochs=1", f"recipe.batch_size={BATCH}", f"recipe.train_limit={self.short}"]
        found = []
        for step in choice.ask(self.tried, self.first, self.keep() if stage == "full" else None):
            line = [
                *self.overrides,
                *(own if stage == "short" else []),
                f"recipe.lr={rate(step)}",
                *self.own,
            ]
            try:
                found.append(Trial(step, line, self.compose(line)))
            except UserError as error:
                self.wrong = str(error)
        return [] if self.wrong else found

    def learn(self, stage: str, trial: Trial, root: Path) -> None:
        """Read what a trial scored."""
        try:
            row = trials.ended(root, trial.planned.run_id)
        except UserError as error:
            self.wrong = str(error)
            return
        score = self.tried[trial.step] = row["score"]
        self.trials.append({
            "loss": self.cell.loss, "stage": stage, "lr": rate(trial.step),
            "score": None if score is None else round(score, 4),
            "state": row["state"], "cpu_s": round(row.get("cpu_s") or 0.0, 1),
        })  # fmt: skip

    def end(self, stage: str) -> None:
        """Go on from the best step of the short stage."""
        if stage == "short" and not self.wrong and stage in self.stages:
            top = choice.best(self.tried)
            around = min(self.tried) if top is None else top
            self.first, self.near, self.tried = (around, around + 1), around, {}

    def keep(self) -> int | None:
        """The step to keep of what was tried at the recipe's own length."""
        return choice.kept(self.tried, self.held, self.near)

    def found(self) -> dict[str, Any]:
        """What a table keeps."""
        top = self.keep()
        return {
            "trials": self.trials,
            "chosen": None if top is None else rate(top),
            "said": choice.doubt(self.tried, self.held, top),
        }

    def protocol(self) -> str:
        """How the rate was found."""
        first = "the recipe at its own length, outwards until the best rate has both neighbours"
        near = "first in the middle"
        if "short" in self.stages:
            first = (
                f"first one epoch of {self.short:,} training images in batches of {BATCH}, "
                "outwards until the best rate has both neighbours; then the recipe at its own "
                "length, from the best and the next larger one, in the same way"
            )
            near = "best of the one epoch"
        return (
            f"rates {MIDDLE} x {FACTOR:g}^k; {first}; seed 0, scored on {self.held:,} other "
            "training images with the scenario's own labels: share whose predicted class is in "
            "the support of the label, or kNN accuracy for embeddings; images are counted before "
            "the scenario leaves some out, and it leaves out none of those; chosen is, of the "
            f"rates within a standard error of the highest score, the one nearest to the {near}"
        )


def rate(step: int) -> float:
    """A rate of the lattice, with four digits."""
    return float(f"{MIDDLE * FACTOR**step:.4g}")


def can_be_found(loss: str) -> bool:
    """Whether a loss has defaults for a rate to belong to: a sum or a wrapper has none."""
    empty = inspect.Parameter.empty
    return loss != registry.SUM and all(
        default is not empty for _, default in registry.hyperparameters(loss).values()
    )


def settle(
    cells: Mapping[Cell, Sequence[str]],
    compose: Compose,
    make: Callable[[list[list[str]], list[Planned]], Any],
    root: Path,
    out: Path,
) -> list[str]:
    """Find the rates of cells and write their tables below `out`; returns what to say, in lines.

    Args:
        cells: for each the overrides of a run of it.
        compose: plans the run of some overrides.
        make: makes runs, given their overrides and plans, unless they are in the store.
        root: the run store.
        out: folder of tables.
    """
    searches, said = [], []
    for cell, overrides in cells.items():
        try:
            search = Search(cell, overrides, compose)
            tuned.check(out, cell, search.protocol())
            searches.append(search)
        except UserError as error:
            said.append(_without(cell, error))
    for stage in ("short", "full"):
        while asked := [(one, trial) for one in searches for trial in one.asks(stage)]:
            make([trial.line for _, trial in asked], [trial.planned for _, trial in asked])
            for one, trial in asked:
                one.learn(stage, trial, root)
        for one in searches:
            one.end(stage)
    tables: dict[tuple[Cell, str], dict[str, Any]] = defaultdict(dict)
    for one in searches:
        if one.wrong:
            said.append(_without(one.cell, one.wrong))
            continue
        found = one.found()
        tables[one.cell._replace(loss=""), one.protocol()][one.cell.loss] = found
        seconds = sum(trial["cpu_s"] for trial in one.trials)
        doubt = f"; {found['said']}" if found["said"] else ""
        found_rate = found["chosen"] or "of the recipe"
        said.append(
            f"{one.cell.loss} in {one.cell.scenario}, {one.cell.recipe}: rate {found_rate} "
            f"after {len(one.trials)} trials, {seconds:.0f} CPU s{doubt}"
        )
    for (where, protocol), found in tables.items():
        try:
            said.append(f"wrote {tuned.write(out, where, protocol, found)}")
        except UserError as error:
            said.append(f"no rate kept for {', '.join(found)} in {where.scenario}: {error}")
    return said


def _without(cell: Cell, why: object) -> str:
    return f"no rate for {cell.loss} in {cell.scenario}: {why}"


def cost(cells: Mapping[Cell, Sequence[str]], compose: Compose, costs: Costs) -> str:
    """A line on what the rates of cells will cost, and one for each that cannot be found."""
    seconds, wrong = [], []
    for cell, overrides in cells.items():
        search = Search(cell, overrides, compose)
        asked = [(s, search.asks(s)[:1]) for s in search.stages]
        each = [(TYPICAL[s], costs.of(one.planned)) for s, first in asked for one in first]
        seconds += [n * (one or math.nan) for n, one in each]
        if search.wrong:
            wrong.append("\n" + _without(cell, search.wrong))
    known = [one for one in seconds if not math.isnan(one)]
    about = (
        f"about {duration(sum(known))} of one worker" if known else "nothing like it was measured"
    )
    more = "" if len(known) in (0, len(seconds)) else ", and some of a kind not measured yet"
    return f"rates to be found first: {len(cells)}, {about}{more}{''.join(wrong)}"
