"""Which scenarios there are and what each does, in words; this does not import torch."""

import ast
import inspect
from pathlib import Path

FOLDERS = [Path(__file__).parent / "scenarios"]


def names() -> list[str]:
    """All scenarios, in alphabetical order."""
    return sorted(_files())


def says(name: str) -> str:
    """What a scenario does, in the words of its file: a sentence without its full stop."""
    written = _files()[name].read_text(encoding="utf-8")
    told = inspect.cleandoc(ast.get_docstring(ast.parse(written)) or "")
    text = " ".join(told.split("\n\n")[0].split()).removesuffix(".")
    return text[:1].lower() + text[1:]


def _files() -> dict[str, Path]:
    found = (path for folder in FOLDERS for path in folder.glob("*.py"))
    return {path.stem: path for path in found if path.stem != "__init__"}
