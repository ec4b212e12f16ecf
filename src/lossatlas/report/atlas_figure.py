"""The map of all losses: each a point, near those that pull the logits alike."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from lossatlas.report.figures import WIDTH, Picture, drawing, svg

MARKERS = "osD^vPX<>p*h"
SAME = 0.01  # degrees: losses nearer than that share a point and a label
PLACES = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
AWAY = (5, 11, 18, 30, 45)  # points of type between a mark and its label
ALIGNED = {1: "left", -1: "right", 0: "center"}


def atlas(table: pd.DataFrame, palette: Mapping[str, str]) -> Picture:
    """The map drawn: a colour and a mark a family, and names where they do not overlap.

    Args:
        table: what `theory.atlas_map.atlas_map` returns.
        palette: a colour for each family.
    """
    with drawing():
        figure = Figure(figsize=(WIDTH, WIDTH + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        for number, (family, rows) in enumerate(table.groupby("family", sort=False)):
            ax.plot(
                rows["x"], rows["y"], MARKERS[number % len(MARKERS)], color=palette[str(family)],
                markersize=5, label=str(family).replace("_", " "), alpha=0.9,
            )  # fmt: skip
        ax.set_aspect("equal", adjustable="datalim")
        ax.margins(0.12)
        ax.set(xlabel="degrees", ylabel="degrees")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        figure.draw_without_rendering()  # fixes the axes, so that lengths of names can be taken
        figure.set_layout_engine("none")
        groups = _together(table)
        unnamed = _label(ax, groups)
        left_out = f" {unnamed} names that would lie on others are left out." if unnamed else ""
        kept = 100 * table.attrs["explained"]
        caption = (
            "All losses of logits at their default hyperparameters. The distance of two is about "
            "the angle between their gradients as one long vector over many logits and labels: "
            "near losses pull alike, those at one point are multiples of each other. The plane "
            f"keeps {kept:.0f} % of the squared angles; its axes mean nothing.{left_out}"
        )
        told = [f"{name} at ({x:.0f}, {y:.0f})" for name, x, y in groups]
        alt = f"Map of {len(table)} losses, in degrees: {'; '.join(told)}."
        return Picture("atlas.svg", caption, alt, svg(figure))


def _together(table: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Names at one place, joined: the first two and how many more."""
    places: list[tuple[list[str], float, float]] = []
    for name, x, y in zip(table["id"], table["x"], table["y"], strict=True):
        for names, there_x, there_y in places:
            if np.hypot(x - there_x, y - there_y) < SAME:
                names.append(name)
                break
        else:
            places.append(([name], float(x), float(y)))
    return [
        (", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else ""), x, y)
        for names, x, y in places
    ]


def _label(ax: Axes, groups: list[tuple[str, float, float]]) -> int:
    """Write each name beside its mark where there is room; returns how many found none."""
    marks = ax.transData.transform([(x, y) for _, x, y in groups])
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in marks]
    frame = ax.get_window_extent()
    unnamed = 0
    for i, (name, x, y) in enumerate(groups):
        own = taken[i]
        for away, (right, up) in ((a, place) for a in AWAY for place in PLACES):
            text = ax.annotate(
                name, (x, y), (away * right, away * up), textcoords="offset points",
                ha=ALIGNED[right], va="center" if up == 0 else "bottom" if up > 0 else "top",
                fontsize=8, arrowprops={"arrowstyle": "-", "color": "#b0b0b0", "linewidth": 0.6,
                                        "shrinkA": 0, "shrinkB": 3} if away > AWAY[0] else None,
            )  # fmt: skip
            box = Bbox.from_extents(*text.get_window_extent().extents)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken if other is not own):
                taken.append(box)
                break
            text.remove()
        else:
            unnamed += 1
    return unnamed
