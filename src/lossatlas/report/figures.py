"""Figures of a condition as SVG with their alternative text; every seed is drawn.

Sized to be read on a phone: 5.2 inches wide, text of 8 points and more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from lossatlas.analysis.arms import Arm, Condition, Result, Row
from lossatlas.analysis.judges import JUDGES, Judge, judge_of
from lossatlas.drawing import MANY, WIDTH, Axes, Figure, Picture, drawing, sns, svg
from lossatlas.evaluation.drawn import LEAST_IN_BIN, LEVELS, Drawn
from lossatlas.report.tables import best_first, percent, signed

OTHER = "#8a8a8a"
MOST = 40  # arms in a figure, and fewer (but eight) where they have more than
LINES = 300  # seeds in all: more could not be told apart, and would fill the memory


class Material(NamedTuple):
    """What is drawn beside the rows: a colour by loss, and by row, read when it is needed, the
    epochs and what is drawn of the logits of the test images."""

    epochs: Callable[[Row], Sequence[Mapping[str, Any]]]
    outputs: Callable[[Row], Drawn | None]
    palette: Mapping[str, str]


class Tested(NamedTuple):
    """An arm with what its seeds said of the test images."""

    arm: Arm
    seeds: list[Drawn]


def colours(losses: Sequence[str], judges: Mapping[str, Judge], against: str) -> dict[str, str]:
    """A colour a loss: black for the baseline, seven colour-blind-safe ones, grey for the rest.

    Losses with different judges never share a figure, so those of each get the seven.
    """
    palette = [c for i, c in enumerate(sns.color_palette("colorblind").as_hex()) if i != 7][:7]
    chosen = {against: "#000000"}
    for judge in JUDGES.values():
        mine = [n for n in losses if judges.get(n, judge_of(None)) == judge and n != against]
        chosen |= dict.fromkeys(mine, OTHER) | dict(zip(mine, palette, strict=False))
    return chosen


def pictures(condition: Condition, results: Sequence[Result], material: Material) -> list[Picture]:
    """All figures that the data of a condition allow, in the order to show them.

    Where there are too many arms, the baseline and those of the highest mean are drawn; captions
    say so.
    """
    arms, seeds = len(condition.arms), max(len(arm.runs) for arm in condition.arms)
    most = min(MOST, max(8, LINES // max(1, seeds)))
    if arms > most:
        key = best_first(condition)
        best = sorted(results, key=lambda one: (one.arm is not condition.baseline, key(one)))
        labels = {one.arm.label for one in best[:most]}
        results = [one for one in results if one.arm.label in labels]
        condition = replace(condition, arms=tuple(one.arm for one in results))
    with drawing():
        drawn = [differences(condition, results, material), curves(condition, material)]
        tested = _tested(condition, material)
        if tested:
            drawn += [
                reliability(condition, tested, material),
                margins(condition, tested, material),
                recalls(condition, tested),
            ]
        found = [picture for picture in drawn if picture is not None]
    if arms > most:
        best_of = "the baseline and the best" if condition.baseline else "the best"
        left = most - (condition.baseline is not None)
        note = f" Of {arms} rows of the table, {best_of} {left} are drawn."
        found = [picture._replace(caption=picture.caption + note) for picture in found]
    return found


def differences(
    condition: Condition, results: Sequence[Result], material: Material
) -> Picture | None:
    """Forest plot: every seed's difference to the reference, the mean and its t-interval."""
    shown = sorted(
        (one for one in results if one.differences), key=lambda one: one.difference.mean or 0
    )
    if not shown:
        return None
    measure = condition.measure
    scale = 100 if measure.unit == "points" else 1
    figure, [ax] = _canvas(1, 1, 0.9 + 0.42 * len(shown))
    dots = [0.0, *(scale * d for one in shown for d in one.differences.values())]
    # an interval of two seeds may be far wider than all that was seen: it is cut, with an arrow
    pad = 0.8 * (max(dots) - min(dots) or 1)
    left, right = min(dots) - pad, max(dots) + pad
    told: list[str] = []
    unit = f" {measure.unit}".rstrip()
    for y, one in enumerate(shown):
        d, colour = one.difference, material.palette[one.arm.loss]
        if d.low is not None and d.high is not None:
            low, high = scale * d.low, scale * d.high
            ax.plot([max(low, left), min(high, right)], [y, y], color=colour, linewidth=1.5)
            for end, marker in ((low, "<"), (high, ">")):
                inside = left <= end <= right
                ax.plot(
                    np.clip(end, left, right), y, "|" if inside else marker,
                    color=colour, markersize=7, clip_on=False,
                )  # fmt: skip
        ax.plot(scale * (d.mean or 0), y, "D", color=colour, markersize=6)
        for value in one.differences.values():
            ax.plot(scale * value, y + 0.24, "o", color=colour, markersize=4, alpha=0.75)
        span = "no interval"
        if d.low is not None:
            span = f"interval {signed(d.low, measure)} to {signed(d.high, measure)}"
        told.insert(0, f"{one.arm.label} {signed(d.mean, measure)}{unit} (n={d.n}, {span})")
    against = condition.baseline.label if condition.baseline else condition.judge.against
    ax.axvline(0, color="black", linewidth=1)
    ax.set(
        xlim=(left, right),
        ylim=(-0.6, len(shown) - 0.3),
        xlabel=f"{measure.unit or measure.name} above {against}",
    )
    ax.set_yticks(range(len(shown)), [_wrap(one.arm.label) for one in shown])
    ax.grid(axis="y", visible=False)
    what = f"difference in {measure.name} to {against}"
    seeds = "seeds" if condition.judge.untrained else "seeds against the mean of the baseline"
    caption = (
        f"The {what}: dots are {seeds}, diamonds their mean, bars the 95 % t-interval; an arrow "
        "marks an interval that goes on beyond the picture."
    )
    return _picture(figure, condition, "difference", caption, f"Forest plot of the {what}", told)


