"""Finds losses and builds them by name; knows files before it imports any of them.

A root is a folder with `papers/<family>/<id>.md` and `losses/<family>/<id>.py`. The package is the
first root; `LOSSATLAS_PATH` and the entry-point group `lossatlas.losses` add a user's own.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lossatlas import cards, resources
from lossatlas.errors import UserError
from lossatlas.losses import expression

if TYPE_CHECKING:
    from lossatlas.losses.base import Loss

T = TypeVar("T")
PATH_VARIABLE = "LOSSATLAS_PATH"
ENTRY_POINTS = "lossatlas.losses"
LEDGER = "verified.json"
SUM = "sum"  # the option `loss=sum` of a run; no loss can have this id

_classes: dict[str, type["Loss"]] = {}


class Entry(NamedTuple):
    """Where one loss lives; `card` may not exist (then the loss is a draft)."""

    id: str
    family: str
    code: Path
    card: Path
    ledger: Path
    module: str


def register(cls: type[T]) -> type[T]:
    """Register a loss class under the name of the file that defines it.

    Raises:
        ValueError: the class has no file (a notebook), or its file's name is taken.
    """
    try:
        file = Path(inspect.getfile(cls)).resolve()
    except (TypeError, OSError):
        raise ValueError(
            f"{cls.__name__}: a loss lives in a file of its own, named as its id"
        ) from None
    known = _classes.get(file.stem)
    if known is not None and Path(inspect.getfile(known)).resolve() != file:
        raise ValueError(
            f"loss {file.stem!r} is registered twice: {inspect.getfile(known)}, {file}"
        )
    _classes[file.stem] = cls  # type: ignore[assignment]
    return cls


def index() -> dict[str, Entry]:
    """All losses by id, sorted by family and id; raises UserError for a duplicate or bad root."""
    found: dict[str, Entry] = {}
    for code_folder, card_folder, module in _roots():
        for code in sorted(code_folder.glob("*/[a-z]*.py")):
            family, name = code.parent.name, code.stem
            if family not in cards.FAMILIES:
                raise UserError(
                    f"{code}: {family!r} is not a family; legal: {', '.join(cards.FAMILIES)}"
                )
            if name == SUM:
                raise UserError(f"{code}: the name {SUM!r} is taken by sums of losses")
            if name in found:
                raise UserError(f"loss {name!r} is defined twice: {found[name].code} and {code}")
            found[name] = Entry(
                name, family, code, card_folder / family / f"{name}.md", card_folder / LEDGER,
                f"{module}.{family}.{name}",
            )  # fmt: skip
    order = {family: i for i, family in enumerate(cards.FAMILIES)}
    return dict(sorted(found.items(), key=lambda item: (order[item[1].family], item[0])))


def find(name: str) -> Entry:
    """The entry of `name`; raises UserError that lists near names."""
    entries = index()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"there is no loss {name!r}{hint} ('lossatlas list' shows all)")
    return entries[name]


def get_class(name: str) -> type["Loss"]:
    """The class registered under `name`, importing its file if need be."""
    if name in _classes:
        return _classes[name]
    entry = find(name)
    if entry.module.startswith("lossatlas.losses."):
        importlib.import_module(entry.module)
    else:
        _import_file(entry)
    if name not in _classes:
        raise UserError(f"{entry.code}: defines no class with the decorator @register")
    return _classes[name]


def get_loss(name: str, reduction: str = "mean", **hyperparameters: Any) -> "Loss":
    """Build the loss `name` with a reduction in {mean, sum, none} and its hyperparameters.

    `name` may also be a weighted sum, "nce + 0.1 * rce" or "gce(q=0.5) + 2 * mae"; the
    hyperparameters then stand in its terms.

    Raises:
        UserError: unknown loss, reduction or hyperparameter, a value outside its range, an
            expression that is no sum, or losses that cannot be added.
    """
    if reduction not in ("mean", "sum", "none"):
        raise UserError(f"reduction must be mean, sum or none, not {reduction!r}")
    if name.isidentifier():
        loss = _build(name, hyperparameters)
    elif hyperparameters:
        raise UserError(
            f"hyperparameters of {name!r} are written into its terms, as in 'gce(q=0.5) + 2 * mae',"
            f" not given apart ({', '.join(hyperparameters)})"
        )
    else:
        loss = _build_sum(name)
    loss.reduction = reduction  # type: ignore[assignment]
    return loss


def _build(name: str, hyperparameters: dict[str, Any]) -> "Loss":
    cls = get_class(name)
    legal = list(inspect.signature(cls).parameters)
    for key in hyperparameters:
        if key not in legal:
            raise UserError(
                f"{name} has no hyperparameter {key!r}; legal: {', '.join(legal) or 'none'}"
            )
    try:
        return cls(**hyperparameters)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def _build_sum(text: str) -> "Loss":
    from lossatlas.losses.base import Sum

    terms = expression.parse(text)
    parts = [_build(term.name, term.hyperparameters) for term in terms]
    try:
        weighted = [term.weight * part for term, part in zip(terms, parts, strict=True)]
        return parts[0] if terms[0].weight == 1 == len(terms) else Sum(*weighted)
    except ValueError as error:
        raise UserError(f"{text}: {error}") from error


def has_card(name: str) -> bool:
    """Whether this is a loss of the registry, and its card is there."""
    entry = index().get(name)
    return entry is not None and entry.card.is_file()


def get_card(name: str) -> cards.Card:
    """The validated card of `name`; raises UserError when it is missing or wrong."""
    entry = find(name)
    if not entry.card.is_file():
        raise UserError(f"loss {name!r} has no card; expected at {entry.card}")
    return cards.read(entry.card)


def list_losses(family: str | None = None, target: str | None = None) -> list[str]:
    """Ids of the losses of a family and target type (None: all).

    Raises:
        UserError: `family` or `target` is not in the vocabulary.
    """
    for value, legal, word in (
        (family, cards.FAMILIES, "family"),
        (target, cards.TARGETS, "target"),
    ):
        if value is not None and value not in legal:
            raise UserError(f"{word} {value!r} is unknown; legal: {', '.join(legal)}")
    return [
        entry.id
        for entry in index().values()
        if family in (None, entry.family) and (target is None or _target(entry) == target)
    ]


def status(entry: Entry) -> str:
    """`verified` if the contract suite passed on exactly these two files, else `draft`.

    The ledger `papers/verified.json` holds the digests with which the suite last passed.
    """
    if not entry.card.is_file() or not entry.ledger.is_file():
        return "draft"
    recorded = json.loads(entry.ledger.read_text()).get(entry.id)
    return "verified" if recorded == digest(entry.code, entry.card) else "draft"


def digest(*files: Path) -> str:
    """A short SHA-256 of the files' contents, one after the other."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def sources(loss: "Loss") -> list[Path]:
    """The files that define `loss`: those of its class, of the losses it derives from and adds up.

    The base classes, which all losses share, are left out.
    """
    from lossatlas.losses.base import Loss

    files = dict.fromkeys(
        inspect.getfile(cls)
        for part in loss.modules()
        for cls in type(part).__mro__
        if issubclass(cls, Loss) and cls.__module__ != Loss.__module__
    )
    return [Path(file) for file in files]


