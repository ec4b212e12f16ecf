"""Figures: first what is drawn, as a small frame in tidy form, then the drawing; pages keep both.

Sized to be read on a phone and to stand two in a row on a screen: 5.2 inches wide, text of 8
points and more. Eight arms have a colour, of which black is the baseline's; the rest are grey.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lossatlas.analysis.across import Across
from lossatlas.analysis.arms import Arm, Condition, Found, Result, Row
from lossatlas.analysis.measures import Measure
from lossatlas.drawing import MANY, WIDTH, Axes, Figure, Picture, drawing, sns, svg
from lossatlas.evaluation.drawn import LEAST_IN_BIN, LEVELS, Drawn
from lossatlas.pages.escape import csv_cell
from lossatlas.report.phrases import percent, signed
from lossatlas.report.tables import best_first

OTHER = "#8a8a8a"
# All seven are seen on white and on black (contrast 3 and more), also by the colour-blind.
COLOURS = ("#0173b2", "#d55e00", "#029e73", "#b05fa3", "#a0702a", "#e0446e", "#6f7fd8")
PANELS = 1 + len(COLOURS)
MOST = 40  # arms in a figure
TALL = 25  # arms in a forest plot; its data have all
LINES = "#5b3f8c"  # of an arm without a colour, where grey is the baseline
CROWD = 8  # differences, from which the worse half may be drawn at the edge
TOLD = 8  # arms that an alternative text names


class Material(NamedTuple):
    """What is drawn beside the rows: a colour by label, and by row, read when it is needed, the
    epochs and what is drawn of the logits of the test images."""

    epochs: Callable[[Row], Sequence[Mapping[str, Any]]]
    outputs: Callable[[Row], Drawn | None]
    palette: Mapping[str, str]


def palette(found: Found) -> dict[str, str]:
    """A colour an arm: black for baselines, seven for those that come first in some condition.

    Losses with different judges never share a figure, so those of each get the seven.
    """
    places: dict[object, dict[str, int]] = {}
    chosen: dict[str, str] = {}
    for condition, results in found:
        mine = places.setdefault(condition.judge, {})
        for place, one in enumerate(sorted(results, key=best_first(condition))):
            if one.arm.loss == condition.against:
                chosen[one.arm.label] = "#000000"
            else:
                mine[one.arm.label] = min(place, mine.get(one.arm.label, place))
    for mine in places.values():
        first = sorted(mine, key=lambda label: mine[label])
        chosen |= dict.fromkeys(first, OTHER) | dict(zip(first, COLOURS, strict=False))
    return chosen


def forest(
    condition: Condition, results: Sequence[Result], colours: Mapping[str, str]
) -> Picture | None:
    """Differences to the reference, seeds, mean and interval; None where there are none."""
    measure = condition.measure
    told, frame = [], differences(condition, results)
    if frame.empty:
        return None
    for one in sorted(results, key=best_first(condition)):
        d = one.difference
        if one.differences:
            span = "no interval"
            if d.low is not None:
                span = f"interval {signed(d.low, measure)} to {signed(d.high, measure)}"
            told.append(f"{one.arm.label} {signed(d.mean, measure)} (n={d.n}, {span})")
    against = condition.baseline.label if condition.baseline else condition.judge.against
    what = f"difference in {measure.name} to {against}"
    seeds = "seeds" if condition.judge.untrained else "seeds against the mean of the baseline"
    where = condition.setting + condition.judge.whose
    caption = (
        f"{what[0].upper()}{what[1:]}, {where}. Dots are {seeds}, diamonds"
        " their mean, bars the 95 % t-interval; an arrow marks a mean or an end beyond the picture,"
        " where seeds are not drawn."
    ) + _left_out(min(TALL, len(told)), len(told), len(told))
    with drawing():
        figure = _forest(frame, colours, f"{measure.unit or measure.name} above {against}", measure)
        return _picture(
            figure, condition.key, "difference", caption,
            f"Forest plot of the {what}, {where}", told, frame,
        )  # fmt: skip


def gains(told: Across, colours: Mapping[str, str]) -> Picture | None:
    """The interquartile means over conditions; None without intervals, that is, for too few."""
    m = told.measure
    scale, name = _scale(m)
    shown = [one for one in told.losses if one.low is not None and one.high is not None]
    if not shown:
        return None
    frame = pd.DataFrame(
        {"loss": one.label, "seed": None, name: scale * one.iqm, "low": scale * one.low,
         "high": scale * one.high}
        for one in shown if one.low is not None and one.high is not None
    )  # fmt: skip
    texts = [f"{one.label} {signed(one.iqm, m)}" for one in shown]
    caption = (
        "Over all conditions: interquartile mean of the differences to the baseline, with the 95 % "
        "interval of a bootstrap over conditions and runs; an arrow marks what lies beyond the "
        "picture."
    ) + _left_out(min(TALL, len(shown)), len(shown), len(shown))
    with drawing():
        figure = _forest(frame, colours, f"{m.unit or m.name} above the baseline", m)
        return _picture(figure, "over_all", "gain", caption, "Forest plot of gains", texts, frame)


def pictures(condition: Condition, results: Sequence[Result], material: Material) -> list[Picture]:
    """What the data of a condition allow beside the differences, in the order to show them."""
    ranked = [one.arm for one in sorted(results, key=best_first(condition)) if one.arm.runs]
    ranked.sort(key=lambda arm: arm is not condition.baseline)
    ranked = ranked[:MOST]
    coloured = [arm for arm in ranked if material.palette[arm.label] != OTHER]
    panels = (coloured + [arm for arm in ranked if arm not in coloured])[:PANELS]
    with drawing():
        drawn = [_curves(condition, ranked, panels, material)]
        tested = {arm.label: seeds for arm in ranked if (seeds := _tested(arm, material))}
        if tested:
            shown = [arm for arm in panels if arm.label in tested]
            drawn += [
                _reliability(condition, shown, tested, material),
                _margins(condition, tested, material),
                _recalls(condition, tested),
            ]
    return [picture for picture in drawn if picture is not None]


def differences(condition: Condition, results: Sequence[Result]) -> pd.DataFrame:
    """A row an arm (its mean difference and interval), then a row a seed; in points of shares."""
    scale, name = _scale(condition.measure)
    shown = [one for one in sorted(results, key=best_first(condition)) if one.differences]
    body: list[dict[str, Any]] = []
    for one in shown:
        d = one.difference
        ends = {
            end: None if v is None else scale * v for end, v in (("low", d.low), ("high", d.high))
        }
        body.append(
            {"loss": one.arm.label, "seed": None, name: scale * (d.mean or 0), **ends, "n": d.n,
             "baseline_n": d.m, "conclusion": one.conclusion}
        )  # fmt: skip
    for one in shown:
        body += [
            {"loss": one.arm.label, "seed": s, name: scale * v} for s, v in one.differences.items()
        ]
    return pd.DataFrame(body)


def _scale(measure: Measure) -> tuple[float, str]:
    return (100, "points") if measure.unit == "points" else (1, "difference")


def _forest(
    frame: pd.DataFrame, colours: Mapping[str, str], label: str, measure: Measure
) -> Figure:
    name = frame.columns[2]
    arms, seeds = frame[frame["seed"].isna()], frame[frame["seed"].notna()]
    arms = arms.sort_values(name, ascending=measure.higher_is_better, kind="stable").tail(TALL)
    labels = [_wrap(text, 26) for text in arms["loss"]]
    close = any("\n" in a and "\n" in b for a, b in itertools.pairwise(labels))
    figure, [ax] = _canvas(1, 1, 0.85 + (0.3 if close else 0.21) * len(arms))
    left, right = _window(arms, seeds, name)
    for y, one in enumerate(arms.to_dict("records")):
        colour, mean = colours.get(one["loss"], OTHER), one[name]
        inside = left <= mean <= right
        if pd.notna(one["low"]) and one["low"] <= right and one["high"] >= left:
            low, high = np.clip([one["low"], one["high"]], left, right)
            ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
            for end, at, beyond in ((one["low"], low, "<"), (one["high"], high, ">")):
                marker = "|" if left <= end <= right else beyond
                ax.plot(at, y, marker, color=colour, markersize=6, clip_on=False)
        marker = "D" if inside else "<" if mean < left else ">"
        ax.plot(np.clip(mean, left, right), y, marker, color=colour, markersize=5, clip_on=False)
        mine = seeds.loc[seeds["loss"] == one["loss"], name]
        ax.plot(mine, [y + 0.3] * len(mine), "o", color=colour, markersize=2.5, alpha=0.8)
        text = signed(mean / _scale(measure)[0], measure)
        ax.text(1.015, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
    ax.axvline(0, color="#000000", linewidth=1)
    better = "right" if measure.higher_is_better else "left"
    ax.set(
        xlim=(left, right), ylim=(-0.7, len(arms) - 0.3), xlabel=f"{label} ({better} is better)",
    )  # fmt: skip
    ax.set_yticks(range(len(arms)), labels)
    ax.grid(axis="y", visible=False)
    return figure


def _window(arms: pd.DataFrame, seeds: pd.DataFrame, name: str) -> tuple[float, float]:
    """What a forest plot of arms, the worst first, shows: all but intervals that go on far beyond
    what was seen; of many arms the better half with 0, and as much again on either side."""

    # Without seeds, over several conditions, the intervals are what was seen: they do not run off
    # as those of few degrees of freedom do.
    def seen(some: pd.DataFrame) -> tuple[float, float]:
        beside = some[["low", "high"]].to_numpy(float).ravel()
        if len(seeds):
            beside = seeds.loc[seeds["loss"].isin(some["loss"]), name].to_numpy(float)
        values = np.array([0.0, *some[name], *beside[np.isfinite(beside)]])
        return values.min(), values.max()

    first, last = seen(arms)
    pad = 0.6 * ((last - first) or 1)
    left, right = first - pad, last + pad
    if len(arms) >= CROWD:
        low, high = seen(arms.iloc[len(arms) // 2 :])
        left, right = max(left, low - (high - low)), min(right, high + (high - low))
    left = max(left, np.nanmin([first, *arms["low"].astype(float)]))
    right = min(right, np.nanmax([last, *arms["high"].astype(float)]))
    edge = 0.03 * ((right - left) or 1)
    return left - edge, right + edge


def _curves(
    condition: Condition, arms: Sequence[Arm], panels: Sequence[Arm], material: Material
) -> Picture | None:
    """Accuracy by epoch, a panel a loss, a line a seed; behind in grey the baseline on test."""
    fields = condition.judge.by_epoch
    frame = pd.DataFrame(
        [
            (arm.label, int(run["seed"]), field, int(epoch["epoch"]), 100 * epoch[field])
            for arm in arms
            for run in arm.runs
            for epoch in material.epochs(run)
            for field in fields
            if epoch.get(field) is not None
        ],
        columns=["loss", "seed", "field", "epoch", "percent"],
    )
    tests = frame[frame["field"] == fields[0]]
    shown = [arm for arm in panels if (tests["loss"] == arm.label).any()]
    if not shown:
        return None
    figure, axes = _canvas(len(shown), 2, 1.75)
    last, told = frame["epoch"].max(), []
    for ax, arm in zip(axes, shown, strict=True):
        if condition.baseline is not None and arm is not condition.baseline:
            for _, seed in tests[tests["loss"] == condition.baseline.label].groupby("seed"):
                ax.plot(seed["epoch"], seed["percent"], color="#b0b0b0", linewidth=2.5)
        colour = material.palette[arm.label]
        colour = LINES if colour == OTHER else colour
        mine = frame[frame["loss"] == arm.label]
        dots = "o-" if last <= MANY else "-"
        for field, style in zip(fields, (dots, "--"), strict=False):
            for _, seed in mine[mine["field"] == field].groupby("seed"):
                ax.plot(
                    seed["epoch"], seed["percent"], style, color=colour, linewidth=1.2,
                    markersize=3,
                )  # fmt: skip
        ax.set_title(_wrap(arm.label, 30))
        ax.set_xticks(range(1, last + 1, max(1, last // 5)))
        means = mine[mine["field"] == fields[0]].groupby("epoch")["percent"].mean()
        told.append(f"{arm.label} from {means.iloc[0]:.1f} to {means.iloc[-1]:.1f} %")
    what = condition.judge.measure.name.removeprefix("test ")
    _outer_labels(axes, "epoch", f"{what}, %")
    alt = f"Learning curves over {last} epochs, first to last {what}, {condition.setting}"
    caption = condition.judge.curves + _left_out(len(shown), len(arms), len(condition.arms))
    return _picture(figure, condition.key, "curves", caption, alt, told, frame)


Tested = Mapping[str, Sequence[Drawn]]  # by label, what its seeds said of the test images


def _reliability(
    condition: Condition, shown: Sequence[Arm], tested: Tested, material: Material
) -> Picture:
    """Accuracy against confidence, a panel a loss, a line a seed."""
    frame = pd.DataFrame(
        [
            (label, seed.seed, *point)
            for label, seeds in tested.items()
            for seed in seeds
            for point in zip(seed.confidence, seed.accuracy, strict=True)
        ],
        columns=["loss", "seed", "confidence", "accuracy"],
    )
    figure, axes = _canvas(len(shown), 2, 2.1)
    told = []
    for ax, arm in zip(axes, shown, strict=True):
        ax.plot([0, 1], [0, 1], color="#000000", linewidth=0.8, linestyle=":")
        for _, seed in frame[frame["loss"] == arm.label].groupby("seed"):
            ax.plot(
                seed["confidence"], seed["accuracy"], "o-", color=material.palette[arm.label],
                markersize=3, linewidth=1.2,
            )  # fmt: skip
        ece, floor = (percent(arm.cell(field).mean) for field in ("test_ece", "test_ece_floor"))
        note = f"ECE {ece} %\nfloor {floor} %"
        ax.text(0.96, 0.05, note, transform=ax.transAxes, ha="right", fontsize=8)
        ax.set_title(_wrap(arm.label, 30))
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        told.append(f"{arm.label} {ece} % (floor {floor} %)")
    _outer_labels(axes, "confidence", "accuracy")
    caption = (
        "Reliability: accuracy against confidence in 15 bins of equal width, a line a seed, bins "
        f"of fewer than {LEAST_IN_BIN} images left out. Below the dotted line a model is "
        "overconfident. The floor is the ECE that a perfectly calibrated model would get."
    ) + _left_out(len(shown), len(tested), len(condition.arms))
    alt = f"Reliability diagrams with the expected calibration error, {condition.setting}"
    return _picture(figure, condition.key, "reliability", caption, alt, told, frame)


def _margins(condition: Condition, tested: Tested, material: Material) -> Picture:
    """Distribution functions of the logit margin, raw and divided by the spread of the logits."""
    frame = pd.DataFrame(
        [
            (label, seed.seed, level, margin, margin / seed.spread)
            for label, seeds in tested.items()
            for seed in seeds
            for level, margin in zip(LEVELS.tolist(), seed.margins, strict=True)
        ],
        columns=["loss", "seed", "share", "logits", "standard deviations of the logits"],
    )
    units, told = list(frame.columns[3:]), []
    figure, axes = _canvas(2, 1, 2.3)
    grey = [label for label in tested if material.palette[label] == OTHER]
    for label in (*grey, *(label for label in tested if label not in grey)):
        mine = frame[frame["loss"] == label]
        seeds = [seed for _, seed in mine.groupby("seed")]
        if label in grey:
            seeds = [mine.groupby("share", as_index=False)[units].mean()]
        for i, seed in enumerate(seeds):
            for ax, unit in zip(axes, units, strict=True):
                ax.plot(
                    seed[unit], seed["share"], color=material.palette[label],
                    label="_" if i else label, linewidth=0.8 if label in grey else 1.4,
                )  # fmt: skip
    for label in tested:
        middle = frame[(frame["loss"] == label) & (frame["share"] == LEVELS[len(LEVELS) // 2])]
        told.append(f"{label} {middle[units[1]].mean():.2f}")
    for ax, unit in zip(axes, units, strict=True):
        ax.axvline(0, color="#000000", linewidth=0.8)
        ax.margins(x=0)
        ax.set(ylim=(0, 1), xlabel=f"margin, {unit}", ylabel="share of images")
    lines = dict(zip(*axes[0].get_legend_handles_labels()[::-1], strict=True))
    named = {label: line for label, line in lines.items() if label not in grey}
    if grey:
        named["others"] = lines[grey[0]]
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=2, frameon=False
    )
    caption = (
        "Margins on the test images, the score of the true class minus the best other one: the "
        "share of images with a margin up to x, a line a seed (of those in grey, their mean). Left "
        "of zero an image is misclassified. Losses set their own scale of logits, so compare only "
        "in the lower panel."
    ) + _left_out(len(tested), len(tested), len(condition.arms))
    alt = f"Distribution of margins, the median in {units[1]}, {condition.setting}"
    return _picture(figure, condition.key, "margins", caption, alt, told, frame)


def _recalls(condition: Condition, tested: Tested) -> Picture:
    """Heat map of per-class recall, mean over seeds."""
    names = next(iter(tested.values()))[0].classes
    table = pd.DataFrame(
        {
            label: 100 * np.mean([seed.recall for seed in seeds], 0)
            for label, seeds in tested.items()
        },
        index=list(names),
    ).T
    few = len(names) <= MANY
    figure, [ax] = _canvas(1, 1, 1.1 + 0.24 * len(tested))
    sns.heatmap(
        table, ax=ax, annot=few, fmt=".0f", annot_kws={"fontsize": 8}, linewidths=0.5 * few,
        cbar=not few, cmap="cividis", vmin=10 * np.floor(np.nanmin(table) / 10), vmax=100,
        xticklabels=names if few else "auto",
        yticklabels=[_wrap(label, 26) for label in table.index],
    )  # fmt: skip
    for text, cell in zip(ax.texts, ax.collections[0].get_facecolor(), strict=False):
        # a cell stays as bright where the page is dark, so that the rule for ink must not hold
        text.set_color("#1a1a1a" if sns.utils.relative_luminance(cell) > 0.18 else "#fdfdfd")
    ax.tick_params(axis="x", rotation=60)
    ax.tick_params(axis="y", rotation=0)
    told = [
        f"{label} from {row.min():.0f} % ({row.idxmin()}) to {row.max():.0f} % ({row.idxmax()})"
        for label, row in table.iterrows()
    ]
    frame = (
        table.rename_axis("loss").reset_index().melt("loss", var_name="class", value_name="percent")
    )
    caption = "Recall of each class on the test images in %, mean over seeds."
    caption += _left_out(len(tested), len(tested), len(condition.arms))
    alt = f"Heat map of recall by class, {condition.setting}"
    return _picture(figure, condition.key, "recall", caption, alt, told, frame)


def _tested(arm: Arm, material: Material) -> list[Drawn]:
    read = (material.outputs(run) for run in arm.runs)
    return [drawn for drawn in read if drawn is not None]


def _left_out(drawn: int, kept: int, arms: int) -> str:
    """How many arms are in a figure's data only, or in the table only."""
    told = []
    if kept > drawn:
        told.append(f"{kept - drawn} more {_arms(kept - drawn)} in the data")
    if arms > kept:
        n = arms - kept
        told.append(f"{n} of the table are not" if told else f"{n} more {_arms(n)} in the table")
    return f" {', '.join(told)}." if told else ""