def curves(condition: Condition, material: Material) -> Picture | None:
    """Accuracy by epoch, a panel a loss, a line a seed; behind in grey the baseline on test."""
    fields = condition.judge.by_epoch

    def lines(arm: Arm) -> dict[str, list[tuple[list[int], list[float]]]]:
        runs = [material.epochs(run) for run in arm.runs]
        held = {f: [[e for e in epochs if e.get(f) is not None] for epochs in runs] for f in fields}
        return {
            field: [([e["epoch"] for e in es], [100 * e[field] for e in es]) for es in seeds if es]
            for field, seeds in held.items()
        }

    read = [(arm, lines(arm)) for arm in condition.arms]
    shown = [(arm, held) for arm, held in read if held[fields[0]]]
    if not shown:
        return None
    figure, axes = _canvas(len(shown), 2, 1.75)
    last = max(xs[-1] for _, held in shown for xs, _ in held[fields[0]])
    baseline = [
        line for arm, held in shown if arm is condition.baseline for line in held[fields[0]]
    ]
    told = []
    for ax, (arm, held) in zip(axes, shown, strict=True):
        for xs, ys in baseline if arm is not condition.baseline else ():
            ax.plot(xs, ys, color="#b0b0b0", linewidth=2.5)
        for field, style in zip(fields, ("o-", "--"), strict=False):
            for xs, ys in held[field]:
                ax.plot(
                    xs, ys, style, color=material.palette[arm.loss], linewidth=1.2, markersize=3
                )
        ax.set_title(_wrap(arm.label, 30))
        ax.set_xticks(range(1, last + 1, max(1, last // 5)))
        ends = [(ys[0], ys[-1]) for _, ys in held[fields[0]]]
        told.append("{} from {:.1f} to {:.1f} %".format(arm.label, *np.mean(ends, 0)))
    what = condition.judge.measure.name.removeprefix("test ")
    _outer_labels(axes, "epoch", f"{what}, %")
    alt = f"Learning curves over {last} epochs, first to last {what}"
    return _picture(figure, condition, "curves", condition.judge.curves, alt, told)


def reliability(condition: Condition, tested: Sequence[Tested], material: Material) -> Picture:
    """Accuracy against confidence, a panel a loss, a line a seed."""
    figure, axes = _canvas(len(tested), 2, 2.1)
    told = []
    for ax, (arm, seeds) in zip(axes, tested, strict=True):
        ax.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for seed in seeds:
            ax.plot(
                seed.confidence, seed.accuracy, "o-",
                color=material.palette[arm.loss], markersize=3, linewidth=1.2,
            )  # fmt: skip
        ece, floor = (percent(arm.cell(field).mean) for field in ("test_ece", "test_ece_floor"))
        note = f"ECE {ece} %\nfloor {floor} %"
        ax.text(0.96, 0.05, note, transform=ax.transAxes, ha="right", fontsize=8)
        ax.set_title(_wrap(arm.label, 30))
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        told.append(f"{arm.label} {ece} % (floor {floor} %)")
    _outer_labels(axes, "confidence", "accuracy")
    caption = (
        "Reliability diagrams: accuracy against confidence in 15 bins of equal width, a line a "
        f"seed, bins of fewer than {LEAST_IN_BIN} images left out. Below the dotted line a model "
        "is overconfident. The floor is the ECE that a perfectly calibrated model would get."
    )
    alt = "Reliability diagrams with the expected calibration error, mean of seeds"
    return _picture(figure, condition, "reliability", caption, alt, told)


def margins(condition: Condition, tested: Sequence[Tested], material: Material) -> Picture:
    """Distribution functions of the logit margin, raw and divided by the spread of the logits."""
    figure, axes = _canvas(2, 1, 2.2 + 0.09 * max(0, len(tested) - 12))  # a long legend needs room
    told = []
    for number, (arm, seeds) in enumerate(tested):
        for i, seed in enumerate(seeds):
            for ax, scale in zip(axes, (1.0, seed.spread), strict=True):
                ax.plot(
                    np.array(seed.margins) / scale, LEVELS, ("-", "--", "-.", ":")[number % 4],
                    color=material.palette[arm.loss], linewidth=1.3, label="_" if i else arm.label,
                )  # fmt: skip
        told.append(f"{arm.label} {np.mean([seed.median / seed.spread for seed in seeds]):.2f}")
    for ax, unit in zip(axes, ("logits", "standard deviations of the logits"), strict=True):
        ax.axvline(0, color="black", linewidth=0.8)
        ax.margins(x=0)
        ax.set(ylim=(0, 1), xlabel=f"margin, {unit}", ylabel="share of images")
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=2, frameon=False)
    caption = (
        "Margins on the test images, the score of the true class minus the best other one: the "
        "share of images with a margin up to x, a line a seed. Left of zero an image is "
        "misclassified. Losses set their own scale of logits, so compare only in the lower panel."
    )
    alt = "Distribution of margins, the median in standard deviations of the logits"
    return _picture(figure, condition, "margins", caption, alt, told)


def recalls(condition: Condition, tested: Sequence[Tested]) -> Picture:
    """Heat map of per-class recall, mean over seeds."""
    table = 100 * np.array([np.mean([seed.recall for seed in seeds], 0) for _, seeds in tested])
    names = tested[0].seeds[0].classes
    few = len(names) <= MANY
    figure, [ax] = _canvas(1, 1, 1.1 + 0.36 * len(tested))
    sns.heatmap(
        table, ax=ax, annot=few, fmt=".0f", annot_kws={"fontsize": 8}, linewidths=0.5 * few,
        cbar=not few,
        cmap="cividis", vmin=10 * np.floor(np.nanmin(table) / 10), vmax=100,
        xticklabels=names if few else "auto", yticklabels=[_wrap(arm.label) for arm, _ in tested],
    )  # fmt: skip
    ax.tick_params(axis="x", rotation=60)
    ax.tick_params(axis="y", rotation=0)
    told = []
    for (arm, _), row in zip(tested, table, strict=True):
        low, high = int(np.nanargmin(row)), int(np.nanargmax(row))
        extremes = f"{row[low]:.0f} % ({names[low]}) to {row[high]:.0f} % ({names[high]})"
        told.append(f"{arm.label} from {extremes}")
    caption = "Recall of each class on the test images in %, mean over seeds."
    return _picture(figure, condition, "recall", caption, "Heat map of recall by class", told)


def _tested(condition: Condition, material: Material) -> list[Tested]:
    found = []
    for arm in condition.arms:
        read = (material.outputs(run) for run in arm.runs)
        seeds = [drawn for drawn in read if drawn is not None]
        if seeds:
            found.append(Tested(arm, seeds))
    return found


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


def _wrap(label: str, width: int = 20) -> str:
    lines = [""]
    for part in label.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def _picture(
    figure: Figure, condition: Condition, name: str, caption: str, what: str, told: Sequence[str]
) -> Picture:
    alt = f"{what}, {condition.setting}: {'; '.join(told)}."
    return Picture(f"{condition.key}-{name}.svg", caption, alt, svg(figure))
