"""The type of a hyperparameter's field, from whatever a constructor says of it.

Without a type `q=1` and `q=1.0` would be two experiments.
"""

import ast
import inspect
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Final, ForwardRef, Literal, Union, get_args, get_origin

PLAIN: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
# Types of what is true or false. 0 and 1 are refused as 7 is: flag=1 and flag=true would be one
# experiment under two ids, and no hyperparameter that is a number takes true either.
FLAGS = (bool, bool | None)


def field_type(annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """int, float, bool or str, `T | None` of one of them, or Any.

    Args:
        annotation: a type (of NumPy and of `numbers`, too), a union with None or of int and float
            (then float), or these as text, as `from __future__ import annotations` leaves them;
            `inspect.Parameter.empty` if the constructor has none.
        default: its default, whose type counts if there is no annotation and it is no whole
            number, which says too little.
    """
    if annotation is inspect.Parameter.empty:
        return type(default) if isinstance(default, float | bool | str) else Any
    found = _names(annotation)
    kinds = found - {"None"}
    if kinds == {"int", "float"}:
        kinds = {"float"}
    if len(kinds) != 1 or not kinds <= set(PLAIN):
        return Any
    kind = PLAIN[kinds.pop()]
    return kind | None if "None" in found else kind


def resolved(annotation: Any, names: Mapping[str, Any]) -> Any:
    """What an annotation that was left as text means among the names of its file.

    The text itself where it means nothing there, such as a class imported for type checkers only.
    """
    if isinstance(annotation, str):
        with suppress(Exception):
            return resolved(eval(annotation, dict(names)), names)
    return annotation


def _names(annotation: Any) -> set[str]:
    """The names of a union's members; "?" for what is none of `PLAIN` or None."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            return _read(ast.parse(annotation.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return {"?"}
    if annotation is None or annotation is NoneType:
        return {"None"}
    if get_origin(annotation) in (Union, UnionType):
        return set[str]().union(*map(_names, get_args(annotation)))
    if get_origin(annotation) is Literal:
        return set[str]().union(*(_names(type(value)) for value in get_args(annotation)))
    if get_origin(annotation) in (Annotated, Final):
        return _names(get_args(annotation)[0])
    annotation = getattr(annotation, "__supertype__", annotation)  # of a NewType
    if not isinstance(annotation, type) or issubclass(annotation, Enum):
        return {"?"}
    kinds: dict[str, type] = {"bool": bool, "str": str, "int": Integral, "float": Real}
    return {next((name for name, kind in kinds.items() if issubclass(annotation, kind)), "?")}


def _read(node: ast.expr) -> set[str]:
    match node:
        case ast.Name(id=name) if name in PLAIN:
            return {name}
        case ast.Constant(value=None):
            return {"None"}
        case ast.Constant(value=str() as text):
            return _names(text)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _read(left) | _read(right)
        case ast.Subscript(value=ast.Name(id=outer) | ast.Attribute(attr=outer), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if outer == "Optional" and len(parts) == 1:
                return _read(parts[0]) | {"None"}
            if outer == "Union":
                return set[str]().union(*map(_read, parts))
            if outer in ("Annotated", "Final"):
                return _read(parts[0])
    return {"?"}
