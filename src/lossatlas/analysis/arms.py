"""From rows to numbers: which runs are compared with which, and the statistics of each.

An arm is one loss with one set of hyperparameters; a condition is what its arms share: scenario,
recipe, model and data. Arms of a condition are compared with the arm of the baseline in it.
"""

import itertools
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from lossatlas.analysis import statistics
from lossatlas.analysis.judges import JUDGES, Judge, judge_of
from lossatlas.analysis.measures import ACCURACY, MEASURES, Measure
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.pages.escape import printable
from lossatlas.results.travel import machine

BASELINE = "cross_entropy"
SHARED = ("scenario", "recipe", "model", "data")
SETTINGS = ("lr", "epochs", "batch_size", "weight_decay", "momentum", "teacher")
SIZE = "train_size"
OWN = ("lr", "teacher")  # settings that each loss may have of its own
TRIALS = {"synthetic": "synthetic images", "smoke": "smoke recipe"}  # data and recipes
ECE = ("test_ece", "test_ece_floor", "test_ece_floor_sd")

Row = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """One loss with one set of hyperparameters in one condition; `runs` are its rows, by seed.

    A run that several machines have made counts once, as made by the machine that has made most
    runs of the condition; the rows of the others are `elsewhere`.
    """

    label: str
    loss: str
    runs: tuple[Row, ...]
    elsewhere: tuple[Row, ...] = ()

    def by_seed(self, metric: str) -> dict[int, float]:
        """The values of a row's field, by seed."""
        return {int(run["seed"]): float(run[metric]) for run in self.runs if metric in run}

    def cell(self, metric: str) -> statistics.Cell:
        """The statistics of a row's field over the seeds that have it."""
        return statistics.cell(self.values(metric))

    def values(self, metric: str) -> list[float]:
        """The values of a row's field."""
        return list(self.by_seed(metric).values())


@dataclass(frozen=True)
class Condition:
    """The arms that can be compared with each other; `replaced` counts superseded runs.

    `trial` says why its numbers are no finding (synthetic images, the smoke recipe), if they are
    none: such a condition has no baseline and no differences. `against` is the loss that was asked
    for as baseline, whether the condition has it or not.
    """

    key: str  # for file names
    scenario: str
    setting: str  # the scenario with its parameters
    recipe: str
    model: str
    data: str
    title: str
    trial: str | None
    judge: Judge
    arms: tuple[Arm, ...]
    baseline: Arm | None
    replaced: int
    measure: Measure
    against: str


@dataclass(frozen=True)
class Result:
    """An arm in numbers; fractions, not percent.

    The difference is to the baseline, by arms, and `differences` that of each seed to the mean of
    the baseline; for embedders both are to the same encoder before training, seed by seed.
    `within` says whether the interval lies within the margin of equivalence, and `paired` is the
    difference to the baseline by seed, where enough seeds have both.
    `fresh` is the difference of the seeds alone that were made because the others put the loss
    among the best. `calibrated` says whether each seed's ECE lies within two sd of its own floor.
    """

    arm: Arm
    cell: statistics.Cell
    differences: dict[int, float]
    difference: statistics.Difference
    p_holm: float | None
    conclusion: str
    within: bool
    paired: statistics.Difference | None
    fresh: statistics.Difference | None
    diverged: int
    calibrated: bool | None

    @property
    def hint(self) -> str:
        """Where the interval lies, if only Holm's correction leaves the difference unresolved."""
        return self.difference.side if self.conclusion == "not resolved" else ""


Found = Sequence[tuple[Condition, Sequence[Result]]]  # conditions, each with its results


def rows(table: pd.DataFrame, held_out: bool = False) -> list[Row]:
    """The comparison's rows without empty fields; tuning runs (`holdout` > 0) are left out, unless
    they are asked for."""
    found: list[Row] = [{} for _ in range(len(table))]
    # Not by to_dict("records"), which fills every field of every row; by columns it is fast.
    for key, column in table.items():
        name = str(key)
        if column.dtype == float:
            held = np.isfinite(column.to_numpy())
        elif column.dtype == object:
            held = np.array([not _is_empty(v) for v in column], dtype=bool)
        else:
            held = column.notna().to_numpy()
        values = column[held].tolist()
        if pd.api.types.is_string_dtype(column):
            values = map(_text, values)
        for i, v in zip(np.flatnonzero(held).tolist(), values, strict=True):
            found[i][name] = v
    return [row for row in found if held_out or not row.get("holdout")]


