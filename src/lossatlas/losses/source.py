"""The files of a user's own that a loss's file imports: what neither ids nor verdicts cover yet."""

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

INSTALLED = ("site-packages", "dist-packages")
SHARED = ("lossatlas.losses.base", "lossatlas.losses.registry", "lossatlas.losses.process")


def helpers(files: Iterable[Path]) -> list[Path]:
    """What `files` import, directly or not, that is no installed package and none of `files`.

    Nothing is imported: a name is looked for beside and above the file, then on `sys.path`. Of
    this package, only what losses compute with counts, such as `losses.quantities`.
    """
    given = {file.resolve() for file in files}
    found: set[Path] = set()
    todo = list(given)
    while todo:
        file = todo.pop()
        for name in _imported(file):
            for place in _places(name, file):
                if place not in found | given:
                    found.add(place)
                    todo.append(place)
    return sorted(found)


def _imported(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module  # relative: it lies beside or above the file


def _places(name: str, file: Path) -> Iterator[Path]:
    first, *inner = name.split(".")
    if first in sys.stdlib_module_names or (
        first == "lossatlas" and (not name.startswith("lossatlas.losses.") or name in SHARED)
    ):
        return
    folders = list(file.parents)[:4]
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parents[spec.submodule_search_locations is not None])
    for folder in folders:
        for path in (folder.joinpath(first, *inner), folder.joinpath(first, *inner, "__init__")):
            place = path.with_name(f"{path.name}.py").resolve()
            if place.is_file() and not set(INSTALLED) & set(place.parts):
                yield place
