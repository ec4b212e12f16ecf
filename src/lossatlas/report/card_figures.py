"""The small figures of a loss's card: what it weighs, what it costs, where it pulls.

Each is 2.6 inches wide, so that a page shows three in a row and a phone one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lossatlas.cards import FAMILIES
from lossatlas.drawing import Axes, Figure, Picture, drawing, sns, svg
from lossatlas.theory import curves
from lossatlas.theory.subject import Subject

WIDTH, HEIGHT = 2.6, 2.2  # inches
GREY = "#8a8a8a"
DASHES = ("-", "--")
TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
CORNERS = np.array([[0.5, math.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]])  # of the label and its rivals
Found = Mapping[str, Any]


class Missing(NamedTuple):
    """A figure that a loss does not have, and why."""

    title: str
    reason: str


def family_colours() -> dict[str, str]:
    """A colour a family, the same on every page; with more families than colours they repeat."""
    palette = sns.color_palette("colorblind").as_hex()
    palette = [palette[i] for i in (0, 3, 2, 4, 1, 9, 5, 6)]  # not grey (the baseline) nor yellow
    return {family: palette[i % len(palette)] for i, family in enumerate(FAMILIES)}


def pictures(
    subject: Subject, colour: str, records: Mapping[str, Found]
) -> tuple[list[Picture], list[Missing]]:
    """The figures of a loss of logits in the order to show them, and those that it lacks.

    `records` are the loss's verdicts by property; the link and psi are drawn from what they found.
    """
    drawn: list[Picture | Missing] = []
    with drawing():
        drawn.append(weight(subject, colour))
        for prop, draw in RECORDED:
            drawn.append(draw(subject, colour, records.get(prop)))
        drawn.append(field(subject, colour))
    shown = [one for one in drawn if isinstance(one, Picture)]
    return shown, [one for one in drawn if isinstance(one, Missing)]


def weight(subject: Subject, colour: str) -> Picture | Missing:
    """w(p_y) beside cross-entropy's 1."""
    title = "gradient weight w(p)"
    table = _finite(curves.weights(subject))
    if table is None:
        return Missing(title, "its gradient is not finite there")
    figure, ax = _panel(title, "probability p of the label")
    x = np.log(table.index / (1 - table.index))
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axhline(1, color=GREY, linewidth=1.4)
    for name, dash in zip(table, DASHES, strict=False):
        ax.plot(x, table[name], dash, color=colour, linewidth=1.6, label=name)
    if table.shape[1] > 1:
        _legend(ax)
    ax.set_xticks([math.log(p / (1 - p)) for p in TICKS], [f"{p:g}" for p in TICKS])
    middle = int(np.abs(table.index.to_numpy() - 0.5).argmin())
    told = [
        f"{name}: " + ", ".join(f"{w.iloc[i]:.2g} at p = {w.index[i]:.2g}" for i in (0, middle, -1))
        for name, w in table.items()
    ]
    caption = (
        "How strongly the label's score is pulled, relative to cross-entropy (grey, 1), over the "
        "label's probability; the other classes share the rest equally."
    )
    return _picture(subject, figure, "weight", caption, "Weight w(p)", told)


def margin(subject: Subject, colour: str, record: Found | None) -> Picture | Missing:
    """Loss against margin beside cross-entropy and the 0-1 loss; shaded, all it can be there."""
    title = "loss against margin"
    table = _finite(curves.margins(subject))
    if table is None:
        return Missing(title, "its values are not finite there")
    figure, ax = _panel(title, "margin m")
    m = table.index.to_numpy()
    ax.step([m[0], 0, m[-1]], [1, 0, 0], where="post", color=GREY, linewidth=1, linestyle=":")
    low, high = _curve(record, "margin", "least"), _curve(record, "margin", "most")
    shaded = ""
    if not isinstance(low, str) and not isinstance(high, str):
        shaded = f" Shaded: all values for {subject.k} classes, wherever the other rivals lie."
        (at, least), (_, most) = low, high
        inside = np.abs(at) <= curves.REACH
        ax.fill_between(at[inside], least[inside], most[inside], color=colour, alpha=0.15, lw=0)
    for (k, values), dash in zip(table.items(), DASHES, strict=False):
        rivals = int(str(k).removeprefix("K=")) - 1
        baseline = np.logaddexp(0, math.log(rivals) - m)
        ax.plot(m, baseline, dash, color=GREY, linewidth=1.4)
        ax.plot(m, values, dash, color=colour, linewidth=1.6, label=str(k))
    ax.set_xticks([-6, -3, 0, 3, 6])
    _legend(ax)
    told = [
        f"{k}: " + ", ".join(f"{v.loc[at]:.3g} at m = {at:g}" for at in (-4.0, 0.0, 4.0))
        for k, v in table.items()
    ]
    caption = (
        "Loss against the margin m = label's score minus its rivals', which tie; grey is "
        "cross-entropy, dotted the 0-1 loss."
    )
    return _picture(subject, figure, "margin", caption + shaded, "Loss by margin", told)