@lru_cache(4096)
def _text(text: str) -> str:
    return sys.intern(printable(text))  # most are in many rows


def is_finished(row: Row) -> bool:
    """Whether a row is a result: done, or diverged."""
    return row["state"] in ("done", "diverged")


def conditions(
    runs: Sequence[Row],
    order: Sequence[str],
    against: str = BASELINE,
    measure: Measure = ACCURACY,
) -> list[Condition]:
    """Group rows into conditions and arms; `order` lists loss ids in the order to show them.

    Arms are compared with the loss `against` by `measure`, or by what counts for networks that do
    not have it.

    An arm's label names the hyperparameters that differ between arms of the loss, or that are not
    the defaults of its card, and the settings of the recipe that differ between any two runs.
    Runs that are done or diverged make the arms. A loss whose runs all failed or still run gets
    an arm without runs, so that it is not dropped. Of two runs of one arm and seed (the source of
    the loss changed) the one started later counts; of rows of one run, see `Arm`.
    """
    groups: dict[tuple[Judge, tuple[str, ...]], list[Row]] = defaultdict(list)
    for row in runs:
        if all(field in row for field in ("loss", "seed", *SHARED)):
            shared = (setting(row), *(str(row[field]) for field in SHARED))
            groups[judge_of(row.get("target")), shared].append(row)
    defaults = _defaults({row["loss"] for members in groups.values() for row in members})
    found: list[Condition] = []
    judges = list(JUDGES.values())
    for judge, shared in sorted(
        groups, key=lambda g: (judges.index(g[0]), g[1][0] != "clean", g[1])
    ):
        told, scenario, recipe, model, data = shared
        parts = [told, *([judge.key] if judge.key else [])]
        if sum(other == judge and names[0] == told for other, names in groups) > 1:
            parts += [recipe, model, data]
        arms, replaced = _arms(groups[judge, shared], order, defaults, against)
        trial = " and ".join(TRIALS[name] for name in (data, recipe) if name in TRIALS) or None
        baseline = next((arm for arm in arms if arm.loss == against and arm.runs), None)
        found.append(
            Condition(
                key=_file_name(parts, {one.key for one in found}),
                scenario=scenario,
                setting=told,
                recipe=recipe,
                model=model,
                data=data,
                trial=trial,
                title=f"{told}{judge.whose} (recipe {recipe}, model {model}, data {data})",
                judge=judge,
                arms=tuple(arms),
                baseline=None if trial or judge.untrained else baseline,
                replaced=replaced,
                measure=measure if measure in judge.measures else judge.measure,
                against=against,
            )
        )
    return found


def _file_name(parts: Sequence[str], taken: Collection[str]) -> str:
    """The parts as one short name that is not taken."""
    text = "-".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)[:60]
    numbered = (f"{text}-{number}" for number in itertools.count(2))
    return text if text not in taken else next(name for name in numbered if name not in taken)


def setting(row: Row) -> str:
    """The scenario of a row with its parameters."""
    given = {key.removeprefix("scenario."): row[key] for key in row if key.startswith("scenario.")}
    told = [f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in sorted(given.items())]
    return ", ".join([str(row["scenario"]), *told])


def results(condition: Condition) -> list[Result]:
    """The numbers of every arm; Holm's correction runs over the arms of the condition."""
    metric, margin, base = condition.measure.field, condition.measure.margin, condition.baseline
    told, untrained = prior(condition), condition.judge.untrained
    found: list[tuple[dict[int, float], statistics.Difference, statistics.Difference | None]] = []
    for arm in condition.arms:
        ours, pairs = arm.by_seed(metric), None
        if condition.trial or arm is base or (base is None and not untrained):
            found.append(({}, statistics.Difference(len(ours), 0, None), None))
        elif untrained:
            theirs = arm.by_seed(untrained)
            seeds = {s: ours[s] - theirs[s] for s in sorted(ours) if s in theirs}
            found.append((seeds, statistics.paired(ours, theirs), None))
        else:
            assert base is not None
            theirs = base.by_seed(metric)
            pairs = statistics.paired(ours, theirs)
            mean = statistics.cell(list(theirs.values())).mean
            seeds = {} if mean is None else {s: ours[s] - mean for s in sorted(ours)}
            difference = statistics.by_arms(list(ours.values()), list(theirs.values()), told)
            enough = pairs.n >= statistics.LEAST_PAIRS and pairs.low is not None
            found.append((seeds, difference, pairs if enough else None))
    # Of few seeds there is no p, so that what is not said corrects nothing either.
    adjusted = statistics.holm([d.p for _, d, _ in found])
    return [
        Result(
            arm=arm,
            cell=arm.cell(metric),
            differences=seeds,
            difference=difference,
            p_holm=p,
            conclusion=statistics.conclusion(difference, p, margin),
            within=statistics.is_within(difference, margin),
            paired=pairs,
            fresh=_fresh(arm, condition, told),
            diverged=sum(run["state"] == "diverged" for run in arm.runs),
            calibrated=_is_calibrated(arm),
        )
        for arm, (seeds, difference, pairs), p in zip(condition.arms, found, adjusted, strict=True)
    ]


