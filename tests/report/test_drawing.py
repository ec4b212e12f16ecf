"""Figures are the same whatever a user's matplotlib is set to, and leave it as it was."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from lossatlas import drawing
from lossatlas.report import figures

SETTINGS = {
    "text.usetex": True, "text.parse_math": True, "text.color": "red", "text.hinting": "none",
    "font.size": 20, "font.family": "monospace", "mathtext.fontset": "cm",
    "axes.prop_cycle": matplotlib.cycler(color="rgb"), "axes.facecolor": "pink",
    "axes.linewidth": 4, "axes.titleweight": "bold", "axes.titlesize": 30, "axes.grid": False,
    "axes.formatter.use_locale": True, "axes.unicode_minus": False, "axes.xmargin": 0.5,
    "axes.spines.top": False, "axes.axisbelow": False, "grid.linestyle": ":",
    "xtick.direction": "in", "ytick.minor.visible": True, "lines.linewidth": 9,
    "lines.markersize": 9, "lines.solid_capstyle": "round", "legend.fontsize": 30,
    "legend.frameon": False, "patch.linewidth": 5, "image.cmap": "gray", "figure.dpi": 300,
    "figure.autolayout": True, "figure.facecolor": "black", "savefig.dpi": 30,
    "savefig.bbox": "tight", "savefig.facecolor": "black", "savefig.transparent": True,
    "savefig.pad_inches": 3, "svg.fonttype": "path", "svg.hashsalt": "mine",
    "path.simplify": False, "path.sketch": (1, 100, 2), "polaraxes.grid": False,
}  # fmt: skip


def drawn() -> str:
    """A picture with all that figures use: lines, text, a legend, a heat map, a layout."""
    with figures.drawing():
        figure, axes = figures._canvas(3, 2, 2.0)
        axes[0].plot([-1, 2], [0.25, 3.75], "o-", label="x_1 $y$")
        axes[0].legend()
        axes[1].hist([1, 2, 2, 3])
        axes[1].set(title="a_b", xlabel="−1")
        drawing.sns.heatmap(np.eye(3), ax=axes[2], annot=True, cbar=False)
        return figures.svg(figure)


def test_no_setting_of_the_user_changes_a_picture():
    expected = drawn()
    assert "x_1 $y$" in expected
    for settings in (SETTINGS, *(dict([*SETTINGS.items()][i::5]) for i in range(5))):
        with matplotlib.rc_context(settings):
            assert drawn() == expected, settings
            for name, value in settings.items():
                assert matplotlib.rcParams[name] in (value, [value])


def test_nothing_is_left_of_our_settings():
    before = dict(matplotlib.rcParams.copy())
    drawing.svg(drawing.Figure())
    drawn()
    assert dict(matplotlib.rcParams.copy()) == before


@pytest.mark.parametrize(
    ("backend", "kept"),
    [("module://matplotlib_inline.backend_inline", None), ("nonsense", None), ("svg", "svg")],
)
def test_the_backend_of_a_notebook_does_no_harm_and_stays(backend, kept, tmp_path):
    if kept is None:  # a package that is not there, whatever is installed here
        backend = backend.replace("matplotlib_inline", "not_installed_here")
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\n")
    code = (
        "import os; from report import test_drawing as t\n"
        "import sys; sys.stdout.write(t.drawn())\n"
        f"assert os.environ['MPLBACKEND'] == {backend!r}\n"
        "import matplotlib\n"
        f"assert {kept!r} in (None, matplotlib.rcParams['backend'].lower())\n"
    )
    paths = os.pathsep.join(sys.path)
    settings = {"MPLBACKEND": backend, "MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": paths}
    settings["PYTHONUTF8"] = "1"
    command = "from lossatlas import drawing\n" + code
    done = subprocess.run(
        [sys.executable, "-c", command], env=os.environ | settings, capture_output=True,
        check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == drawn()


def test_the_command_line_takes_no_backend_from_the_environment(command, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://not_installed_here.backend")
    assert command("report")[0] == 2  # no such folder of runs: the command has begun
    assert os.environ["MPLBACKEND"] == "agg"


def test_settings_that_are_no_text_are_a_sentence(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"# \xe4\n")
    code = (
        "from lossatlas.errors import UserError\ntry:\n    from lossatlas import drawing\n"
        "except UserError as error:\n    print(error)"
    )
    settings = os.environ | {"MATPLOTLIBRC": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, check=True, text=True
    )
    assert "matplotlibrc, are no UTF-8 text" in done.stdout, done.stderr
