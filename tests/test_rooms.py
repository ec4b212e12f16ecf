"""Imports run down the floors of docs/architecture.md, which knows every room."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "lossatlas"
DOORS = {"__init__", "__main__"}  # they hand on to the upper floor


def floors(page: str) -> dict[str, int]:
    """The floor of each room, a folder or a file."""
    return {
        room: int(floor)
        for floor, rooms in re.findall(r"(?m)^\| (\d) \| (.+?) \|", page)
        for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms)
    }


def room(name: str) -> str:
    found = name.split(".")[1]
    return "losses" if found == "cards" else found  # each needs the other's tables


def imports(text: str) -> Iterator[str]:
    """The modules of ours that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("lossatlas."))
        elif isinstance(node, ast.ImportFrom) and node.module == "lossatlas":
            yield from (f"lossatlas.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lossatlas."):
            yield str(node.module)


def upwards(files: dict[str, str], floor: dict[str, int]) -> list[str]:
    """What files, by the names of their modules, import that is not below their rooms."""
    return [
        f"{name} imports {other}"
        for name, text in files.items()
        for other in imports(text)
        if room(other) != room(name)
        and (floor[room(other)] >= floor[room(name)] > 0 or floor[room(other)] > floor[room(name)])
    ]


def test_no_room_imports_one_above_or_beside_it() -> None:
    names = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path.read_text()
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE or path.stem not in DOORS
    }
    floor = floors((ROOT / "docs" / "architecture.md").read_text())
    assert {room(name) for name in names} <= set(floor), "rooms without a floor"
    assert set(floor) <= {room(name) for name in names} | {"cards"}, "rooms that are not there"
    assert upwards(names, floor) == []


def test_what_runs_upwards_is_seen() -> None:
    floor = {"report": 6, "training": 5, "theory": 5, "errors": 0, "yamls": 0}
    files = {
        "lossatlas.training.a": "from lossatlas.report import source\nimport lossatlas.theory.b",
        "lossatlas.yamls": "from lossatlas import errors",
        "lossatlas.errors": "def f():\n    from lossatlas.training import a",
        "lossatlas.report.source": "from lossatlas import training",
    }
    assert upwards(files, floor) == [
        "lossatlas.training.a imports lossatlas.report",
        "lossatlas.training.a imports lossatlas.theory.b",
        "lossatlas.errors imports lossatlas.training",
    ]
