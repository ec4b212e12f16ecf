"""Where the package's own data lies: inside the wheel, or at the top of a source checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]


def folder(name: str) -> Path:
    """The folder `conf` or `papers`; raises FileNotFoundError when the installation lacks it."""
    for candidate in (PACKAGE / name, CHECKOUT / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation of lossatlas lacks its folder '{name}'")


def published_rows() -> list[Path]:
    """The rows of the published surveys; only a source checkout has the files."""
    return [CHECKOUT / "reports" / name / "results.csv" for name in ("quick", "survey")]


def is_checkout() -> bool:
    """Whether the package runs from a source checkout (and may write new losses into it)."""
    return (CHECKOUT / "pyproject.toml").is_file() and (CHECKOUT / "papers").is_dir()


def reference(code: Path) -> Path:
    """Where the formula of the loss `<root>/losses/<family>/<id>.py` stands a second time.

    `<root>/reference/<id>.py`, and tests/reference/ for the package's own; it need not exist.
    """
    root = code.parents[2]
    folder = CHECKOUT / "tests" / "reference" if root == PACKAGE else root / "reference"
    return folder / code.name