def field(subject: Subject, colour: str) -> Picture | Missing:
    """Steepest descent on the simplex of three classes, and cross-entropy's behind it."""
    title = "pull on three classes"
    table = _finite(curves.field(subject))
    if table is None:
        return Missing(title, "its gradient is not finite there")
    figure = Figure(figsize=(WIDTH, HEIGHT))
    ax = figure.add_axes((0, 0, 1, 0.9))
    ax.set_title(title, y=1.0)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ring = [*CORNERS, CORNERS[0]]
    ax.plot(*np.array(ring).T, color=GREY, linewidth=0.8)
    p, d = (table[[f"{c}{i}" for i in range(3)]].to_numpy() @ CORNERS for c in "pd")
    size = np.linalg.norm(d, axis=1)
    # Lengths by the square root, so that weak pulls can be seen; one singular point may be longest.
    longest = float(np.quantile(size, 0.9)) or 1.0
    length = np.sqrt(np.clip(size / longest, 0, 1))
    arrows = d / np.where(size > 0, size, 1)[:, None] * length[:, None]
    ax.quiver(
        *p.round(3).T, *(0.14 * arrows).round(4).T, color=colour, angles="xy", scale_units="xy",
        scale=1, width=0.011, headwidth=4, headlength=4, headaxislength=3.6,
    )  # fmt: skip
    for name, (x, y), across, up in zip(
        ("label", "rival", "rival"), CORNERS, ("center", "right", "left"), (0.03, 0, 0), strict=True
    ):
        ax.text(x, y + up, name, ha=across, va="bottom" if up else "top", fontsize=8)
    ax.set(xlim=(-0.16, 1.16), ylim=(-0.1, 0.98))
    rows = table[["p0", "d0"]].to_numpy()
    upward = float((rows[:, 1] > 0).mean())
    caption = (
        "Where a step against the gradient moves the softmax probabilities of three classes; "
        "lengths by the square root, cut at the size that one in ten exceeds."
    )
    i = int(size.argmax())
    told = [
        f"{100 * upward:.0f} % of {len(rows)} points move towards the label",
        f"the longest arrow is at p = {rows[i, 0]:.2f} of the label",
    ]
    return _picture(subject, figure, "field", caption, "Arrows of steepest descent", told)


