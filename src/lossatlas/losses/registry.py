"""Finds losses and builds them by name; knows files before it imports any of them.

A root is a folder with `papers/<family>/<id>.md` and `losses/<family>/<id>.py`. The package is the
first root; `LOSSATLAS_PATH` and the entry-point group `lossatlas.losses` add a user's own.
"""

import hashlib
import importlib
import importlib.util
import inspect
import json
import keyword
import math
import os
import re
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from lossatlas import cards, memo, resources, yamls
from lossatlas.errors import UserError, meant
from lossatlas.interrupt import by_signal
from lossatlas.losses import expression, needs, source
from lossatlas.losses.annotations import FLAGS, field_type, resolved
from lossatlas.losses.kinds import KINDS

if TYPE_CHECKING:
    from lossatlas.losses.base import Loss

T = TypeVar("T")
PATH_VARIABLE = "LOSSATLAS_PATH"
ENTRY_POINTS = "lossatlas.losses"
LEDGER = "verified.json"
SUM = "sum"  # the option `loss=sum` of a run; no loss can have this id
ID = re.compile(r"[a-z][a-z0-9_]*")
LONGEST_ID = 64
UNREGISTERED = "defines no class with the decorator @register"

_classes: dict[str, type["Loss"]] = {}
_changed: dict[Path, list[str]] = {}  # what each file changed of the process


class Entry(NamedTuple):
    """Where one loss lives; `card` may not exist (then the loss is a draft).

    `fault` says what is wrong with its place or name; only who names the loss meets it.
    """

    id: str
    family: str
    code: Path
    card: Path
    ledger: Path
    module: str
    fault: str | None = None


class Facts(NamedTuple):
    """What a list shows of a card: plain values of JSON."""

    target: str
    name: str
    citation: str
    year: int
    title: str
    requires: list[str]
    properties: dict[str, Any]
    purpose: str
    ranges: dict[str, tuple[float, str]]  # default and range of each hyperparameter


class Scan(NamedTuple):
    """What the roots hold: the losses by id, and a sentence for each root that cannot be used."""

    entries: dict[str, Entry]
    faults: tuple[str, ...]


def register(cls: type[T]) -> type[T]:
    """Register a loss class under the name of the file that defines it.

    Raises:
        ValueError: the class has no file (a notebook), or its file's name is taken.
    """
    if (file := file_of(cls)) is None:
        raise ValueError(f"{cls.__name__}: a loss lives in a file of its own, named as its id")
    file = file.resolve()
    known = _classes.get(file.stem)
    if known is not None and Path(inspect.getfile(known)).resolve() != file:
        raise ValueError(
            f"loss {file.stem!r} is registered twice: {inspect.getfile(known)}, {file}"
        )
    if known is not None and known.__qualname__ != cls.__qualname__:
        raise ValueError(
            f"a file holds one loss, but {known.__qualname__} and {cls.__qualname__} "
            "have the decorator @register"
        )
    _classes[file.stem] = cls  # type: ignore[assignment]
    return cls


@contextmanager
def lent(classes: Mapping[str, type["Loss"]]) -> Iterator[None]:
    """Know classes by these ids in here, as those of a notebook, which live in no file.

    They are built and found by their ids, but stand in no list.

    Raises:
        UserError: one is no loss.
    """
    for cls in classes.values():
        if (wrong := _misfit(cls)) is not None:
            raise UserError(wrong)
    _classes.update(classes)
    try:
        yield
    finally:
        for name in classes:
            _classes.pop(name, None)


def id_of(cls: type["Loss"]) -> str | None:
    """The id under which a class is registered, or None."""
    return next((name for name, known in _classes.items() if known is cls), None)


def file_of(cls: type) -> Path | None:
    """The file that defines a class, or None for one of a notebook."""
    try:
        return Path(inspect.getfile(cls))
    except (TypeError, OSError):
        return None


