"""Loss Atlas: a survey of loss functions that runs."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossatlas.api import check, nearest, test
    from lossatlas.losses.registry import get_card, get_loss, list_losses, register

__all__ = ["check", "get_card", "get_loss", "list_losses", "nearest", "register", "test"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What is imported when first used: functions, and modules, as `lossatlas.results.load()`."""
    if name in __all__:
        room = "api" if name in ("check", "nearest", "test") else "losses.registry"
        return getattr(importlib.import_module(f"{__name__}.{room}"), name)
    if not name.startswith("_"):
        for place in (Path(__file__).with_name(name), Path(__file__).with_name(f"{name}.py")):
            if place.exists():
                return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
