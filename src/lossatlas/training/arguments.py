"""What a command line says, before Hydra reads it: its options, and overrides KEY=VALUE.

What Hydra would take for something else is refused or quoted here.
"""

import os
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString

from lossatlas import names
from lossatlas.errors import UserError
from lossatlas.yamls import MAX_DEPTH

MULTIRUN = ("-m", "--multirun")
SWITCHES = (*MULTIRUN, "-h", "--help", "--resolve")
WITH_VALUE = {"--cfg": ("job", "hydra", "all"), "--config-dir": ()}
GROUPS = ("loss", "scenario", "data", "model", "recipe", "logger", "launcher")
PATHS = ("runs", "data.path")  # keys whose values are taken as they stand
_FORM = re.compile(r"(?P<key>\+{0,2}[A-Za-z_][\w./@:-]*)=(?P<value>.*)")


def read(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options and the overrides of a command line, as Hydra understands them.

    Raises:
        UserError: an option that is not one of `train`, or what `override` refuses.
    """
    options: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for word in rest:
        option, equal, value = word.partition("=")
        if word in SWITCHES:
            options.append({"-m": "--multirun", "-h": "--help"}.get(word, word))
        elif option in WITH_VALUE:
            value = value if equal else next(rest, "")
            legal = WITH_VALUE[option]
            if value not in legal if legal else not value:
                raise UserError(f"{option} takes {' or '.join(legal) or 'a value'}, not {value!r}")
            if option == "--config-dir" and not Path(os.path.expanduser(value)).is_dir():
                raise UserError(f"--config-dir {value!r} is not a folder")
            options.append(f"{option}={Path(os.path.expanduser(value)) if not legal else value}")
        elif word.startswith("-"):
            raise UserError(
                f"there is no option {names.short(option)}; legal: {', '.join(SWITCHES)}, "
                f"{', '.join(WITH_VALUE)}, and those of `lossatlas train --help`"
            )
        else:
            overrides.append(override(word))
    shown = any(option.startswith("--cfg") for option in options)
    if "--resolve" in options and not shown:
        raise UserError("--resolve shows the values of --cfg; give --cfg job as well")
    if "--multirun" in options and shown:
        raise UserError("--cfg shows one run; leave out -m")
    return list(dict.fromkeys(options)), overrides


def override(word: str) -> str:
    """One KEY=VALUE; a path gets the quotes that Hydra wants.

    Raises:
        UserError: it is none, removes a value, or changes Hydra itself.
    """
    form = _FORM.fullmatch(word)
    if word.startswith("~"):
        raise UserError(f"{names.short(word)} removes a value, and a run needs them all")
    if form is None or not word.isprintable():
        raise UserError(
            f"{names.short(word)} is neither an option nor KEY=VALUE on one line, as in loss=focal"
        )
    key, value = form["key"].lstrip("+"), form["value"].strip()
    if re.search(r"[\d_]{300}", value):
        raise UserError(f"{names.short(word)} has a number of too many digits")
    if key not in PATHS and _depth(value) > MAX_DEPTH:  # Hydra calls itself for each
        raise UserError(f"{names.short(word)} is nested deeper than {MAX_DEPTH} levels")
    if key in (*GROUPS, "sweep") and _is_no_name(value):
        raise UserError(f"{key} is chosen by a name, not by {names.short(value)}")
    if re.match(r"hydra\b", key):
        raise UserError(f"{names.short(word)} changes Hydra itself, which is not for this command")
    if key in PATHS and value[:1] not in ("", "'", '"') and value != "null" and "${" not in value:
        value = QuotedString(value, Quote.double).with_quotes()
    return f"{form['key']}={value}"


def _depth(value: str) -> int:
    """How many brackets are open at once, at most."""
    opened = ((c in "([{") - (c in ")]}") for c in value)
    return max(accumulate(opened), default=0)


def _is_no_name(value: str) -> bool:
    """Does Hydra read the value, or one of several, as a list, mapping, number or null?"""
    parts = [part.strip() for part in re.split(r"[,()]", value)]
    words = ("null", "true", "false")
    return value[:1] in ("[", "{") or any(p.lower() in words or names.is_number(p) for p in parts)


def sweep(options: Sequence[str], overrides: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file of `sweep=FILE.yaml`, if one was given, and the other overrides.

    Raises:
        UserError: two sweeps, a sweep or a launcher without -m, or a name that no sweep can have.
    """
    alone = not {"--multirun", "--help", "--cfg"} & {each.partition("=")[0] for each in options}
    launchers = [t for t in overrides if re.match(r"\+{0,2}launcher=(?!local$)", t)]
    if launchers and alone:  # one run is made here and now, whatever launcher is named
        raise UserError(f"{launchers[0]} is for sweeps; give -m as well")
    given = [text for text in overrides if re.match(r"\+{0,2}sweep=", text)]
    chosen = [text.partition("=")[2] for text in given]
    if not chosen or chosen == ["none"]:
        return None, list(overrides)
    if len(chosen) > 1 or re.search(r"[,(\[{]", chosen[0]):
        raise UserError(f"{' '.join(given)}: one sweep at a time; put several into one file")
    if not {"--multirun", "--help"} & set(options):
        raise UserError(f"{given[0]} is for sweeps; give -m as well")
    file = Path(os.path.expanduser(chosen[0].strip("'\"")))
    is_file = file.suffix in (".yaml", ".yml")
    names.file_name(file.stem if is_file else chosen[0], "the name of a sweep")
    return (file, [t for t in overrides if t not in given]) if is_file else (None, list(overrides))
