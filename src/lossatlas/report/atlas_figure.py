"""The map of all losses: each a dot, near those that pull the logits alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lossatlas.drawing import Figure, Picture, drawing, svg
from lossatlas.report.card_figures import GREY, family_colours

MAP = (540, 430)  # points


def atlas(table: pd.DataFrame) -> Picture:
    """The map of losses: a dot a loss, coloured by family; `table` is `theory.atlas_map`'s."""
    colours, share = family_colours(), table.attrs["explained"]
    with drawing():
        figure = Figure(figsize=(MAP[0] / 72, MAP[1] / 72))
        ax = figure.add_axes((0.08, 0.19, 0.9, 0.79))
        size = np.array(MAP) * (0.9, 0.79)
        places = table[["x", "y"]].to_numpy()
        low, high = places.min(0), places.max(0)
        per_unit = float((size / (np.maximum(high - low, 1e-9) * (1.4, 1.15))).min())
        middle = (low + high) / 2
        for family, mine in table.groupby("family", sort=False):
            ax.plot(
                mine["x"], mine["y"], "o", markersize=6, color=colours[family],
                label=family.replace("_", " "),
            )  # fmt: skip
        shared: dict[tuple[float, ...], list[str]] = {}
        for name, place in zip(table["id"], places, strict=True):
            shared.setdefault(tuple(place.round(3)), []).append(name)
        names = [", ".join(ids) for ids in shared.values()]
        dots = (np.array(list(shared)) - middle) * per_unit + size / 2
        for name, dot, at in zip(names, shared, _place_names(names, dots, size), strict=True):
            line = {"arrowstyle": "-", "linewidth": 0.6, "color": GREY, "shrinkA": 0}
            ax.annotate(
                name, (dot[0], dot[1]), (at[0], at[1]), textcoords="offset points",
                fontsize=7.5, ha="center", va="center",
                arrowprops=line if abs(at[1]) > 12 else None,
            )  # fmt: skip
        half = size / 2 / per_unit
        ax.set(
            xlim=(middle[0] - half[0], middle[0] + half[0]),
            ylim=(middle[1] - half[1], middle[1] + half[1]), xlabel="degrees", ylabel="degrees",
        )  # fmt: skip
        figure.legend(loc="lower center", ncols=4, frameon=False)
        caption = (
            "Map of the losses of scores at their defaults: the farther apart, the larger the "
            "angle between their gradient fields. The axes mean nothing by themselves; this plane "
            f"keeps {100 * share:.0f} % of the squared distances."
        )
        near = _closest(table, "cross_entropy")
        told = [f"{name} at ({x:.0f}, {y:.0f})" for name, (x, y) in zip(names, shared, strict=True)]
        alt = f"Map of {len(table)} losses of scores, in degrees: {'; '.join(told)}; {near}."
        return Picture("atlas.svg", caption, alt, svg(figure))


def _place_names(names: Sequence[str], dots: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    """Offsets from dots (n, 2) to the middles of their names, in points, free of other things.

    Greedy: each name takes the first free place, beside its dot or farther out; else the first.
    """
    taken = [(*dot, 3.0, 3.0) for dot in dots]  # middle and half width, half height
    chosen = []
    for name, dot in zip(names, dots, strict=True):
        half = np.array([2.2 * len(name), 4.5])
        offsets = [
            np.array([across * (half[0] + 5 + 0.3 * far), up])
            for far in (0, 14, 28, 42, 56)
            for up in ((0,) if not far else (far, -far))
            for across in (1, -1, 0)
            if across or far
        ]
        free = (o for o in offsets if _is_free(dot + o, half, taken, size))
        offset = next(free, offsets[0])
        taken.append((*(dot + offset), *half))
        chosen.append(offset)
    return chosen


def _is_free(
    at: np.ndarray, half: np.ndarray, taken: Sequence[tuple[float, ...]], size: np.ndarray
) -> bool:
    if (at < half).any() or (at > size - half).any():
        return False
    return not any(
        abs(at[0] - x) < half[0] + w and abs(at[1] - y) < half[1] + h for x, y, w, h in taken
    )


def _closest(table: pd.DataFrame, name: str) -> str:
    mine = table[table["id"] == name]
    if mine.empty:
        return "by family"
    others = table[table["id"] != name]
    far = np.hypot(others["x"] - mine["x"].iloc[0], others["y"] - mine["y"].iloc[0])
    near, away = others["id"].iloc[int(far.argmin())], others["id"].iloc[int(far.argmax())]
    return f"closest to {name} is {near}, farthest {away}"
