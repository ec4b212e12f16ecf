"""The one door through which YAML comes in: plain values, bounded in every way."""

import re
from pathlib import Path
from typing import Any

import yaml

from lossatlas.errors import UserError

MAX_BYTES = 4_000_000
MAX_DEPTH = 32
MAX_VALUES = 200_000  # counted as they unfold: an alias weighs what it stands for

# Characters that steer a terminal, end a line or turn its direction; and halves of characters.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built with it


class _Loader(_BASE):
    """Refuses numbers that no field can mean and that Python would choke on."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        digits = len(node.value)
        value = _BASE.construct_yaml_int(self, node) if digits <= 100 else None
        if value is None or abs(value) >= 2**64:
            raise yaml.constructor.ConstructorError(
                None, None, f"the whole number {node.value[:20]}... is too large", node.start_mark
            )
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read(path: Path) -> Any:
    """The value of a YAML file (None if empty); UserError names the file and the line."""
    return parse(text_of(path), str(path))


def text_of(path: Path) -> str:
    """The text of a small UTF-8 file, without byte order mark; UserError names the file."""
    try:
        if not path.is_file():
            raise UserError(f"{path}: {'is no plain file' if path.exists() else 'no such file'}")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES:,} bytes")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    if bad := CONTROL.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise UserError(
            f"{path}, line {line}: the character {bad.group()!a} is not legal in a text"
        )
    return text


def parse(text: str, where: str) -> Any:
    """The value of a YAML text (None if empty): mappings, lists, strings, numbers, dates.

    Raises:
        UserError: naming `where` and the line, for what is not YAML, several documents, tags, merge
            keys, a key given twice, an alias inside what it stands for, or more than `MAX_BYTES`,
            `MAX_DEPTH` levels or `MAX_VALUES` values.
    """
    if len(text) > MAX_BYTES:
        raise UserError(f"{where}: is larger than {MAX_BYTES:,} characters")
    try:
        _survey(text, where)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        last = text.count("\n")  # libyaml may point one line beyond the end
        line = f", line {min(error.problem_mark.line, last) + 1}" if error.problem_mark else ""
        raise UserError(f"{where}{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML forbids; 2020-99-99
        if isinstance(error, UserError):
            raise
        raise UserError(f"{where}: not YAML: {error}") from None


class _Open:
    """A list or mapping that is being read: its weight, its anchor, the keys it has so far."""

    def __init__(self, anchor: str | None, mapping: bool):
        self.anchor, self.mapping = anchor, mapping
        self.weight, self.children, self.keys = 1, 0, set[str]()


def _survey(text: str, where: str) -> None:
    """Walk the events, before anything is built, and refuse what would hang, kill or hide."""

    def refuse(event: Any, why: str) -> None:
        raise UserError(f"{where}, line {event.start_mark.line + 1}: {why}")

    path = [_Open(None, False)]
    weights: dict[str | None, int | None] = {}  # None while the anchored value is still open
    for event in yaml.parse(text, Loader=_BASE):
        here = path[-1]
        if isinstance(event, yaml.CollectionEndEvent):
            path.pop()
            weight, anchor = here.weight, here.anchor
        elif not isinstance(event, yaml.NodeEvent):
            continue
        else:
            here.children += 1
            weight, anchor = 1, event.anchor
            tag = getattr(event, "tag", None)
            if tag not in (None, "!"):
                refuse(event, f"the tag {tag} is not read here; write a plain value")
            if isinstance(event, yaml.ScalarEvent) and (bad := CONTROL.search(event.value)):
                refuse(event, f"the character {bad.group()!a} is not legal in a text")
            if here.mapping and here.children % 2 and isinstance(event, yaml.ScalarEvent):
                if event.value == "<<" and event.style not in ("'", '"'):
                    refuse(event, "merge keys (<<) are not read here; write the fields out")
                if event.value in here.keys:
                    refuse(event, f"the key {event.value[:80]!r} is given twice")
                here.keys.add(event.value)
            if isinstance(event, yaml.AliasEvent):
                if (known := weights.get(anchor, 1)) is None:
                    refuse(event, f"the alias *{anchor} stands inside what it stands for")
                weight, anchor = known or 1, None
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(path) > MAX_DEPTH:
                    refuse(event, f"is nested deeper than {MAX_DEPTH} levels")
                path.append(_Open(anchor, isinstance(event, yaml.MappingStartEvent)))
                if anchor:
                    weights[anchor] = None
                continue
        if anchor:
            weights[anchor] = weight
        path[-1].weight += weight
        if path[-1].weight > MAX_VALUES:
            refuse(event, f"unfolds to more than {MAX_VALUES:,} values")
