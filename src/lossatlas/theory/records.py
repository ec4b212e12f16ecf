"""Verdicts as JSON records, kept and made again only when their code changed.

    papers/verdicts/<id>.json         {"loss": id, "source": ..., "digest": ..., "records": [...]}
    ~/.cache/lossatlas/verdicts/<id>-<place>.json

A record is a line. The first are those that the project keeps; only a maintainer's `make verdicts`
writes them. What a user's command finds is kept in the second place. Both are read.
A record carries the digest of the check that made it, with all that the check imports from this
package's mathematics; the file carries that of the loss (see `losses.source`), of the theorems that
its card names, and of its claims. So neither an edited loss nor an edited checker can pass for the
old one. The file counts only as it was written: its own digest is that of all the rest.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, get_args

from lossatlas import cards, memo, resources
from lossatlas.errors import UserError
from lossatlas.losses import registry, source
from lossatlas.theory import design, proof
from lossatlas.theory.checks import CHECKS, Check
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.purity import impurity
from lossatlas.theory.subject import Subject, blame, comes_from, examine, examine_anywhere
from lossatlas.theory.verdict import (
    Finding,
    Witness,
    as_json,
    confirm,
    doubt,
    evaluate,
    not_applicable,
)
from lossatlas.threads import one_thread
from lossatlas.writing import write

Record = dict[str, Any]
FOLDER = "verdicts"
# What the card tells the checker; its prose and examples do not matter here.
FIELDS = {"target", "link", "bayes_rule", "requires", "hyperparameters", "properties", "limits"}


def find_property(text: str) -> str:
    """The property that `text` names or begins; raises UserError that lists the legal ones."""
    names = list(_checks())
    if text in names:
        return text
    begun = [name for name in names if name.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    which = f"begins {', '.join(begun)}" if begun else "is none"
    raise UserError(f"property {text!r} {which}; legal: {', '.join(names)}")


@registry.blamed()
def check(
    name: str,
    only: Iterable[str] | None = None,
    fresh: bool = False,
    classes: int | None = None,
    keep: bool = False,
) -> list[Record]:
    """The records of a loss (or expression), in the order of the checks; searched where stale.

    Args:
        name: id of a loss, or an expression such as "nce + rce".
        only: the properties wanted; None means all that apply.
        fresh: search again even where a current record exists.
        classes: of the logits; by default 4, or another number where the code does not work for 4.
            Verdicts for a number that is given are not kept.
        keep: write the records beside the cards, which the project keeps, not to the user's cache.

    Raises:
        UserError: there is no such loss, its code raises for that many classes, or its record file
            cannot be read.
    """
    wanted = [c for c in _checks().values() if only is None or c.prop in set(only)]
    known = {} if fresh or classes else current(name)
    if any(c.prop not in known for c in wanted):
        with one_thread():
            subject = examine_anywhere(name, classes)
            made = {c.prop: run(c, subject) for c in wanted if c.prop not in known}
            if impurity(subject):  # it may have stood still at first: then nothing is said
                made = {prop: run(_checks()[prop], subject) for prop in made}
        if classes is None:
            known = current(name) | made
            _save(name, known, _kept(name) if keep else _cached(name))
        else:
            known = made
    elif keep:
        _save(name, known, _kept(name))
    return [known[c.prop] for c in wanted]


def run(what: Check, subject: Subject) -> Record:
    """Run one check and return its record; `seconds` are of CPU time.

    A loss that is no function of its inputs has no properties, and one whose code raises on the way
    none that could be told.
    """
    begun = time.process_time()
    misfit, impure = what.misfit(subject), None
    try:
        impure = impurity(subject)
        reason = misfit or impure
        finding = what.run(subject) if reason is None else not_applicable(reason)
    except Unsupported as error:
        finding = Finding("inconclusive", "", reason=str(error))
    except Exception as error:
        if not comes_from(error, subject.loss):
            raise
        reason = f"the loss's code raises: {blame(error, subject.loss)}"
        finding = Finding("inconclusive", "", reason=reason)
    return _record(what, subject, finding, impure, time.process_time() - begun)


def _record(
    what: Check, subject: Subject, finding: Finding, impure: str | None, seconds: float
) -> Record:
    declared = subject.declared(what.prop)
    return {
        "loss": subject.name,
        "property": what.prop,
        "verdict": finding.verdict,
        "declared": declared,
        "agrees": agrees(declared, finding.verdict),
        **as_json({k: v for k, v in vars(finding).items() if k != "verdict"}),
        "hyperparameters": subject.hyperparameters,
        "classes": None if subject.on_embeddings else what.classes or subject.k,
        "reach": what.reach,
        "impurity": impure,
        "dtype": "float64",
        "seed": design.SEED,
        "reference": what.reference,
        "seconds": round(seconds, 3),
        "checker": _digest(what.run.__module__),
    }


def agrees(declared: bool | str | None, verdict: str) -> bool | None:
    """Whether a verdict bears out a card's claim; None where either leaves it open.

    A claim is contradicted by a refutation and by evidence against it, of which a denial has no
    more to show; a denial is contradicted by a proof.
    """
    if declared not in (True, False):
        return None
    if verdict in ("refuted", "evidence_against"):
        return not declared
    if verdict == "proved" or (verdict == "not_refuted" and declared):
        return bool(declared)
    return None


def current(name: str) -> dict[str, Record]:
    """The stored records of a loss that its code and the checks' code still stand behind."""
    return {
        prop: record
        for place in (_kept(name), _cached(name))
        for prop, record in _read(name, place).items()
    }


