"""The map of all losses: each a dot, near those that pull the logits alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lossatlas.cards import FAMILIES
from lossatlas.drawing import Figure, Picture, drawing, svg
from lossatlas.report.card_figures import family_colours

MAP = (720, 600)  # points
MARKERS = "o^sD"  # of the first families, and of those whose colours are theirs again


def atlas(table: pd.DataFrame) -> Picture:
    """The map of losses: a dot a loss, coloured by family; `table` is `theory.atlas_map`'s."""
    colours, share = family_colours(), table.attrs["explained"]
    with drawing():
        figure = Figure(figsize=(MAP[0] / 72, MAP[1] / 72))
        ax = figure.add_axes((0.07, 0.15, 0.91, 0.84))
        size = np.array(MAP) * (0.91, 0.84)
        places = table[["x", "y"]].to_numpy()
        low, high = places.min(0), places.max(0)
        per_unit = float((size / (np.maximum(high - low, 1e-9) * (1.25, 1.1))).min())
        middle = (low + high) / 2
        shared: dict[tuple[float, ...], list[int]] = {}
        for i, place in enumerate(places):
            shared.setdefault(tuple(place.round(3)), []).append(i)
        labelled: set[str] = set()
        for at, among in shared.items():
            family = table["family"].iloc[among[0]]
            label = "_" if family in labelled else family.replace("_", " ")
            labelled.add(family)
            ax.plot(
                *at, MARKERS[FAMILIES.index(family) // len(set(colours.values()))], markersize=6,
                color=colours[family], label=label, gid=f"loss-{among[0]}",
            )  # fmt: skip
        names = [", ".join(table["id"].iloc[among]) for among in shared.values()]
        dots = (np.array(list(shared)) - middle) * per_unit + size / 2
        labels = [_label(name.split(", ")) for name in names]
        for name, dot, offset in zip(labels, shared, _place_names(labels, dots, size), strict=True):
            if offset is not None:
                ax.annotate(
                    name, (dot[0], dot[1]), (offset[0], offset[1]), textcoords="offset points",
                    fontsize=7.5, ha="center", va="center",
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
            f"keeps {100 * share:.0f} % of the squared distances. Not every dot has room for its "
            "name; all have it under the pointer, and lead to their pages."
        )
        near = _closest(table, "cross_entropy")
        told = [f"{name} at ({x:.0f}, {y:.0f})" for name, (x, y) in zip(names, shared, strict=True)]
        alt = f"Map of {len(table)} losses of scores, in degrees: {'; '.join(told)}; {near}."
        drawn = svg(figure)
        for among in shared.values():
            drawn = _named(drawn, f"loss-{among[0]}", list(table["id"].iloc[among]))
        columns = ["id", "family", "x", "y"]
        data = table.to_csv(columns=columns, index=False, float_format="%.2f", lineterminator="\n")
        return Picture("atlas.svg", caption, alt, drawn, data)


def _label(names: Sequence[str]) -> str:
    """What stands beside the dot of several losses."""
    first = "cross_entropy" if "cross_entropy" in names else names[0]
    return ", ".join(names) if len(names) < 3 else f"{first} and {len(names) - 1} more"


def _named(drawn: str, group: str, names: Sequence[str]) -> str:
    """The figure with a dot that says its losses under the pointer, and is a link to the first."""
    head = f'<g id="{group}">'
    start = drawn.index(head)
    end = drawn.index("</g>\n   </g>", start) + len("</g>\n   </g>")
    link = f'<a href="../{names[0]}.html" target="_top"><title>{", ".join(names)}</title>'
    return f"{drawn[:start]}{link}{drawn[start:end]}</a>{drawn[end:]}"


def _place_names(
    names: Sequence[str], dots: np.ndarray, size: np.ndarray
) -> list[np.ndarray | None]:
    """Offsets from dots (n, 2) to the middles of their names, in points, free of other things.

    Greedy: each name takes the first free place beside its dot, or none; cross-entropy's, then the
    shorter ones come first.
    """
    taken = [(*dot, 3.0, 3.0) for dot in dots]  # middle and half width, half height
    chosen: list[np.ndarray | None] = [None] * len(names)
    for i in sorted(
        range(len(names)),
        key=lambda i: (not names[i].startswith("cross_entropy"), len(names[i])),
    ):
        half = np.array([2.2 * len(names[i]), 4.5])
        offsets = [
            np.array([across * (half[0] + 5 * (not up)), up])
            for up in (0, 8, -8)
            for across in (1, -1, *([0] if up else []))
        ]
        for offset in offsets:
            if _is_free(dots[i] + offset, half, taken, size):
                taken.append((*(dots[i] + offset), *half))
                chosen[i] = offset
                break
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
