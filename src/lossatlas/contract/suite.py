"""Runs the laws over losses, tells which are broken, and keeps the ledger of those that held."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch

from lossatlas import resources
from lossatlas.cards import Card, Claim
from lossatlas.contract.inputs import declared
from lossatlas.contract.laws import LAWS
from lossatlas.errors import UserError
from lossatlas.interrupt import by_signal
from lossatlas.losses import registry
from lossatlas.losses.expression import WRAPPED
from lossatlas.threads import one_thread
from lossatlas.writing import write

# Not asked of what has no card; whether a loss is another one in disguise, `nearest` says.
OF_CARDS = ("card_agrees_with_code", "no_other_loss_is_the_same_function")
LONGEST = 240  # characters of what one case says


class Case(NamedTuple):
    """One law in one case of a loss; `check` raises AssertionError if it is broken."""

    loss: str
    law: str
    id: str
    check: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.law}-{self.loss}" + (f"-{self.id}" if self.id else "")


class Tally(NamedTuple):
    """How many cases of a law were tried, and what those say in which it is broken."""

    cases: int
    broken: list[str]


class Outcome(NamedTuple):
    """What the laws say of a loss: a sentence a broken law, and how many cases were tried.

    `reference` is where one may stand, None for what has no file; `laws` has each law's tally.
    """

    loss: str
    broken: list[str]
    cases: int
    reference: Path | None
    has_reference: bool
    laws: Mapping[str, Tally] = MappingProxyType({})

    @property
    def summary(self) -> str:
        """One line on the loss."""
        line = f"{_counted(len(self.broken), 'law')} broken" if self.broken else "every law holds"
        line = f"{self.loss}: {line} in {_counted(self.cases, 'case')}"
        if self.has_reference or self.reference is None:
            return line
        draft = registry.status(registry.find(self.loss)) == "draft"
        return f"{line}; there is no reference {self.reference}" + ", so it is a draft" * draft


def cases(name: str) -> list[Case]:
    """Every case of a loss; one that fails, where its card cannot be read.

    What has no file, an expression or a class of a notebook, has no card: nothing is claimed of it.
    """
    try:
        bare = name not in registry.index()
        card = _bare(name) if bare else registry.get_card(name)
        if not bare and (unlike := _unlike(card)) is not None:
            return [Case(name, OF_CARDS[0], "", partial(_fail, unlike))]
        return [
            Case(name, law, case, partial(LAWS[law].check, card, *arguments))
            for law in LAWS
            if not (bare and law in OF_CARDS)
            for case, arguments in LAWS[law].cases(card).items()
        ]
    except UserError as error:
        return [Case(name, "card_and_reference_are_read", "", partial(_fail, str(error)))]


def _bare(name: str) -> Card:
    """A card of what the code declares, which claims nothing."""
    loss = declared(name)
    return Card.model_construct(
        id=name, target=loss.target, requires=list(loss.requires), gradient=loss.gradient or None,
        properties={"bounded": Claim(value="unknown")},
        link="softmax" if loss.log_probabilities is None else "own",
    )  # fmt: skip


def _unlike(card: Card) -> str | None:
    """How a card's hyperparameters are other ones than the code's, so that no case can be built."""
    stated, there = set(card.hyperparameters), set(registry.hyperparameters(card.id)) - {WRAPPED}
    if stated == there:
        return None
    return (
        f"hyperparameters: card {sorted(stated)}, code {sorted(there)}; the other laws are tried "
        "once these are the same"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


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
    # The mode of a device passes every call of torch through Python; the CPU needs none.
    with nullcontext() if device == "cpu" else torch.device(device), one_thread():
        return _test(name)


def _test(name: str) -> Outcome:
    found = cases(name)
    told: dict[str, list[str]] = {case.law: [] for case in found}
    for case in found:
        try:
            case.check()
        except BaseException as error:
            if by_signal(error):
                raise
            kind = "" if isinstance(error, AssertionError | UserError) else type(error).__name__
            parts = (f"[{case.id}]" if case.id else "", kind, str(error))
            says = " ".join(" ".join(parts).split())
            short = says if len(says) <= LONGEST else says[: LONGEST - 1] + "…"
            told[case.law].append(short or "no message")
    broken = []
    for law, (first, *more) in ((law, says) for law, says in told.items() if says):
        others = f" (and {_counted(len(more), 'case')} more)" if more else ""
        broken.append(f"{name}: {law.replace('_', ' ')}: {first}{others}")
    tried = Counter(case.law for case in found)
    laws = {law: Tally(tried[law], says) for law, says in told.items()}
    entry = registry.index().get(name)
    reference = entry and resources.reference(entry.code)
    there = reference is not None and reference.is_file()
    return Outcome(name, broken, len(found), reference, there, laws)


def known(argument: str) -> str:
    """What an argument of `lossatlas test` names: a loss, an expression, or the file of a loss.

    The root of a file `<root>/losses/<family>/<id>.py` becomes known as by LOSSATLAS_PATH.

    Raises:
        UserError: there is no such loss, or the file has no such place.
    """
    if not argument.endswith(".py") and not argument.isidentifier():
        registry.get_loss(argument)
        return argument
    if not argument.endswith(".py"):
        return registry.find(argument).id
    path = Path(os.path.realpath(os.path.expanduser(argument)))
    if not path.is_file() or path.parents[1].name != "losses":
        raise UserError(f"{argument}: is no file <root>/losses/<family>/<id>.py")
    if all(entry.code != path for entry in registry.index().values()):
        before = os.environ.get(registry.PATH_VARIABLE)
        roots = [before] if before else []
        os.environ[registry.PATH_VARIABLE] = os.pathsep.join([*roots, str(path.parents[2])])
    return registry.find(path.stem).id


def record(outcomes: Sequence[Outcome]) -> dict[Path, list[str]]:
    """Write the digests of the losses that held into their ledgers, take out those that did not.

    A loss without reference is not touched: what it lacks cannot be seen here. Returns the ledgers,
    each with those of the losses that are verified now.
    """
    ledgers: dict[Path, dict[str, str]] = {}
    for outcome in outcomes:
        if (entry := registry.index().get(outcome.loss)) is None:
            continue  # an expression
        if entry.ledger not in ledgers:
            there = {e.id for e in registry.index().values() if e.ledger == entry.ledger}
            held = _read(entry.ledger).items()
            ledgers[entry.ledger] = {name: digest for name, digest in held if name in there}
        if outcome.broken:
            ledgers[entry.ledger].pop(outcome.loss, None)
        elif outcome.has_reference:
            ledgers[entry.ledger][outcome.loss] = registry.digest(entry)
    for path, ledger in ledgers.items():
        try:
            write(path, json.dumps(ledger, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    sound = [each.loss for each in outcomes if each.has_reference and not each.broken]
    return {path: [name for name in sound if name in ledgers[path]] for path in ledgers}


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
