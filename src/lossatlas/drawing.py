"""matplotlib as every figure of ours is drawn with it: whatever the user's own settings are.

The one place that imports matplotlib. Figures are `Figure` objects that are written to files:
no backend is asked for, and that of a notebook stays as it is.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

BACKEND = "MPLBACKEND"  # read by matplotlib when it is imported, which fails if it names none


def _import() -> Any:
    backend = os.environ.pop(BACKEND, None)
    try:
        import matplotlib
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

__all__ = ["Axes", "Figure", "sns", "styled"]


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