def _fresh(
    arm: Arm, condition: Condition, told: statistics.Prior | None
) -> statistics.Difference | None:
    """The difference of the newest seeds alone: of those that chose no later ones either."""
    metric, base = condition.measure.field, condition.baseline
    later = [run for run in arm.runs if "chosen_on" in run and metric in run]
    chose = {seed for run in later for seed in str(run["chosen_on"]).split(", ")}
    ours = [float(run[metric]) for run in later if str(run["seed"]) not in chose]
    if base is None or not ours or not (theirs := base.values(metric)):
        return None
    return statistics.by_arms(ours, theirs, told)


def best(condition: Condition, results: Sequence[Result]) -> Result | None:
    """The loss that is shown to be better than the baseline, by most; None without one."""
    m = condition.measure
    shown = [one for one in results if one.conclusion == m.better]
    return max(shown, key=lambda one: m.sign * (one.difference.mean or 0), default=None)


def lowest(condition: Condition, field: str) -> Result | None:
    """The loss of which one measure of probabilities is shown to be lower than the baseline's, by
    most; None without one."""
    measure = MEASURES[field]
    if measure not in condition.judge.measures or condition.measure is measure:
        return None
    beside = replace(condition, measure=measure)
    return best(beside, results(beside))


def level(condition: Condition, top: Arm) -> list[tuple[Arm, statistics.Difference]]:
    """The losses that are not shown to differ from `top`, the best first, with their difference to
    it: after Holm's correction over all that are compared with it. Of those with too few seeds
    nothing is said."""
    return [(arm, d) for arm, d, p in _beside(condition, top) if p >= statistics.ALPHA]


def ahead(condition: Condition, top: Arm) -> list[Arm]:
    """The losses that are shown to be better than `top`, the best first, after Holm's correction
    over all that are compared with it."""
    return [
        arm
        for arm, d, p in _beside(condition, top)
        if p < statistics.ALPHA and condition.measure.sign * (d.mean or 0) > 0
    ]


def _beside(condition: Condition, top: Arm) -> list[tuple[Arm, statistics.Difference, float]]:
    """The other losses, the best first: arm, difference to `top`, p after Holm's correction."""
    told, metric = prior(condition), condition.measure.field
    others = [arm for arm in condition.arms if arm is not top and arm is not condition.baseline]
    differences = [
        statistics.by_arms(arm.values(metric), top.values(metric), told) for arm in others
    ]
    adjusted = statistics.holm([d.p for d in differences])
    found = [
        (arm, d, p)
        for arm, d, p in zip(others, differences, adjusted, strict=True)
        if p is not None
    ]
    rising = condition.measure.higher_is_better
    return sorted(found, key=lambda one: one[1].mean or 0, reverse=rising)


def same_weights(a: Arm, b: Arm) -> bool:
    """Whether two losses have the same seeds and left the same weights in each, as those do that
    differ by a constant."""
    ours, theirs = ({r["seed"]: r.get("weights_sha256") for r in one.runs} for one in (a, b))
    return bool(ours) and ours == theirs and None not in ours.values()


def compare(condition: Condition, a: str, b: str) -> statistics.Difference | None:
    """Loss `a` minus loss `b`, each by its arm of most seeds; None where one of them is missing.

    It was asked for by name, so it is corrected for no others.
    """
    metric = condition.measure.field
    ours, theirs = (
        next((arm.values(metric) for arm in condition.arms if arm.loss == loss), [])
        for loss in (a, b)
    )
    if not ours or not theirs or condition.trial:
        return None
    return statistics.by_arms(ours, theirs, prior(condition))