@cache
def _target(entry: Entry) -> str:
    return cards.read(entry.card).target if entry.card.is_file() else get_class(entry.id).target


def _roots() -> list[tuple[Path, Path, str]]:
    """(folder of code, folder of cards, module prefix) of every root."""
    roots = [(Path(__file__).parent, resources.folder("papers"), "lossatlas.losses")]
    own = [
        (Path(text).expanduser().resolve(), f"{PATH_VARIABLE}={text}")
        for text in os.environ.get(PATH_VARIABLE, "").split(os.pathsep)
        if text
    ]
    for point in entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.module)
        for place in (spec and spec.submodule_search_locations) or []:
            own.append((Path(place).resolve(), f"entry point {point.name!r} ({point.value})"))
    for number, (root, origin) in enumerate(own):
        if not (root / "losses").is_dir():
            raise UserError(f"{origin}: {root} has no folder 'losses' (losses/<family>/<id>.py)")
        roots.append((root / "losses", root / "papers", f"lossatlas_user_{number}"))
    return roots


def load_file(name: str, path: Path) -> ModuleType:
    """Run a user's Python file as the module `name`; a file that fails leaves no module behind.

    Raises:
        UserError: it cannot be run; names file, line and error.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        said = (str(error).strip().splitlines() or ["no message"])[0]
        raise UserError(f"{where}: cannot be imported: {type(error).__name__}: {said}") from error
    return module


def _import_file(entry: Entry) -> None:
    known = dict(_classes)
    try:
        # A name without dots has no parent package to be imported, so that classes can be pickled.
        load_file(entry.module.replace(".", "_"), entry.code)
    except UserError:
        # A class defined above the failing line must not stay registered.
        _classes.clear()
        _classes.update(known)
        raise
