"""From Python as from the shell: `lossatlas.check`, `nearest` and `test` give tables.

A loss is an id or expression, as `get_loss` reads it, a loss, or its class; a class may live in a
notebook. What is judged is the loss as its constructor makes it, with stand-ins for what it needs.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd

from lossatlas.contract import suite
from lossatlas.errors import UserError
from lossatlas.losses import expression, registry
from lossatlas.losses.base import Loss, Sum
from lossatlas.theory import nearest as comparison
from lossatlas.theory import records, wording

Named = str | Loss | type[Loss]
CHECKED = (
    "loss", "property", "verdict", "declared", "agrees", "evidence", "witness", "classes", "reach",
    "reference",
)  # fmt: skip
COMPARED = (
    "loss", "formula", "relation", "limit", "residual", "value_residual", "cosine", "scale",
    "offset", "differs_by",
)  # fmt: skip
TESTED = ("loss", "law", "cases", "broken", "says")


def check(
    loss: Named,
    properties: str | Sequence[str] | None = None,
    *,
    classes: int | None = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """Decide a loss's mathematical properties, as `lossatlas check` does (docs/properties.md).

    Args:
        loss: an id, an expression, a loss, or its class.
        properties: the ones wanted; the beginning of a name will do. None: all.
        classes: of the logits; by default 4, or another number where the code does not work for 4.
        fresh: search again, whatever is stored of a loss that has a file.

    Returns:
        A row a property: `loss`; `property`; `verdict`, "proved", "refuted", "evidence_against",
        "not_refuted", "inconclusive" or "not_applicable"; `declared`, what the card says, True,
        False, "unknown" or None; `agrees`, whether the verdict bears that out, or None; `evidence`
        in words; `witness`, a mapping or None; `classes` and `reach`, the K and the largest inputs
        that were looked at; `reference`, where the property is from.

    Raises:
        UserError: there is no such loss or property, or the loss's code raises.
    """
    asked = [properties] if isinstance(properties, str) else properties
    only = None if asked is None else [records.find_property(text) for text in asked]
    with _named(loss) as name:
        found = records.check(name, only, fresh, classes)
    rows = [record | {"evidence": wording.evidence(record, None)} for record in found]
    return pd.DataFrame(rows, columns=list(CHECKED))


def nearest(loss: Named, k: int | None = 5) -> pd.DataFrame:
    """Is it new? The known losses whose gradients are closest, as `lossatlas nearest` finds them.

    Args:
        loss: an id, an expression, a loss, its class, or the path of a file with `loss(logits,
            target)`.
        k: how many; None: all.

    Returns:
        A row a known loss, the closest first: `loss`, its id; `formula`, with factor and fitted
        hyperparameters; `relation`, "equal", "same values", "almost equal", "equal in part",
        "limit", "near twin" or "different"; `limit`, such as "q -> 0"; `residual`, what is left of
        the gradients, relative; `value_residual`, the same of the values; `cosine` of the angle
        between the gradients; `scale`, `offset` and `differs_by`, how the values differ. Its
        `attrs` hold the `verdict` in a sentence, a `combination` of two losses that is the same, or
        None, and `left_out`, the losses that could not be compared, with the reason.

    Raises:
        UserError: there is no such loss, or it cannot be compared.
    """
    with _named(loss) as name:
        answer = comparison.nearest(name)
    rows = [match._asdict() | {"formula": match.formula} for match in answer.matches[:k]]
    table = pd.DataFrame(rows, columns=list(COMPARED))
    table.attrs = {
        "verdict": answer.verdict,
        "combination": answer.combination and answer.combination.formula,
        "left_out": answer.left_out,
    }
    return table


def test(loss: Named) -> pd.DataFrame:
    """Hold a loss to the laws that every loss keeps, as `lossatlas test` does.

    Without a card, as in a notebook, nothing is claimed, so only the laws of every loss are tried,
    at the hyperparameters that it has.

    Args:
        loss: an id, an expression, a loss, or its class.

    Returns:
        A row a law: `loss`; `law`; `cases`, how many were tried; `broken`, in how many it does not
        hold; `says`, what the first of these says, or "".

    Raises:
        UserError: there is no such loss.
    """
    with _named(loss) as name:
        outcome = suite.test(name)
    rows = [
        (name, law.replace("_", " "), tally.cases, len(tally.broken), "".join(tally.broken[:1]))
        for law, tally in outcome.laws.items()
    ]
    return pd.DataFrame(rows, columns=list(TESTED))


# ------------------------------------------------------------------------- objects and their names


@contextmanager
def _named(loss: Named) -> Iterator[str]:
    """A name or expression by which the registry knows the loss in here."""
    own: dict[str, type[Loss]] = {}
    if isinstance(loss, str):
        name = loss
        if name.isidentifier():
            registry.get_class(name)  # or tell what there is
    elif isinstance(loss, type) and issubclass(loss, Loss):
        name = _id(loss, own)
    elif isinstance(loss, Loss):
        name = expression.write(_terms(loss, own))
    else:
        raise UserError(f"a loss is an id, an expression, a Loss or its class, not {loss!r:.80}")
    with registry.lent(own):
        if isinstance(loss, Loss):
            _is_the_same(registry.get_loss(name), loss)
        yield name


def _terms(loss: Loss, own: dict[str, type[Loss]]) -> list[expression.Term]:
    """The loss as the terms of an expression; classes that are not registered go into `own`."""
    if type(loss) is Sum:
        terms = [(w, term) for w, part in loss.terms() for term in _terms(part, own)]
        return [term._replace(weight=w * term.weight) for w, term in terms]
    given: dict[str, expression.Value] = {}
    for key, parameter in inspect.signature(type(loss)).parameters.items():
        known = loss.given or {}
        value = getattr(loss, key, known.get(key, parameter.default))
        if isinstance(value, Loss):
            given[key] = expression.write(_terms(value, own))
        elif value != parameter.default:
            given[key] = value
    return [expression.Term(1.0, _id(type(loss), own), given)]


def _is_the_same(made: Loss, loss: Loss) -> None:
    """Raise UserError unless a loss was made again with the same hyperparameters."""
    for key in inspect.signature(type(loss)).parameters:
        ours, theirs = (getattr(one, key, (one.given or {}).get(key)) for one in (loss, made))
        kept = hasattr(loss, key) or loss.given is not None
        if not kept or (not isinstance(ours, Loss) and ours != theirs):
            raise UserError(
                f"{type(loss).__name__}: its hyperparameter {key!r} cannot be read; keep it as "
                f"self.{key}, as it was given"
            )


def _id(cls: type[Loss], own: dict[str, type[Loss]]) -> str:
    """The id of a class; of one that is not registered, its name in lower case."""
    if (known := registry.id_of(cls)) is not None:
        return known
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
    name = re.sub(r"[^a-z0-9_]", "", words).strip("_")
    while name in registry.index() or own.get(name, cls) is not cls or registry.illegal_id(name):
        name = f"own_{name}"
    own[name] = cls
    return name
