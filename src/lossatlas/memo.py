"""What was found out about the content of a file, remembered from one process to the next.

The place is the user's cache folder, and nothing is lost by deleting it. An answer belongs to the
bytes it was found in and to the code that found it, so it is never out of date.
"""

import atexit
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lossatlas.writing import write

CACHE_VARIABLE = "XDG_CACHE_HOME"
# Whose answers are kept.
FINDERS = (
    "cards.py",
    "intervals.py",
    "yamls.py",
    "losses/expression.py",
    "losses/needs.py",
    "losses/registry.py",
    "losses/source.py",
)
MOST = 20_000  # answers; beyond them, those that this process had no use for are forgotten

_used: dict[str, Any] = {}
_new: set[str] = set()


def folder() -> Path | None:
    """The package's folder in the user's cache; None for a user without a home."""
    try:
        return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache").expanduser() / "lossatlas"
    except RuntimeError:
        return None


def of(kind: str, content: bytes, find: Callable[[], Any]) -> Any:
    """What `find` says of a file's content: plain values of JSON, in which a tuple is a list."""
    key = f"{kind} {hashlib.sha256(content).hexdigest()}"
    if key not in _used:
        if (known := _known().get(key)) is None:
            known = find()
            if not _new:
                atexit.register(_save)
            _new.add(key)
        _used[key] = known
    return _used[key]


@cache
def _known() -> dict[str, Any]:
    place = _place()
    with suppress(OSError):
        if place is not None and place.is_file():
            digest, _, known = place.read_bytes().partition(b"\n")
            if digest == _sealed(known):  # so it is what was written
                return dict(json.loads(known))
    return {}


def _sealed(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


@cache
def _place() -> Path | None:
    """One file for each version of Python and of the code that finds the answers."""
    package, root = Path(__file__).parent, folder()
    code = b"".join((package / name).read_bytes() for name in FINDERS)
    mark = hashlib.sha256(sys.version.encode() + code).hexdigest()[:12]
    return root and root / f"memo-{mark}.json"


def _save() -> None:
    """Add what is new to what other processes have added meanwhile."""
    if (place := _place()) is None:
        return
    _known.cache_clear()
    held = _known() | _used
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(held if len(held) <= MOST else _used).encode()
        write(place, _sealed(content) + b"\n" + content)