def index() -> dict[str, Entry]:
    """All losses by id, sorted by family and id; those with a fault are among them."""
    return _scan(_own_roots()).entries


def faults() -> list[str]:
    """What is wrong with ledgers, and the roots of `LOSSATLAS_PATH` and of plug-ins, a sentence
    each."""
    found = list(_scan(_own_roots()).faults)
    for ledger in {entry.ledger: None for entry in index().values()}:
        try:
            _recorded(ledger)
        except FileNotFoundError:
            pass  # nothing beside it was verified yet
        except (OSError, ValueError, RecursionError) as error:
            what = "the losses beside it count as drafts"
            found.append(f"{ledger}: is no ledger of verified losses ({error}); {what}")
    return found


def doubts(name: str) -> list[str]:
    """Where the code of a draft is not what its card states, a sentence each.

    Of a verified loss, of which its laws were seen to hold, nothing, nor of one without a card.
    """
    entry = find(name)
    if not entry.card.is_file() or status(entry) == "verified":
        return []
    from lossatlas.losses import examples

    try:
        return [f"{name}: {fault}" for fault in examples.faults(name)]
    except UserError as error:
        return [str(error)]


def forget() -> None:
    """Look at the folders and entry points anew when they are next asked for."""
    _scan.cache_clear()
    _plugins.cache_clear()


def illegal_id(name: str) -> str | None:
    """Why `name` cannot be the id of a loss, or None."""
    if not ID.fullmatch(name) or len(name) > LONGEST_ID:
        return f"must be at most {LONGEST_ID} lower case letters, digits and _, letter first"
    if keyword.iskeyword(name) or name in ("null", "true", "false", "yes", "no", "on", "off"):
        return "has a meaning in Python or YAML"
    return "is taken by sums of losses" if name == SUM else None


def find(name: str) -> Entry:
    """The entry of `name`; raises UserError that lists near names or says what is wrong."""
    if name not in index():
        forget()  # its file may be younger than the last look
    entries = index()
    if name not in entries:
        hint = f"; {near}" if (near := meant(name, entries)) else ""
        where = "".join(f"; {fault}" for fault in faults())
        raise UserError(f"there is no loss {name!r}{hint} ('lossatlas list' shows all){where}")
    if (fault := entries[name].fault) is not None:
        raise UserError(fault)
    return entries[name]


def code_fault(entry: Entry) -> str | None:
    """What is wrong with the place or the text of a loss's code, without running it; or None."""
    if entry.fault is not None:
        return entry.fault
    try:
        content = entry.code.read_bytes()
        if source.read(entry.code).imports is None:
            source.parse(content)  # for what is wrong
    except Exception as error:
        return _cannot(entry.code, "be imported", error)
    return None if b"register" in content else f"{entry.code}: {UNREGISTERED}"


def fault(entry: Entry) -> str | None:
    """What is wrong with a loss's code or card, as far as reading them tells; or None."""
    try:
        if (wrong := code_fault(entry)) is None and entry.card.is_file():
            facts(entry)
    except UserError as error:
        return str(error)
    return wrong


def get_class(name: str) -> type["Loss"]:
    """The class registered under `name`, importing its file if need be.

    Raises:
        UserError: there is no such loss, or its file cannot be imported or defines none.
    """
    if name in _classes:
        return _classes[name]
    entry = find(name)
    try:
        _import(entry)
        if name not in _classes:
            raise UserError(f"{entry.code}: {UNREGISTERED}")
        if (wrong := _misfit(_classes[name])) is not None:
            raise UserError(f"{entry.code}: {wrong}")
    except UserError:
        _classes.pop(name, None)  # of a class above the line that fails, or one that is no loss
        raise
    return _classes[name]


