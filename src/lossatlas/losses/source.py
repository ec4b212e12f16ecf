"""One digest of a loss: of all the code that its numbers come from, and of nothing else.

The code of a loss is its own file and what that imports, directly or not: other losses, what they
compute with (`quantities`), and helper files of a user's own. The losses that a wrapper names as
its default, in words, count as imported. The frame that all losses share is
left out, and so are comments, docstrings and the layout of the text. The same digest stands in run
ids, in the ledger and in verdicts. It knows no hyperparameters: a configured loss is this digest
and its configuration.
"""

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from lossatlas import memo, resources
from lossatlas.errors import UserError
from lossatlas.losses import expression

INSTALLED = ("site-packages", "dist-packages")
OURS = f"{resources.PACKAGE}{os.sep}"
LOSSES = "lossatlas.losses"
NAMED = "loss "  # and an id: an import in words
FRAME = tuple(
    f"{LOSSES}.{name}"
    for name in (
        "annotations", "base", "behaviour", "examples", "expression", "kinds", "needs", "process",
        "registry", "source", "targets",
    )
)  # fmt: skip


class Code(NamedTuple):
    """A digest of what a Python file says, and the modules that it imports.

    `imports` is None where the text is no Python; then the digest is of its bytes.
    """

    digest: str
    imports: list[str] | None


def digest(loss: Any) -> str:
    """16 hexadecimal digits for the code of a loss.

    Args:
        loss: the id of a loss, its file, its class, or a loss (a sum is all of its parts).

    Raises:
        UserError: there is no such loss, or it has no file that can be read.
    """
    return digest_of(closure(_own(loss)))


def digest_of(codes: Mapping[Path, Code]) -> str:
    """16 hexadecimal digits for what some files say, wherever they lie."""
    found = sorted({code.digest for code in codes.values()})
    return hashlib.sha256("".join(found).encode()).hexdigest()[:16]


def files(loss: Any) -> list[Path]:
    """The files that `digest` covers, those of the loss itself first. Raises UserError."""
    return list(closure(_own(loss)))


def closure(
    paths: Iterable[Path], rooms: tuple[str, ...] = (LOSSES,), without: tuple[str, ...] = FRAME
) -> dict[Path, Code]:
    """`paths`, then what they import, directly or not, that is not installed; what each says.

    Nothing is imported: a name is looked for on `sys.path`, then beside and above the file. Of this
    package, only what stands in `rooms` counts, and no module that is named in `without`.

    Raises:
        UserError: a file cannot be read.
    """
    found = {os.path.realpath(path): path for path in paths}
    codes: dict[str, Code] = {}
    todo = list(found)
    while todo:
        file = todo.pop()
        codes[file] = read(Path(file))
        for name in codes[file].imports or ():
            for place in _places(name, file, rooms, without):
                if place not in found:
                    found[place] = Path(place)
                    todo.append(place)
    return {path: codes[file] for file, path in found.items()}


def misled(path: Path) -> str | None:
    """What a file that was just imported got from another file than it would have alone, or None.

    Two losses' helpers may have one name, and Python gives both losses the one imported first.
    """
    for file, code in closure([path]).items():
        named = {name.partition(".")[0] for name in code.imports or ()}
        for first in sorted(named - sys.stdlib_module_names - {"lossatlas"}):
            there = getattr(sys.modules.get(first), "__file__", None)
            spec = PathFinder.find_spec(first)
            if there is None or spec is None or spec.origin is None:
                continue
            if os.path.realpath(spec.origin) != os.path.realpath(there):
                return (
                    f"{file}: imports {first!r}, which is {spec.origin}, but this process has "
                    f"{there} by that name; give each a name of its own"
                )
    return None


