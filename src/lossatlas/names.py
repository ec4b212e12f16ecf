"""One rule for what becomes a file or folder: names of sweeps, recipes, losses; output folders."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossatlas.errors import UserError

LONGEST = 100  # bytes of a name: a run's id holds two, and a file's name has at most 255
# What YAML, Hydra or a table would read as something other than text.
TAKEN = ("on", "off", "yes", "no", "y", "n", "true", "false", "null", "none", "na")
_FORM = re.compile(r"\w([\w .+-]*[\w+-])?")


def file_name(text: object, what: str) -> str:
    """`text` if it may name a file and reads as text wherever it is written down.

    Raises:
        UserError: it may not; `what` says what it is the name of.
    """
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        why = "must be letters, digits and _ (then also . - + and blanks inside)"
    elif len(os.fsencode(text)) > LONGEST:
        why = f"must have at most {LONGEST} bytes"
    elif text.lower() in TAKEN or is_number(text):
        why = "must not be a number or a word like on, no, true, null, none"
    else:
        return text
    raise UserError(f"{what} {why}, not {short(text)}")


def folder(path: Path, what: str) -> Path:
    """`path`, absolute and without `~`, if it is a folder that can be written, or can become one.

    Nothing is left behind. Raises UserError that begins with `what`.
    """
    try:
        found = path.expanduser().resolve()
        there = next(place for place in (found, *found.parents) if place.exists())
        problem = "is not a folder" if not there.is_dir() else "cannot be written to"
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            if there != found:  # only trying tells: /proc looks as if it could be written to
                with tempfile.TemporaryDirectory(prefix=".lossatlas-", dir=there):
                    pass
            return found
    except (OSError, RuntimeError, ValueError) as error:  # too long, no home, a loop, a zero byte
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{what} {str(path)!r} cannot be a folder ({why})") from None
    raise UserError(f"{what} {str(path)!r} cannot be a folder: {there} {problem}")


def short(value: object) -> str:
    """The value as Python writes it, cut to 80 characters, without control characters."""
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python prints
        return "a number of too many digits"
    return text if len(text) <= 80 else f"{text[:80]}..."


def is_number(text: str) -> bool:
    """Does it read as a number?"""
    try:
        float(text)
    except ValueError:
        return False
    return True


def label(conf: Mapping[str, Any]) -> str:
    """What rows call a choice of the configuration: its name; of what the user brought along, also
    the digest that tells it from others of that name."""
    digest = conf.get("digest")
    return f"{conf['name']}-{digest[:8]}" if digest else str(conf["name"])


def scenario_key(name: str, parameters: Mapping[str, Any]) -> str:
    """A scenario's name with its parameters, fit to be the name of a file."""
    texts = {k: f"{v:g}" if isinstance(v, int | float) else str(v) for k, v in parameters.items()}
    return "-".join([name, *(f"{key}={text}" for key, text in texts.items())])
