"""Runs the laws over losses, tells which are broken, and keeps the ledger of those that held."""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from lossatlas import resources
from lossatlas.contract.laws import LAWS
from lossatlas.errors import UserError
from lossatlas.losses import registry

LONGEST = 240  # characters of what one case says


class Case(NamedTuple):
    """One law in one case of a loss; `check` raises AssertionError if it is broken."""

    loss: str
    law: str
    id: str
    check: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.law}-{self.loss}" + (f"-{self.id}" if self.id else "")


class Outcome(NamedTuple):
    """What the laws say of a loss: a sentence a broken law, and how many cases were tried."""

    loss: str
    broken: list[str]
    cases: int
    reference: Path
    has_reference: bool

    @property
    def summary(self) -> str:
        """One line on the loss."""
        line = f"{len(self.broken)} laws broken" if self.broken else "every law holds"
        line = f"{self.loss}: {line} in {self.cases} cases"
        if self.has_reference:
            return line
        draft = registry.status(registry.find(self.loss)) == "draft"
        return f"{line}; there is no reference {self.reference}" + ", so it is a draft" * draft


def cases(name: str) -> list[Case]:
    """Every case of a loss; one that fails, where its card cannot be read."""
    try:
        card = registry.get_card(name)
        return [
            Case(name, law, case, partial(LAWS[law].check, card, *arguments))
            for law in LAWS
            for case, arguments in LAWS[law].cases(card).items()
        ]
    except UserError as error:
        return [Case(name, "card_and_reference_are_read", "", partial(_fail, str(error)))]


def _fail(sentence: str) -> None:
    raise AssertionError(sentence)


def test(name: str, device: str = "cpu") -> Outcome:
    """Run the whole contract of a registered loss; what its code raises breaks the law.

    On another `device` than the CPU its inputs are made there.

    Raises:
        UserError: torch has no such device here.
    """
    try:
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        says = str(error).splitlines()[0]
        raise UserError(f"--device {device} cannot be used here ({says})") from None
    with torch.device(device):
        return _test(name)


def _test(name: str) -> Outcome:
    torch.set_num_threads(1)
    found = cases(name)
    told: dict[str, list[str]] = {}
    for case in found:
        try:
            case.check()
        except (Exception, SystemExit) as error:
            kind = "" if isinstance(error, AssertionError | UserError) else type(error).__name__
            parts = (f"[{case.id}]" if case.id else "", kind, str(error))
            says = " ".join(" ".join(parts).split())
            short = says if len(says) <= LONGEST else says[: LONGEST - 1] + "…"
            told.setdefault(case.law, []).append(short or "no message")
    broken = []
    for law, (first, *more) in told.items():
        others = f" (and {len(more)} cases more)" if more else ""
        broken.append(f"{name}: {law.replace('_', ' ')}: {first}{others}")
    reference = resources.reference(registry.find(name).code)
    return Outcome(name, broken, len(found), reference, reference.is_file())


def known(argument: str) -> str:
    """The id that an argument of `lossatlas test` names: a loss, or the file of one.

    The root of a file `<root>/losses/<family>/<id>.py` becomes known as by LOSSATLAS_PATH.

    Raises:
        UserError: there is no such loss, or the file has no such place.
    """
    if not argument.endswith(".py"):
        return registry.find(argument).id
    path = Path(argument).expanduser().resolve()
    if not path.is_file() or path.parents[1].name != "losses":
        raise UserError(f"{argument}: is no file <root>/losses/<family>/<id>.py")
    if all(entry.code != path for entry in registry.index().values()):
        before = os.environ.get(registry.PATH_VARIABLE)
        roots = [before] if before else []
        os.environ[registry.PATH_VARIABLE] = os.pathsep.join([*roots, str(path.parents[2])])
    return registry.find(path.stem).id


def record(outcomes: Sequence[Outcome]) -> list[Path]:
    """Write the digests of the losses that held into their ledgers, take out those that did not.

    A loss without reference is not touched: what it lacks cannot be seen here.
    """
    ledgers: dict[Path, dict[str, str]] = {}
    for outcome in outcomes:
        entry = registry.find(outcome.loss)
        if entry.ledger not in ledgers:
            there = {e.id for e in registry.index().values() if e.ledger == entry.ledger}
            held = _read(entry.ledger).items()
            ledgers[entry.ledger] = {name: digest for name, digest in held if name in there}
        if outcome.broken:
            ledgers[entry.ledger].pop(outcome.loss, None)
        elif outcome.has_reference:
            ledgers[entry.ledger][outcome.loss] = registry.digest(entry)
    for path, ledger in ledgers.items():
        beside = path.with_suffix(".part")
        try:
            beside.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n")
            beside.replace(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    return list(ledgers)


def _read(ledger: Path) -> dict[str, str]:
    if not ledger.exists():
        return {}
    try:
        held = json.loads(ledger.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise UserError(f"{ledger}: is no ledger of verified losses; delete it")
    return held