def psi(subject: Subject, colour: str, record: Found | None) -> Picture | Missing:
    """The calibration function of two classes, beside that of cross-entropy in closed form."""
    title = "calibration function psi"
    curve = _curve(record, "theta", "psi")
    if isinstance(curve, str):
        return Missing(title, curve)
    theta, values = curve
    figure, ax = _panel(title, "theta = 2 q − 1")
    plus, minus = (1 + theta) / 2, (1 - theta) / 2
    entropy = -(plus * np.log(plus) + minus * np.log(minus))
    ax.plot(theta, math.log(2) - entropy, color=GREY, linewidth=1.4)
    ax.plot(theta, values, color=colour, linewidth=1.6)
    ax.set(xlim=(0, 1))
    ax.set_ylim(bottom=min(0, float(values.min())))
    told = [", ".join(f"{values[i]:.3g} at {theta[i]:.2g}" for i in (len(theta) // 2, -1))]
    caption = (
        "What a wrong decision costs in risk, for two classes of probability q and 1 − q; grey is "
        "cross-entropy. Zero would mean that small risks do not force right decisions."
    )
    return _picture(subject, figure, "psi", caption, "Calibration function", told)


def link(subject: Subject, colour: str, record: Found | None) -> Picture | Missing:
    """The probability that the minimiser states, over the true one, for two classes."""
    title = "link p*(q)"
    curve = _curve(record, "truth", "prediction")
    if isinstance(curve, str):
        return Missing(title, curve)
    q, stated = curve
    figure, ax = _panel(title, "true probability q")
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1.4)
    ax.plot(q, stated, color=colour, linewidth=1.6)
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    told = [", ".join(f"{stated[i]:.3g} at q = {q[i]:.2g}" for i in (0, len(q) // 2, -1))]
    caption = (
        "The probability that the minimiser of the risk states, over the true one, for two "
        "classes; on the grey line it is the true one."
    )
    return _picture(subject, figure, "link", caption, "Link", told)


def strip(name: str, colour: str, rows: Sequence[tuple[str, Any]], unit: str) -> Picture | None:
    """Differences to the reference by scenario: a dot with its interval, both in points."""
    shown = [(where, d) for where, d in rows if d.mean is not None]
    if not shown:
        return None
    with drawing():
        figure = Figure(figsize=(5.2, 0.75 + 0.3 * len(shown)), layout="constrained")
        ax = figure.subplots()
        means = [100 * d.mean for _, d in shown]
        pad = max(2.0, 1.5 * max(map(abs, means)))
        left, right = -pad, pad
        told: list[str] = []
        for y, (where, d) in enumerate(reversed(shown)):
            if d.low is not None:
                ends = np.clip([100 * d.low, 100 * d.high], left, right)
                ax.plot(ends, [y, y], color=colour, linewidth=1.5)
            ax.plot(100 * d.mean, y, "o", color=colour, markersize=5)
            span = "" if d.low is None else f", interval {100 * d.low:+.2f} to {100 * d.high:+.2f}"
            told.insert(0, f"{where} {100 * d.mean:+.2f} points (n={d.n}{span})")
        ax.axvline(0, color="black", linewidth=1)
        ax.set_yticks(range(len(shown)), [where for where, _ in reversed(shown)])
        ax.set(xlim=(left, right), ylim=(-0.6, len(shown) - 0.4), xlabel=unit)
        ax.grid(axis="y", visible=False)
        caption = "Difference by scenario: mean and 95 % t-interval, cut at the picture's edge."
        alt = f"Differences in accuracy: {'; '.join(told)}."
        return Picture(f"{name}-strip.svg", caption, alt, svg(figure))


RECORDED = (
    ("dominates_zero_one", margin), ("strictly_proper", link), ("calibration_function", psi),
)  # fmt: skip


def _curve(record: Found | None, x: str, y: str) -> tuple[np.ndarray, np.ndarray] | str:
    """Two columns of what a check found, or why there are none."""
    if record is None:
        return "no check has measured it"
    found = record["found"]
    if x not in found or y not in found:
        return record["reason"] or "the check found no curve"
    pairs = [
        (a, b)
        for a, b in zip(found[x], found[y], strict=True)
        if isinstance(b, int | float) and math.isfinite(b)
    ]
    if len(pairs) < 2:
        return record["reason"] or "the check found no curve"
    xs, ys = np.array(pairs, dtype=float).T
    return xs, ys


def _finite(table: pd.DataFrame) -> pd.DataFrame | None:
    return table if np.isfinite(table.to_numpy()).all() else None


def _panel(title: str, x: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT))
    ax = figure.add_axes((0.17, 0.22, 0.77, 0.65))  # a layout engine would take half of the time
    ax.set_xlabel(x)
    ax.set_title(title, y=1.02)  # looking for its place would take half of the time of drawing
    ax.margins(x=0.02)
    ax.locator_params(axis="y", nbins=5)
    return figure, ax


def _legend(ax: Axes) -> None:
    ax.legend(frameon=False, fontsize=8, handlelength=1.6, borderpad=0.1)


def _picture(
    subject: Subject, figure: Figure, panel: str, caption: str, what: str, told: Sequence[str]
) -> Picture:
    alt = f"{what} of {subject.name}: {'; '.join(told)}."
    return Picture(f"{subject.name}-{panel}.svg", caption, alt, svg(figure))