def _read(name: str, place: Path | None) -> dict[str, Record]:
    if place is None or not place.is_file():
        return {}
    try:
        stored = json.loads(place.read_text())
        source, digest, kept = stored["source"], stored.get("digest"), stored["records"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{place}: is no file of verdicts ({error!r}); delete it") from None
    if digest not in (None, _sealed(name, source, kept)):
        raise UserError(f"{place}: does not hold the verdicts that were written; delete it")
    if digest is None or source != source_digest(name):  # of an older version, or code
        return {}
    return {
        record["property"]: record
        for record in kept
        if record["property"] in _checks()
        and record["checker"] == _digest(CHECKS[record["property"]].run.__module__)
    }


def _sealed(name: str, source: str, kept: list[Record]) -> str:
    """Digest of what a file of verdicts holds."""
    return hashlib.sha256(json.dumps([name, source, kept]).encode()).hexdigest()[:16]


def problem_of(record: Record) -> str | None:
    """Why a stored witness does not refute any more, or None; evaluates it, searches nothing."""
    witness = Witness.read(record["witness"])
    counts = tuple(witness.class_counts) if witness.class_counts else None
    subject = examine(record["loss"], witness.k, counts)
    value, _ = evaluate(subject, witness.terms)
    exact, rounding, _ = confirm(subject, witness.terms)
    return doubt(value, exact, rounding)


def source_digest(name: str) -> str:
    """Digest of what a loss's verdicts depend on: its code, that of its limits, its claims, and the
    theorems that these name."""
    entry = registry.find(name)
    others: list[str] = []
    proofs: set[str] = set()
    facts: Any = None
    if entry.card.is_file():
        card = cards.read(entry.card)
        facts = card.model_dump(mode="json", include=FIELDS)
        others = sorted({limit.equals for limit in card.limits} - {name})
        for other in others:
            if other not in registry.index():
                raise UserError(f"{entry.card}: field 'limits': there is no loss {other!r}")
        proofs = proof.NAMES.intersection(claim.proof for claim in card.properties.values())
    theorems = [_digest(f"lossatlas.theory.theorems.{theorem}") for theorem in sorted(proofs)]
    codes = [source.digest(each) for each in (name, *others)]
    text = json.dumps([facts, codes, theorems], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _checks() -> dict[str, Check]:
    """All checks in the order of the cards' vocabulary; importing their modules registers them."""
    from lossatlas.theory import properties  # noqa: F401

    names = get_args(cards.Property)
    return {name: CHECKS[name] for name in sorted(CHECKS, key=names.index)}


@cache
def _digest(module: str) -> str:
    """Digest of a check or theorem: of all the atlas's mathematics that its module imports."""
    path = resources.PACKAGE.parent / (module.replace(".", "/") + ".py")
    rooms = ("lossatlas.theory", "lossatlas.losses")
    return source.digest_of(source.closure([path], rooms, ("lossatlas.losses.registry",)))


def _kept(name: str) -> Path | None:
    """Where a project keeps a loss's records; None for an expression."""
    entry = registry.index().get(name)
    return entry.ledger.parent / FOLDER / f"{name}.json" if entry else None


def _cached(name: str) -> Path | None:
    """Where a user's commands leave a loss's records; None for an expression, or without a home."""
    kept = _kept(name)
    if kept is None:
        return None
    mark = hashlib.sha256(os.fsencode(kept)).hexdigest()[:8]
    root = memo.folder()
    return root and root / FOLDER / f"{name}-{mark}.json"


def _save(name: str, records: dict[str, Record], place: Path | None) -> None:
    if place is None:
        return
    ordered = [records[prop] for prop in _checks() if prop in records]
    facts = {"loss": name, "source": source_digest(name)}
    facts["digest"] = _sealed(name, facts["source"], ordered)
    # One record a line: a diff shows which verdict moved.
    lines = ",\n".join(map(json.dumps, ordered))
    text = json.dumps(facts).removesuffix("}") + f', "records": [\n{lines}\n]}}\n'
    with suppress(OSError):  # an installed package may be read-only: then nothing is remembered
        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, text)
