"""What a field of the configuration may hold, said where the field is defined.

    epochs: int = number("[1, 10000]")
    arch: str = choice("airnet", "resnet18")
    imbalance: float | None = number("[1, 1e6]", None, only=("name", "long_tail"))

`only` says with which values of a neighbouring field it counts; with others it keeps its default.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import MISSING as ABSENT
from dataclasses import Field, field, fields, is_dataclass
from types import NoneType
from typing import Any, NamedTuple, get_args

from omegaconf import MISSING

from lossatlas import names
from lossatlas.errors import UserError
from lossatlas.intervals import Interval


class Rule(NamedTuple):
    """What is legal, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]
    only: tuple[str, ...] | None = None  # a neighbouring field, then its values


def number(interval: str, default: Any = MISSING, only: tuple[str, ...] | None = None) -> Any:
    """A field for a number in an interval; of an `int` field, a whole one."""
    return legal_if(f"a number in {interval}", Interval.parse(interval).__contains__, default, only)


def numbers(
    interval: str, length: str, default: Any = MISSING, only: tuple[str, ...] | None = None
) -> Any:
    """A field for a list of numbers in an interval, of a length in another."""
    values, sizes = Interval.parse(interval), Interval.parse(length)
    return legal_if(
        f"a list of numbers in {interval}, as many as {length}",
        lambda found: isinstance(found, list)
        and len(found) in sizes
        and all(value in values for value in found),
        default, only,
    )  # fmt: skip


def choice(*legal: str, default: Any = MISSING) -> Any:
    """A field for one of some words."""
    return legal_if(f"one of {', '.join(legal)}", legal.__contains__, default)


def file_name(default: Any = MISSING, only: tuple[str, ...] | None = None) -> Any:
    """A field for what becomes the name of a file (see `names.file_name`)."""
    words = "a name of letters, digits and _ (then also . - + and blanks inside), no number"
    return legal_if(words, is_name, default, only)


def legal_if(
    words: str, fits: Callable[[Any], bool], default: Any = MISSING, only: Any = None
) -> Any:
    """A field with a test of its own."""
    metadata = {"rule": Rule(words, fits, only)}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy.copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check(schema: Any, values: Any, where: str = "") -> None:
    """Raise UserError for the first value that does not fit the schema, a dataclass."""
    if not isinstance(values, dict):
        raise UserError(f"{where.rstrip('.') or 'configuration'} must have fields of its own")
    if extra := sorted(str(key) for key in set(values) - {f.name for f in fields(schema)}):
        raise UserError(f"{where}{extra[0]} is no field of the configuration")
    for each in fields(schema):
        key = where + each.name
        if each.name not in values:
            raise UserError(f"configuration: {key} needs a value")
        if is_dataclass(each.type):
            check(each.type, values[each.name], f"{key}.")
        else:
            _check(each, key, values)


def check_field(schema: Any, name: str, value: Any) -> None:
    """The same for one field at the top of a schema."""
    _check(next(f for f in fields(schema) if f.name == name), name, {name: value})


def _check(each: Field[Any], key: str, values: dict[str, Any]) -> None:
    value, found, kinds = values[each.name], of(each), get_args(each.type) or (each.type,)
    if found.only is not None and (other := values[found.only[0]]) not in found.only[1:]:
        if value != _default(each):
            legal = ", ".join(found.only[1:])
            raise UserError(f"{key} is for {legal} only, not for {other}")
        return
    if value is None and NoneType in kinds:
        return
    parts = value if isinstance(value, list) else [value]
    whole = int not in kinds or all(isinstance(part, int) for part in parts)
    if not (whole and found.fits(value)):
        words = found.words if int not in kinds else found.words.replace("number", "whole number")
        null = " or null" if NoneType in kinds else ""
        raise UserError(f"{key} must be {words}{null}, not {names.short(value)}")


def of(each: Field[Any]) -> Rule:
    """The rule of a field."""
    found = each.metadata["rule"]
    assert isinstance(found, Rule)
    return found


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is ABSENT else each.default_factory()


def is_truth(value: Any) -> bool:
    """True or False. The field's type is Any: OmegaConf makes True of 3 where the type is bool."""
    return isinstance(value, bool)


def is_line(value: Any) -> bool:
    """One line of text."""
    return isinstance(value, str) and 0 < len(value) <= 4096 and value.isprintable()


def is_digest(value: Any) -> bool:
    """The digest of a file that the user has brought along."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def is_name(value: Any) -> bool:
    """May it name a file?"""
    try:
        return bool(names.file_name(value, ""))
    except UserError:
        return False


def is_word(value: Any) -> bool:
    """A word for another program's command line."""
    return isinstance(value, str) and bool(re.fullmatch(r"\w[\w.,:=@/+-]{0,199}", value))
