"""matplotlib as every figure of ours is drawn with it: whatever the user's own settings are.

The one place that imports matplotlib. Figures are `Figure` objects that are written to files:
no backend is asked for, and that of a notebook stays as it is.
"""

import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NamedTuple

from lossatlas.errors import UserError

BACKEND = "MPLBACKEND"  # read by matplotlib when it is imported, which fails if it names none


def _import() -> Any:
    backend = os.environ.pop(BACKEND, None)
    try:
        import matplotlib
    except UnicodeDecodeError as error:  # matplotlib has logged the file's name
        said = f"matplotlib's settings, matplotlibrc, are no UTF-8 text ({error})"
        raise UserError(said) from error
    finally:
        if backend is not None:
            os.environ[BACKEND] = backend
    with suppress(ValueError):  # one that is there holds for the user's figures, as always
        if backend:
            matplotlib.rcParams["backend"] = backend
    return matplotlib


mpl = sys.modules.get("matplotlib") or _import()

import seaborn as sns  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

__all__ = ["MANY", "WIDTH", "Axes", "Figure", "Picture", "drawing", "sns", "styled", "svg"]

MANY = 20  # classes; of more, names and numbers cannot be read
WIDTH = 5.2  # inches of a figure in a page: to be read on a phone
PLACES = re.compile(r' (?:d|x|y|transform)="[^"]*"')
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lossatlas",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
}
INK, GRID, LIGHT = "#262626", "#cccccc", "#ffffff"  # of seaborn's white grid
# Where a reader's machine is dark, so is a figure: its own rule, since a page's do not reach it.
NIGHT = {INK: "#e8e8e4", "#000000": "#e8e8e4", GRID: "#44444a", LIGHT: "#161618"}
DARK = "@media (prefers-color-scheme: dark) {{{}}}".format(
    "".join(
        f'[style*="{what}: {day}"]{{{what}:{night}!important}}'
        for day, night in NIGHT.items()
        for what in ("fill", "stroke")
    )
)


@contextmanager
def styled(style: Mapping[str, Any]) -> Iterator[None]:
    """matplotlib's defaults, seaborn's white grid and `style`, in force inside a `with`.

    Nothing of a matplotlibrc or of rcParams set before counts in it, and both are back after it.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("whitegrid"))
        mpl.rcParams.update(style)
        yield


class Picture(NamedTuple):
    """A figure as SVG, with its file name, caption, alternative text, and what was drawn as CSV."""

    file: str
    caption: str
    alt: str
    svg: str
    data: str = ""

    @property
    def csv(self) -> str:
        """The file name of the data."""
        return self.file.removesuffix(".svg") + ".csv"


def drawing() -> AbstractContextManager[None]:
    """The style of all figures, in force inside a `with`."""
    return styled(STYLE)


def svg(figure: Figure) -> str:
    """The figure as text, the same at each call; draw and call it inside `drawing`.

    Without metadata and to a hundredth of a point, which no eye sees: a page has many of them.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, facecolor=LIGHT)
    whole = re.sub(r"\s*<metadata>.*?</metadata>", "", text.getvalue(), flags=re.S)
    whole = whole.replace("</style>", f"{DARK}</style>", 1)
    whole = PLACES.sub(lambda found: re.sub(r"(\d\.\d\d)\d+", r"\1", found[0]), whole)
    return "\n".join(line.rstrip() for line in whole.splitlines()) + "\n"
