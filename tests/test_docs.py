"""The documents: their code runs, and their tables and lists are those of the code.

`make lists` writes the tables and lists anew.
"""

import re
import sys
import textwrap
from collections.abc import Callable
from itertools import groupby, product
from pathlib import Path
from types import ModuleType

import pytest

from lossatlas import cards, resources
from lossatlas.losses import registry
from lossatlas.losses.needs import NEEDS
from lossatlas.results import travel
from peers import ledger
from rows import whole

README = resources.CHECKOUT / "README.md"
LOSSES = resources.CHECKOUT / "docs" / "losses.md"
PYTHON = resources.CHECKOUT / "docs" / "python.md"
PEERS = resources.CHECKOUT / "docs" / "peers.md"
SPEED = resources.CHECKOUT / "docs" / "speed.md"


def _packaged() -> list[registry.Entry]:
    """The losses of this package, without a user's own."""
    return [e for e in registry.index().values() if e.module.startswith("lossatlas.losses.")]


def _family_table() -> str:
    """How many losses there are, and which, by family and whether they are verified."""
    rows, counts = [], {"verified": 0, "draft": 0}
    for family, members in groupby(_packaged(), lambda entry: entry.family):
        found: dict[str, list[str]] = {"verified": [], "draft": []}
        for entry in members:
            found[registry.status(entry)].append(f"`{entry.id}`")
        counts = {status: count + len(found[status]) for status, count in counts.items()}
        shown = " ".join(found["verified"]), " ".join(found["draft"])
        rows.append(f"| {family.replace('_', ' ')} | {shown[0]} | {shown[1]} |")
    head = f"{counts['verified']} verified losses and {counts['draft']} drafts:"
    return "\n".join([head, "", "| family | verified | draft |", "|---|---|---|", *rows])


def _needs_table() -> str:
    """Every word that a loss may need."""
    rows = [f"| `{word}` | {need.sort} | {need.says} |" for word, need in NEEDS.items()]
    return "\n".join(["| need | sort | what it is |", "|---|---|---|", *rows])


def _calls() -> str:
    """The calls of torch that the exact evaluator knows."""
    from lossatlas.theory.exact import ALIASES, TABLE

    names = sorted({*TABLE, *ALIASES} - {"same"})  # which is how the table says: does nothing
    return textwrap.fill(" ".join(f"`{name}`" for name in names), 110)


def _columns() -> str:
    """What `results.load` and `results.load_epochs` give."""
    from lossatlas.results.frames import COLUMNS, EPOCHS

    def table(of: str, columns: dict[str, str]) -> list[str]:
        rows = [f"| `{name}` | {says} |" for name, says in columns.items()]
        return [f"| column of `{of}` | is |", "|---|---|", *rows]

    return "\n".join([*table("load", COLUMNS), "", *table("load_epochs", EPOCHS)])


GENERATED: list[tuple[Path, str, Callable[[], str]]] = [
    (README, "losses", _family_table),
    (LOSSES, "needs", _needs_table),
    (LOSSES, "calls", _calls),
    (PYTHON, "columns", _columns),
    (PEERS, "peers", ledger.tables),
]


def anew(text: str, name: str, make: Callable[[], str]) -> str:
    """The text with what `make` says between the markers of that name."""
    first, last = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    head, rest = text.split(first)
    return head + first + make() + last + rest.split(last[1:])[1]


@pytest.mark.parametrize(
    ("page", "name", "make"), GENERATED, ids=lambda x: "" if callable(x) else str(x)[-9:]
)
def test_what_is_generated_is_what_the_code_says(page, name, make):
    text = page.read_text()
    assert text == anew(text, name, make), f"{page.name} is older than the code: make lists"


def test_every_target_has_its_line():
    table = LOSSES.read_text().split("| target | inputs |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)) == cards.TARGETS


def _write_rows(path: Path) -> None:
    """Three losses in two scenarios, four seeds, the first two of them on two machines."""
    runs = []
    for i, loss in enumerate(("cross_entropy", "focal", "gce")):
        for scenario, seed, machine in product(("clean", "noise"), range(4), "ab"):
            if machine == "b" and seed > 1:
                continue
            last = 0.8 - 0.01 * i + 0.002 * seed + 0.001 * (machine == "b")
            epochs = [
                {"epoch": e, "seconds": 1.0, "test_accuracy": last * (0.7 + 0.1 * e)}
                for e in (1, 2, 3)
            ]
            row = whole(f"{loss}-{scenario}-s{seed}", loss=loss, scenario=scenario, seed=seed)
            row |= {"hardware": machine, "test_accuracy": last}
            runs.append(travel.run(row, epochs, {}))
    travel.write(path, travel.Rows(runs))


@pytest.mark.parametrize(("page", "count"), [(LOSSES, 10), (PYTHON, 7)], ids=["losses", "python"])
def test_the_code_runs(page, count, monkeypatch, tmp_path):
    _write_rows(tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == count
    notebook = ModuleType("docs")
    monkeypatch.setitem(sys.modules, "docs", notebook)  # so that its classes can be pickled
    exec("\n".join(blocks), vars(notebook))


def test_a_loss_that_costs_much_says_why_on_its_card():
    lines = [line.split("|") for line in SPEED.read_text().splitlines() if line.startswith("| `")]
    costs = {cells[1].strip(" `"): float(cells[3].split()[0]) for cells in lines}
    slow = [name for name, ratio in costs.items() if ratio > 4]
    assert len(costs) > 100
    assert slow
    for name in slow:
        assert re.search(r"\b[Ss]low with\b", registry.get_card(name).prose["Traps"]), name


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 200


def test_links_lead_to_files():
    for page in (README, *resources.CHECKOUT.glob("*.md"), *LOSSES.parent.glob("*.md")):
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name} links to {link}"


if __name__ == "__main__":
    for page, name, make in GENERATED:
        page.write_text(anew(page.read_text(), name, make))