def hyperparameters(name: str) -> dict[str, tuple[Any, Any]]:
    """Type and default of each keyword of a loss's constructor.

    The type is int, float, bool or str, one of them or None, or Any; a default that is not there is
    `inspect.Parameter.empty`.

    Raises:
        UserError: there is no such loss, or its file cannot be used.
    """
    cls = get_class(name)
    kinds = _kinds(cast(Any, cls))
    parameters = inspect.signature(cls).parameters
    return {key: (kinds[key], _plain(p.default)) for key, p in parameters.items()}


def get_loss(name: str, reduction: str = "mean", **hyperparameters: Any) -> "Loss":
    """Build the loss `name` with a reduction in {mean, sum, none} and its hyperparameters.

    `name` may also be made of several, "nce + 0.1 * rce", "gce(q=0.5) - 2 * mae" or
    "flooding(gce, b=0.1)"; the hyperparameters then stand in its terms.

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


def from_config(conf: Mapping[str, Any]) -> "Loss":
    """The loss of a run's group `loss`: `name` and hyperparameters, or `sum` and its `terms`.

    Raises:
        UserError: as `get_loss`.
    """
    name, hyperparameters = request(conf)
    return get_loss(name, **hyperparameters)


def request(conf: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What `get_loss` is asked for by a run's group `loss`: a name or sum, and hyperparameters."""
    if conf["name"] == SUM:
        return conf["terms"], {}
    return conf["name"], {key: value for key, value in conf.items() if key != "name"}


def _build(name: str, hyperparameters: dict[str, Any]) -> "Loss":
    cls = get_class(name)
    legal = _kinds(cast(Any, cls))  # mypy takes the hash of its instances for its own
    plain = {key: _plain(value) for key, value in hyperparameters.items()}
    for key, value in plain.items():
        if key not in legal:
            raise UserError(
                f"{name} has no hyperparameter {key!r}; legal: {', '.join(legal) or 'none'}"
            )
        if legal[key] in FLAGS and not isinstance(value, legal[key]):
            null = "" if legal[key] is bool else " or null"
            raise UserError(f"{name}: {key} must be true or false{null}, not {value!r}")
    if _is_packaged(cls):
        try:
            loss = cls(**plain)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error
        loss.given = plain
        return loss
    file = file_of(cls) or Path(f"<{cls.__name__}>")
    try:
        loss = _guarded(file, "be built", lambda: cls(**plain))
    except UserError as error:
        if isinstance(error.__cause__, ValueError):
            raise UserError(f"{name}: {error.__cause__}") from error.__cause__
        raise
    if not isinstance(getattr(loss, "_buffers", None), dict):
        raise UserError(f"{file}: the constructor must call super().__init__() first")
    loss.given = plain
    return loss


@lru_cache(maxsize=1024)
def _kinds(cls: Any) -> dict[str, Any]:
    """The type of each keyword of a loss's constructor, see `hyperparameters`."""
    names = getattr(cls.__init__, "__globals__", {})
    parameters = inspect.signature(cls).parameters
    return {
        key: field_type(resolved(p.annotation, names), p.default) for key, p in parameters.items()
    }


def _plain(value: Any) -> Any:
    """A NumPy number as Python's; anything else as it is."""
    return value.item() if type(value).__module__ == "numpy" and not value.shape else value


def _is_packaged(cls: type) -> bool:
    return cls.__module__.startswith("lossatlas.losses.")


def _build_sum(text: str) -> "Loss":
    from lossatlas.losses.base import Sum

    if (meant := text.strip().replace("-", "_")) in index() and meant != text:
        raise UserError(f"there is no loss {text!r}; ids are written with '_', as in {meant}")
    terms = expression.parse(text)
    parts = [_build(term.name, term.hyperparameters) for term in terms]
    left: defaultdict[str, float] = defaultdict(float)
    for term in terms:
        left[expression.write([term._replace(weight=1.0)])] += term.weight
    if not any(left.values()):
        raise UserError(f"{text}: is 0 whatever is predicted, from which nothing can be learned")
    try:
        weights = [term.weight for term in terms]
        return parts[0] if weights == [1.0] else Sum(*parts, weights=weights)
    except ValueError as error:
        raise UserError(f"{text}: {error}") from error