def _arms(n: int) -> str:
    return "arm is" if n == 1 else "arms are"


def _canvas(panels: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    down = -(-panels // columns)
    figure = Figure(figsize=(WIDTH, height * down), layout="constrained")
    share = columns > 1
    grid = figure.subplots(down, columns, squeeze=False, sharex=share, sharey=share)
    for spare in grid.flat[panels:]:
        spare.set_visible(False)
    return figure, list(grid.flat[:panels])


def _outer_labels(axes: Sequence[Axes], x: str, y: str) -> None:
    """Label a grid of two columns at its left side and below the last panel of each column."""
    for ax in axes[::2]:
        ax.set_ylabel(y)
    for ax in axes[-2:]:
        ax.set_xlabel(x)
        ax.tick_params(labelbottom=True)


def _wrap(label: str, width: int) -> str:
    lines = [""]
    for part in label.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def _picture(
    figure: Figure, key: str, name: str, caption: str, what: str, told: Sequence[str],
    frame: pd.DataFrame,
) -> Picture:  # fmt: skip
    more = len(told) - TOLD
    texts = [*told[:TOLD], *([f"and {more} more in the data"] if more > 0 else [])]
    shown = frame.copy()
    shown["loss"] = shown["loss"].map(csv_cell)
    data = shown.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return Picture(f"{key}-{name}.svg", caption, f"{what}: {'; '.join(texts)}.", svg(figure), data)
