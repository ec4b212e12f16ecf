"""Reads losses made of others: `nce + 0.1 * rce`, `gce(q=0.5) - mae`, `flooding(gce, b=0.1)`."""

import ast
from typing import NamedTuple

from lossatlas.errors import UserError
from lossatlas.names import short

Value = int | float | bool | str  # of a hyperparameter
WRAPPED = "loss"  # the keyword for what a wrapper wraps, written first and without its name
EXAMPLE = "write it like 'nce + 0.1 * rce' or 'gce(q=0.5) + 2 * mae'"


class Term(NamedTuple):
    """One loss of a sum: its weight, its id, and the hyperparameters that are not the default.

    What a wrapper wraps is the hyperparameter `loss`, an expression in its one spelling.
    """

    weight: float
    name: str
    hyperparameters: dict[str, Value]


def parse(text: str) -> list[Term]:
    """The terms of a sum in the order written; parentheses are multiplied out.

    Ids, hyperparameters and weights are not looked up here, only read.

    Raises:
        UserError: anything but losses, `+`, `-`, `*` by a number, `/` by one, and calls of at most
            one expression, whose keywords are numbers, text, True or False.
    """
    if not text.strip():
        raise UserError(f"a sum of losses must not be empty; {EXAMPLE}")
    try:
        return _terms(ast.parse(" ".join(text.split()), mode="eval").body, 1.0)
    except _Illegal as error:
        raise UserError(f"{short(text)} is no sum of losses: {error}; {EXAMPLE}") from None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise UserError(f"{short(text)} is no sum of losses; {EXAMPLE}") from None


def write(terms: list[Term]) -> str:
    """The one spelling of a sum, from which `parse` reads the same terms."""
    first, *more = terms
    signs = (" - " if term.weight < 0 else " + " for term in more)
    rest = (sign + _write(term) for sign, term in zip(signs, more, strict=True))
    return _write(first) + "".join(rest)


def ids(text: str) -> list[str]:
    """The losses that an expression names, each once, a wrapper before what it wraps."""
    found = []
    for term in parse(text):
        found.append(term.name)
        if isinstance(wrapped := term.hyperparameters.get(WRAPPED), str):
            found += ids(wrapped)
    return list(dict.fromkeys(found))


class _Illegal(Exception):
    """What an expression holds beyond the grammar."""


def _terms(node: ast.expr, weight: float) -> list[Term]:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _terms(left, weight) + _terms(right, weight)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            for factor, rest in ((left, right), (right, left)):
                number = _number(factor)
                if number is not None:
                    if not 0 <= number < float("inf"):
                        raise _Illegal(f"the weight {_short(number)} is not in [0, inf)")
                    return _terms(rest, float(weight * number))
            raise _Illegal(f"'{ast.unparse(node)}' has no number for a weight")
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            number = _number(right)
            if number is None or not 0 < number < float("inf"):
                raise _Illegal(f"'{ast.unparse(right)}' is no number above 0 to divide by")
            return _terms(left, float(weight / number))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _terms(left, weight) + _terms(right, -weight)
        case ast.Name(id=name):
            return [Term(weight or 0.0, name, {})]  # -0.0 is 0.0
        case ast.Call(func=ast.Name(id=name), args=[*args], keywords=keywords) if len(
            args
        ) < 2 and not any(isinstance(inner, ast.Constant) for inner in args):
            wrapped = dict((WRAPPED, write(_terms(inner, 1.0))) for inner in args)  # noqa: C402
            given = dict(_keyword(name, keyword) for keyword in keywords)
            if len(given) < len(keywords) or given.keys() & wrapped:
                raise _Illegal(f"{name} is given the same hyperparameter twice")
            if isinstance(text := given.get(WRAPPED), str):
                wrapped[WRAPPED] = write(parse(text))
            return [Term(weight or 0.0, name, {**wrapped, **given, **wrapped})]
        case _:
            raise _Illegal(f"{short(ast.unparse(node))} is not legal")


def _keyword(name: str, keyword: ast.keyword) -> tuple[str, Value]:
    value: Value | None = _number(keyword.value)
    if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool | str):
        value = keyword.value.value
    if keyword.arg is None or value is None:
        raise _Illegal(f"'{ast.unparse(keyword)}' of {name} is not a hyperparameter and a value")
    return keyword.arg, value


def _number(node: ast.expr) -> int | float | None:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            positive = _number(operand)
            return None if positive is None else -positive
    return None


def _write(term: Term) -> str:
    given = ", ".join(
        str(value) if key == WRAPPED else f"{key}={_short(value)}"
        for key, value in term.hyperparameters.items()
    )
    loss = f"{term.name}({given})" if given else term.name
    return loss if abs(term.weight) == 1 else f"{_short(abs(term.weight))} * {loss}"


def _short(value: Value) -> str:
    if isinstance(value, bool | str):
        return repr(value)
    return repr(float(value)).removesuffix(".0")