def has_card(name: str) -> bool:
    """Whether this is a loss of the registry that has a card without mistakes."""
    entry = index().get(name)
    if entry is None or entry.fault or not entry.card.is_file():
        return False
    try:
        facts(entry)
    except UserError:
        return False
    return True


def get_card(name: str) -> cards.Card:
    """The validated card of `name`; raises UserError when it is missing or wrong."""
    return read_card(find(name))


def read_card(entry: Entry) -> cards.Card:
    """The validated card of an entry, read again only when its file has changed."""
    try:
        stat = entry.card.stat()
    except OSError:
        raise UserError(f"loss {entry.id!r} has no card; expected at {entry.card}") from None
    return _card(entry.card, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _card(path: Path, _changed: int, _size: int) -> cards.Card:
    return cards.read(path)


def facts(entry: Entry) -> Facts:
    """What a list shows of an entry's card; raises UserError when it is missing or wrong.

    Reading a card takes milliseconds, and a list has hundreds.
    """
    content = b""
    with suppress(OSError):
        if entry.card.is_file() and entry.card.stat().st_size <= yamls.MAX_BYTES:
            content = entry.card.read_bytes()
    if not content:
        read_card(entry)  # says what is wrong
    return Facts(*memo.of(f"card {entry.family}/{entry.id}", content, lambda: _facts(entry)))


def _facts(entry: Entry) -> Facts:
    card = read_card(entry)
    prose = " ".join(card.prose.get("What it computes", "").split())
    return Facts(
        card.target, card.name, card.paper.citation, card.paper.year, card.paper.title,
        card.requires, {name: claim.value for name, claim in card.properties.items()},
        re.split(r"(?<=\.) (?=[A-Z])", prose, maxsplit=1)[0],
        {key: (h.default, h.range) for key, h in card.hyperparameters.items()},
    )  # fmt: skip


def list_losses(family: str | None = None, target: str | None = None) -> list[str]:
    """Ids of the losses of a family and target type (None: all).

    Raises:
        UserError: `family` or `target` is not in the vocabulary.
    """
    cards.check_place(family, target)
    return [
        entry.id
        for entry in index().values()
        if family in (None, entry.family)
        and code_fault(entry) is None
        and (target is None or target_of(entry) == target)
    ]


def status(entry: Entry) -> str:
    """`verified` if the contract suite passed on exactly this code and card, else `draft`.

    The ledger `papers/verified.json` holds the digests with which the suite last passed.
    """
    try:
        return "verified" if _recorded(entry.ledger)[entry.id] == digest(entry) else "draft"
    except (OSError, ValueError, LookupError, RecursionError):
        return "draft"


def _recorded(ledger: Path) -> dict[str, Any]:
    stat = ledger.stat()
    return _ledger(ledger, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _ledger(path: Path, _changed: int, _size: int) -> dict[str, Any]:
    recorded = json.loads(yamls.text_of(path))  # a plain file: a pipe would wait for a writer
    if not isinstance(recorded, dict):
        raise ValueError("it must hold a digest for each loss")
    return recorded


def digest(entry: Entry) -> str:
    """What the ledger holds of a loss: a digest of its code (see `source`) and its card's bytes."""
    text = source.digest(entry.code).encode() + entry.card.read_bytes()
    return hashlib.sha256(text).hexdigest()[:16]


def target_of(entry: Entry) -> str | None:
    """The type of a loss's target: what its card says, else its code."""
    try:
        return facts(entry).target if entry.card.is_file() else get_class(entry.id).target
    except UserError:
        return None


def _own_roots() -> tuple[tuple[str, str], ...]:
    """Where each root of the user's own comes from, and its folder; "" for none."""
    named = [text for text in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if text]
    path = [(f"{PATH_VARIABLE}={t}", os.path.realpath(os.path.expanduser(t))) for t in named]
    own = {folder or origin: (origin, folder) for origin, folder in [*path, *_plugins()]}
    return tuple(own.values())


@cache
def _plugins() -> tuple[tuple[str, str], ...]:
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        origin = f"entry point {point.name!r} ({point.value})"
        # Only the spec of the outermost package is looked up, which imports nothing.
        first, *inner = point.value.partition(":")[0].strip().split(".")
        try:
            spec = importlib.util.find_spec(first)
        except Exception:
            spec = None
        places = list(spec.submodule_search_locations or []) if spec else []
        found += [(origin, os.path.realpath(os.path.join(p, *inner))) for p in places]
        if not places:
            found.append((f"{origin}: there is no package {first!r}", ""))
    return tuple(found)


@lru_cache(maxsize=64)
def _scan(own: tuple[tuple[str, str], ...]) -> Scan:
    roots = [(Path(__file__).parent, resources.folder("papers"), "lossatlas.losses")]
    wrong = []
    for number, (origin, folder) in enumerate(own):
        root = Path(folder)
        if not folder:
            wrong.append(origin)
        elif os.path.isdir(root / "losses"):  # unlike Path.is_dir, never raises
            roots.append((root / "losses", root / "papers", f"lossatlas_user_{number}"))
        elif not os.path.isdir(root):
            wrong.append(f"{origin}: there is no folder {root}")
        elif not _is_empty(root):  # in an empty one, the first loss may be about to be written
            wrong.append(f"{origin}: {root} has no folder 'losses' (losses/<family>/<id>.py)")
    found: dict[str, Entry] = {}
    for code_folder, card_folder, module in roots:
        for code in sorted(code_folder.glob("[!_.]*/[!_.]*.py")):
            family, name = code.parent.name, code.stem
            problem = None
            if family not in cards.FAMILIES:
                legal = ", ".join(cards.FAMILIES)
                problem = f"{code}: {family!r} is not a family; legal: {legal}"
            elif (illegal := illegal_id(name)) is not None:
                problem = f"{code}: the name {name!r} {illegal}"
            elif name in found:
                problem = f"loss {name!r} is defined twice: {found[name].code} and {code}"
            found[name] = Entry(
                name, family, code, card_folder / family / f"{name}.md", card_folder / LEDGER,
                f"{module}.{family}.{name}", problem,
            )  # fmt: skip
    order = {family: i for i, family in enumerate(cards.FAMILIES)}
    place = {e.id: (order.get(e.family, len(order)), e.family, e.id) for e in found.values()}
    return Scan(dict(sorted(found.items(), key=lambda item: place[item[0]])), tuple(wrong))


def _is_empty(folder: Path) -> bool:
    try:
        return not os.listdir(folder)
    except OSError:
        return False


def load_file(name: str, path: Path) -> ModuleType:
    """Run a user's Python file as the module `name`; a file that fails leaves no module behind.

    What it changes of the process (see `process`) is put back, and noted for `changes`.

    Raises:
        UserError: it cannot be run; names file, line and error.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        _guarded(path, "be imported", lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _import(entry: Entry) -> None:
    if not entry.module.startswith("lossatlas.losses."):
        # A name without dots has no parent package to be imported, so that classes can be pickled.
        load_file(entry.module.replace(".", "_"), entry.code)
        if (wrong := source.misled(entry.code)) is not None:
            raise UserError(wrong)
    elif status(entry) == "verified":
        importlib.import_module(entry.module)
    else:
        _guarded(entry.code, "be imported", lambda: importlib.import_module(entry.module))


def _guarded(path: Path, what: str, run: Callable[[], T]) -> T:
    """What `run` gives, which is code of a user's file; whatever that raises is a UserError."""
    from lossatlas.losses import process

    changed: list[str] = []
    try:
        with process.kept() as changed:
            return run()
    except BaseException as error:
        if by_signal(error) and not _raised_in(error, path):
            raise
        raise UserError(_cannot(path, what, error)) from error
    finally:
        _note(path, changed)


def _raised_in(error: BaseException, path: Path) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == str(path)


def _cannot(path: Path, what: str, error: BaseException) -> str:
    """`FILE:LINE: cannot WHAT: ERROR`, the line being the last of that file that was reached."""
    line = getattr(error, "lineno", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    where = f"{path}:{line}" if line else str(path)
    return f"{where}: cannot {what}: {_said(error)}"


def _said(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # an error of a user's own may fail to say itself
        text = ""
    return f"{type(error).__name__}: {(text.strip().splitlines() or ['no message'])[0]}"


def _note(file: Path, changed: list[str]) -> None:
    known = _changed.setdefault(file, [])
    known += [what for what in changed if what not in known]


def changes(loss: "Loss") -> list[str]:
    """What importing or building this loss changed of the process, a sentence a file."""
    return [
        f"{file} changes {', '.join(_changed[file])}"
        for file in source.files(loss)
        if _changed.get(file)
    ]


def blame(error: BaseException) -> UserError | None:
    """An error as a sentence on the loss's file that raised it, unless that is a verified one."""
    code = {str(entry.code): entry for entry in index().values()}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        entry = code.get(frame.filename)
        if entry is not None and status(entry) != "verified":
            where = f"{entry.code}:{frame.lineno}"
            return UserError(f"{where}: the loss {entry.id!r} raises {_said(error)}")
    return None


@contextmanager
def blamed() -> Iterator[None]:
    """Turn what a loss's own code raises in here into a UserError that names its file."""
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        if not by_signal(error) and (told := blame(error)) is not None:
            raise told from error
        raise


def _misfit(cls: Any) -> str | None:
    """What keeps a registered object from being a loss, or None."""
    from lossatlas.losses.base import EmbeddingLoss, LogitLoss, Wrapper

    if not (isinstance(cls, type) and issubclass(cls, LogitLoss | EmbeddingLoss)):
        name = getattr(cls, "__name__", cls)
        return f"{name} is registered, but derives neither from LogitLoss nor from EmbeddingLoss"
    inputs = "embeddings" if issubclass(cls, EmbeddingLoss) else "logits"
    legal = [target for target, kind in KINDS.items() if kind.inputs == inputs]
    target = getattr(cls, "target", None)
    if not isinstance(target, str) or target not in legal:
        came = "is missing" if target is None else f"is {target!r}"
        return f"{cls.__name__}.target {came}; legal: {', '.join(legal)}"
    if (problem := needs.misfit(cls)) is not None:
        return problem
    if cls.typed_requires:
        return (
            f"{cls.__name__}.requires is not typed: name the needs as keyword-only parameters of "
            "setup or per_sample, or in parts"
        )
    signature = inspect.signature(cls).parameters
    if issubclass(cls, Wrapper) != (expression.WRAPPED in signature):
        return (
            f"{cls.__name__}: the argument 'loss' is that of a Wrapper, the loss that it wraps; "
            "every Wrapper has it, and nothing else"
        )
    for key, parameter in signature.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            return (
                f"{cls.__name__}: '{parameter}' is no hyperparameter; give each a name of its own"
            )
        if key in ("name", "reduction"):
            return f"{cls.__name__}: the hyperparameter {key!r} has a name that runs use themselves"
        default = _plain(parameter.default)
        number = isinstance(default, int | float) and -math.inf < default < math.inf
        if not (number or isinstance(default, str | None) or default is parameter.empty):
            return (
                f"{cls.__name__}: the default of {key!r} must be a finite number, true or false, "
                f"text or None, not {_short(default)}"
            )
    return None


def _short(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = type(value).__name__
    return text if len(text) < 80 else f"a {type(value).__name__}"
