"""Loss Atlas: a survey of loss functions that runs."""

import importlib
from pathlib import Path
from typing import Any

from lossatlas.losses.registry import get_card, get_loss, list_losses, register

__all__ = ["get_card", "get_loss", "list_losses", "register"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A module of the package, imported when it is first used: `lossatlas.results.load()`."""
    if not name.startswith("_"):
        for place in (Path(__file__).with_name(name), Path(__file__).with_name(f"{name}.py")):
            if place.exists():
                return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