def usual_machine(condition: Condition) -> str | None:
    """The kind of machine that has made most runs of the baseline, or of all arms without one."""
    first = [condition.baseline] if condition.baseline else condition.arms
    made = Counter(machine(run) for one in first for run in one.runs)
    return max(sorted(made), key=made.__getitem__, default=None)


def prior(condition: Condition) -> statistics.Prior | None:
    """What the variances of all arms of a condition say of the next one."""
    return statistics.prior([arm.values(condition.measure.field) for arm in condition.arms])


def _arms(
    members: Sequence[Row], order: Sequence[str], defaults: Mapping[str, Row], against: str
) -> tuple[list[Arm], int]:
    def place(loss: str) -> tuple[bool, int, str]:
        return (loss != against, order.index(loss) if loss in order else len(order), loss)

    by_loss: dict[str, list[Row]] = defaultdict(list)
    for row in members:
        by_loss[row["loss"]].append(row)
    finished = list(filter(is_finished, members))
    made = Counter(map(machine, finished))
    # A run that diverged does not say how many images it had.
    sizes = Counter(row[SIZE] for row in finished if SIZE in row).most_common(1)
    usual_size = sizes[0][0] if sizes else None

    def given(row: Row, key: str) -> str:
        return str(row.get(key, usual_size if key == SIZE else None))

    latest: dict[str, float] = defaultdict(float)
    for row in members:
        latest[row["run_id"]] = max(latest[row["run_id"]], row.get("started", 0))

    def rank(row: Row) -> tuple[float, int, str, float]:
        where = machine(row)
        return latest[row["run_id"]], made[where], where, row.get("started", 0)

    arms, replaced = [], 0
    for loss in sorted(by_loss, key=place):
        mine = [row for row in by_loss[loss] if is_finished(row)]
        mine.sort(key=rank)
        own = sorted({key for row in mine for key in row if key.startswith("loss.")})
        # The terms of a sum are its name, even where all runs share them; so is what is wrapped.
        usual = {"loss.terms": None, "loss.loss": None, **defaults.get(loss, {})}
        varying = [
            k
            for k in (*own, *SETTINGS, SIZE)
            if len({given(r, k) for r in (mine if k in own or k in OWN else finished)}) > 1
            or (k in usual and any(row.get(k) != usual[k] for row in mine))
        ]
        variants: dict[tuple[str, ...], dict[int, list[Row]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for row in mine:
            variants[tuple(given(row, k) for k in varying)][int(row["seed"])].append(row)
        for values, by_seed in sorted(variants.items(), key=lambda v: (-len(v[1]), v[0])):
            # What its code did not know when it was made, or left open, is no part of a name.
            what = ", ".join(
                f"{key.removeprefix('loss.')} {v}"
                for key, v in zip(varying, values, strict=True)
                if v != "None" or not key.startswith("loss.")
            )
            runs, elsewhere = [], []
            for _, (*others, last) in sorted(by_seed.items()):
                runs.append(last)
                here = machine(last)
                away = [
                    row
                    for row in others
                    if row["run_id"] == last["run_id"] and machine(row) != here
                ]
                elsewhere += away
                replaced += len(others) - len(away)
            label = f"{loss} ({what})" if what else loss
            arms.append(Arm(label, loss, tuple(runs), tuple(elsewhere)))
        if not mine:
            arms.append(Arm(loss, loss, ()))
    return arms, replaced


def _defaults(losses: Collection[str]) -> dict[str, Row]:
    """For each loss with a card the values of its hyperparameters by that card, as in rows."""
    found = {}
    for name in losses:
        with suppress(UserError):  # without a card, or with a broken one
            stated = registry.get_card(name).hyperparameters
            found[name] = {f"loss.{key}": h.default for key, h in stated.items()}
    return found


def _is_calibrated(arm: Arm) -> bool | None:
    told = [run for run in arm.runs if all(field in run for field in ECE)]
    within = [run[ECE[0]] <= run[ECE[1]] + 2 * run[ECE[2]] for run in told]
    return all(within) if within else None


def _is_empty(v: Any) -> bool:
    return v is None or (isinstance(v, float) and not math.isfinite(v))