def read(path: Path) -> Code:
    """What a Python file says; raises UserError if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return Code(*memo.of("code", content, lambda: _read(content)))


def parse(content: bytes) -> ast.Module:
    """The syntax tree of a Python file, without a word on what its text warns of."""
    with warnings.catch_warnings():  # of escapes in strings; whoever imports it sees them
        warnings.simplefilter("ignore")
        return ast.parse(content)


def _read(content: bytes) -> tuple[str, list[str] | None]:
    try:
        tree = parse(content)
        said = hashlib.sha256(repr(_plain(tree)).encode("utf-8", "surrogatepass")).hexdigest()
        return said, list(dict.fromkeys(_imported(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return hashlib.sha256(content).hexdigest(), None


def _plain(node: Any) -> Any:
    """A syntax tree as tuples, without docstrings; the same for every version of Python.

    `ast.dump` is not: from one version to the next it shows more or fewer empty fields.
    """
    if isinstance(node, list):
        return tuple(_plain(each) for each in node if not _is_text(each))
    if isinstance(node, ast.AST):
        held = [(key, value) for key, value in ast.iter_fields(node) if value not in (None, [])]
        return (type(node).__name__, *((key, _plain(value)) for key, value in held))
    return node


def _is_text(node: Any) -> bool:
    """Whether a statement is nothing but a text: a docstring, or one below a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):  # relative: it lies beside or above the file
            yield from [node.module] if node.module else (alias.name for alias in node.names)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0] if node.args else None
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield str(first.value)
        elif isinstance(node, ast.arguments):
            yield from (f"{NAMED}{name}" for name in _wrapped(node))


def _wrapped(arguments: ast.arguments) -> list[str]:
    """The losses that a constructor's argument `loss` names by default."""
    plain = [*arguments.posonlyargs, *arguments.args]
    late = zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True)
    for arg, default in (*late, *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)):
        if arg.arg == expression.WRAPPED and isinstance(default, ast.Constant):
            with suppress(UserError):
                return expression.ids(str(default.value))
    return []


def _places(
    name: str, file: str, rooms: tuple[str, ...], without: tuple[str, ...]
) -> Iterable[str]:
    first = name.partition(".")[0]
    if first == "lossatlas":
        if name.startswith(tuple(f"{room}." for room in rooms)) and name not in without:
            return _of_ours(name)
        return ()
    if name.startswith(NAMED):
        return _loss(name.removeprefix(NAMED))
    if first in sys.stdlib_module_names or file.startswith(OURS):
        return ()
    if (known := _on_path(first, tuple(sys.path))) is None:
        return _below(name, map(str, list(Path(file).parents)[:4]))
    return () if set(INSTALLED) & set(known.split(os.sep)) else _below(name, [known])


@cache
def _of_ours(name: str) -> tuple[str, ...]:
    """Where a module of this package lies, which stays as it is while a process runs."""
    return tuple(_below(name, [str(resources.PACKAGE.parent)]))


def _below(name: str, folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        inside = os.path.join(folder, *name.split("."))
        for place in (f"{inside}.py", os.path.join(inside, "__init__.py")):
            if os.path.isfile(place):
                yield os.path.realpath(place)


def _loss(name: str) -> Iterator[str]:
    from lossatlas.losses import registry

    with suppress(UserError):  # whoever builds the wrapper is told
        yield os.path.realpath(registry.find(name).code)


def _on_path(package: str, path: tuple[str, ...]) -> str | None:
    """The folder on `sys.path` in which an import finds a package or module, or None."""
    if (package, path) not in _found:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None:
            return None  # its file may come to be there
        parents = Path(spec.origin).parents
        _found[package, path] = str(parents[spec.submodule_search_locations is not None])
    return _found[package, path]


_found: dict[tuple[str, tuple[str, ...]], str] = {}


def _own(loss: Any) -> list[Path]:
    """The files of a loss itself; of a sum and of a class that derives from others, theirs too."""
    from lossatlas.losses import registry

    if isinstance(loss, Path):
        return [loss]
    if isinstance(loss, str):
        return [registry.find(loss).code]
    classes = [loss] if isinstance(loss, type) else [type(part) for part in loss.modules()]
    found = [each for cls in classes for each in cls.__mro__ if _is_a_loss(each)]
    try:
        return [Path(file) for file in dict.fromkeys(map(inspect.getfile, found))]
    except (TypeError, OSError):
        raise UserError(f"{classes[0].__name__}: is defined in no file") from None


def _is_a_loss(cls: type) -> bool:
    """Whether a class is a loss of its own, none of the frame's bases."""
    base = f"{LOSSES}.base"
    return cls.__module__ not in FRAME and any(each.__module__ == base for each in cls.__mro__)
