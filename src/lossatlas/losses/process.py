"""What a loss may not change: the settings, hooks and functions of the process.

They decide the numbers of every run that the process makes, also of other losses. `kept` puts back
what the code inside it changed, and says what that was.
"""

import builtins
import gc
import inspect
import math
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from operator import attrgetter, is_
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.optim import optimizer as optimiser_hooks


class Setting(NamedTuple):
    """One setting: its name in a sentence, how it is read, and how it is put back."""

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], Any]


def _attribute(name: str, holder: Any, key: str) -> Setting:
    return Setting(name, lambda: getattr(holder, key), lambda value: setattr(holder, key, value))


def _registry(name: str, known: dict[Any, Any]) -> Setting:
    def put(items: tuple[tuple[Any, Any], ...]) -> None:
        known.clear()
        known.update(items)

    return Setting(name, lambda: tuple(known.items()), put)


def _stack(name: str, kind: str) -> Setting:
    size = getattr(torch._C, f"_len_torch_{kind}_stack")
    pop = getattr(torch._C, f"_pop_torch_{kind}_stack")
    return Setting(name, size, lambda before: [pop() for _ in range(size() - before)])


def _autocast(device: str) -> Setting:
    def put(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, value[0])
        torch.set_autocast_dtype(device, value[1])

    return Setting(
        f"autocast on {device}",
        lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)),
        put,
    )


_TORCHS = frozenset(torch.library._impls)  # kernels that torch itself registers from Python
_LATER = ("/Meta", "/FuncTorchBatched")  # for shapes and for vmap: torch adds such as it is used


def _kernels() -> tuple[str, ...]:
    """Kernels put in the place of torch's own since."""
    more = torch.library._impls - _TORCHS
    return tuple(sorted(k for k in more if k.startswith("aten/") and not k.endswith(_LATER)))


def _take_kernels(before: tuple[str, ...]) -> None:
    """Take away all other kernels, with the libraries that hold them, which are found nowhere else
    than in memory."""
    more = set(_kernels()) - set(before)
    for library in [one for one in gc.get_objects() if type(one) is torch.library.Library]:
        if library._op_impls & more:
            library._destroy()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _flushes_denormals() -> bool:
    return bool(torch.tensor(1e-310, dtype=torch.float64, device="cpu") * 1 == 0)


# Whose wrappers around functions are left: torch's optimisers and Lightning put them there.
WRAPPERS = tuple(
    os.path.join(os.path.dirname(os.path.dirname(torch.__file__)), name, "")
    for name in ("torch", "lightning_fabric", "pytorch_lightning")
)
THREADS = "torch's number of threads"
SETTINGS = [
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting(
        "torch's default device", torch.get_default_device,
        lambda device: torch.set_default_device(None if device.type == "cpu" else device),
    ),
    Setting("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting(THREADS, torch.get_num_threads, torch.set_num_threads),
    Setting(
        "torch's deterministic algorithms",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        _set_deterministic,
    ),
    Setting(
        "torch's float32 matmul precision", torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    Setting("autograd's anomaly mode", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    Setting("torch's flushing of denormals", _flushes_denormals, torch.set_flush_denormal),
    _autocast("cpu"),
    _autocast("cuda"),
    *(
        _attribute(f"torch.backends.{name}.{key}", getattr(torch.backends, name), key)
        for name, keys in {
            "mkldnn": ("enabled", "deterministic", "fp32_precision"),
            "cudnn": ("enabled", "deterministic", "benchmark", "allow_tf32", "fp32_precision"),
        }.items()
        for key in keys
    ),
    Setting(
        "torch.backends.nnpack", torch._C._get_nnpack_enabled, torch._C._set_nnpack_enabled
    ),
    *(
        _registry(f"torch's {key.removeprefix('_').replace('_', ' ')}", value)
        for module in (hooks, optimiser_hooks)
        for key, value in vars(module).items()
        if key.startswith("_global") and isinstance(value, dict)
    ),
    Setting("kernels in the place of torch's", _kernels, _take_kernels),
    _stack("torch's function modes", "function"),
    _stack("torch's dispatch modes", "dispatch"),
    Setting("NumPy's handling of errors", np.geterr, lambda value: np.seterr(**value)),
]  # fmt: skip


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


# Put back without a word: libraries change them in good faith, and each run seeds for itself.
QUIET = [
    Setting("warnings", lambda: list(warnings.filters), _set_filters),
    Setting("folder", os.getcwd, os.chdir),
    Setting("environment", lambda: dict(os.environ), _set_environment),
    Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    _attribute("stdout", sys, "stdout"),
    _attribute("stderr", sys, "stderr"),
    Setting("random", random.getstate, random.setstate),
    Setting("numpy.random", np.random.get_state, np.random.set_state),
    Setting("torch.random", torch.get_rng_state, torch.set_rng_state),
]
# A run's numbers are those of a fresh process, whatever the program around it has set.
FRESH = {
    "torch's default dtype": torch.float32,
    "torch's default device": torch.device("cpu"),
    "torch's gradient mode": True,
}


def _read(settings: list[Setting]) -> dict[str, Any]:
    values = {}
    for setting in settings:
        with suppress(RuntimeError, OSError):  # some cannot be read in some states of others
            values[setting.name] = setting.get()
    return values


_START = _read(SETTINGS) | FRESH


class ProcessChanged(RuntimeError):
    """A run did not have the process to itself; says what was changed."""


def unlike_fresh() -> list[str]:
    """The settings that are not as when lossatlas began; the number of threads is each run's."""
    now = _read(SETTINGS) | {THREADS: _START[THREADS]}
    return [_said(name, _START[name], now[name]) for name in now if now[name] != _START.get(name)]


def _said(name: str, before: object, now: object) -> str:
    said = f"{name} (from {before} to {now})"
    return said if len(said) < 100 and "hooks" not in name else name


@contextmanager
def undisturbed(earlier: list[str]) -> Iterator[None]:
    """Make a run in here; `earlier` says what its loss had changed before.

    Raises:
        ProcessChanged: what decides its numbers differs at the start or at the end; names it.
    """
    if earlier:
        raise ProcessChanged(f"{'; '.join(earlier)}; a loss must not do so (it was put back)")
    if unlike := unlike_fresh():
        raise ProcessChanged(f"the program around the run has changed {', '.join(unlike)}")
    with kept(quietly=False) as changed:
        yield
    if changed:
        raise ProcessChanged(
            f"during the run its loss changed {', '.join(changed)}; it must not do so"
        )


@contextmanager
def kept(quietly: bool = True) -> Iterator[list[str]]:
    """Put back what the code inside changes; the list then names it.

    Args:
        quietly: also put back, unnamed, warnings filters, working folder and random states.
    """
    found: list[str] = []
    settings, quiet, contents = _read(SETTINGS), _read(QUIET if quietly else []), _contents()
    try:
        yield found
    finally:
        now = _read(SETTINGS)
        for setting in SETTINGS:
            before = settings.get(setting.name)
            if setting.name in settings and now.get(setting.name) != before:
                with suppress(RuntimeError, OSError):
                    setting.put(before)
                found.append(_said(setting.name, before, now.get(setting.name)))
        for setting in QUIET:
            if setting.name in quiet:
                with suppress(RuntimeError, OSError):
                    setting.put(quiet[setting.name])
        found += _restore(contents)


INSIDE = ("__code__", "__defaults__", "__kwdefaults__")
_INSIDE = [attrgetter(name) for name in INSIDE]


class Contents(NamedTuple):
    """What names stand for, and what can be replaced inside that: flat lists, made in no time."""

    names: dict[Any, dict[str, Any]]  # by the module or class that has them
    functions: list[FunctionType]
    inside: list[list[Any]]  # of the functions, a list a name of INSIDE
    tables: list[tuple[dict[Any, Any], dict[Any, Any]]]  # our constants, and a copy of each


def _contents() -> Contents:
    """What each module and class that losses and runs are made of holds."""
    atlas = [m for name, m in list(sys.modules.items()) if f"{name}.".startswith("lossatlas.")]
    lightning = [sys.modules[name] for name in ("pytorch_lightning",) if name in sys.modules]
    shelves = [nn, torch.optim, torch.optim.lr_scheduler, *lightning, *atlas]
    classes = {c for module in shelves for c in vars(module).values() if inspect.isclass(c)}
    classes |= {torch.Tensor, torch.autograd.Function}
    ours = ("torch", "lossatlas", "pytorch_lightning")
    own = {
        parent
        for c in classes if c.__module__.partition(".")[0] in ours
        for parent in c.__mro__ if parent.__module__.partition(".")[0] in ours
    }  # fmt: skip
    modules = [
        torch, nn.functional, nn.init, nn.utils, torch.autograd, torch.linalg, torch.special,
        torch.random, torch.fft, np, np.random, math, random, builtins,
    ]  # fmt: skip
    names = {holder: vars(holder).copy() for holder in (*modules, *shelves, *own)}
    values = chain.from_iterable(held.values() for held in names.values())
    functions = [value for value in values if type(value) is FunctionType]
    tables = [
        (value, dict(value))
        for holder, held in names.items() if _is_ours(holder)
        for key, value in held.items() if isinstance(value, dict) and key.isupper()
    ]  # fmt: skip
    return Contents(names, functions, _inside(functions), tables)


def _is_ours(holder: Any) -> bool:
    return inspect.ismodule(holder) and holder.__name__.startswith("lossatlas.")


def _counts(holder: Any, key: str, value: Any) -> bool:
    """Whether it is a function or class, or what has a name in capitals in a module of ours."""
    known = callable(value) or isinstance(value, staticmethod | classmethod | property)
    return known or (key.isupper() and _is_ours(holder))


def _inside(functions: list[FunctionType]) -> list[list[Any]]:
    *parts, named = (list(map(get, functions)) for get in _INSIDE)
    return [*parts, [dict(known) if known else known for known in named]]


def _replaced(before: Contents) -> dict[int, Callable[[], None]]:
    """What puts back the inside of each function and table that has another one now, by its id."""
    found: dict[int, Callable[[], None]] = {}
    now = _inside(before.functions)
    if now != before.inside:
        parts = zip(*before.inside, strict=True), zip(*now, strict=True)
        for function, was, here in zip(before.functions, *parts, strict=True):
            if was != here:
                found[id(function)] = partial(_put_inside, function, was)
    for table, copy in before.tables:
        if table != copy:
            found[id(table)] = partial(_put_table, table, copy)
    return found


def _put_inside(function: FunctionType, parts: tuple[Any, ...]) -> None:
    for name, part in zip(INSIDE, parts, strict=True):
        setattr(function, name, part)


def _put_table(table: dict[Any, Any], copy: dict[Any, Any]) -> None:
    table.clear()
    table.update(copy)


def _restore(before: Contents) -> list[str]:
    found, replaced = [], _replaced(before)
    for holder, held in before.names.items():
        now = vars(holder).copy()
        if not replaced and _identical(now, held):
            continue
        known = {key: value for key, value in held.items() if _counts(holder, key, value)}
        gone = [
            key for key, value in known.items()
            if key not in now or now[key] is not value or id(value) in replaced
        ]  # fmt: skip
        # What a module gains does not replace anything; what a class gains hides its parents'.
        more = [
            key for key, value in now.items()
            if inspect.isclass(holder) and key not in known and _counts(holder, key, value)
        ]  # fmt: skip
        for key in [*gone, *more]:
            if key in known and key in now and _wrapped(now[key], known[key]):
                continue
            with suppress(AttributeError, TypeError):
                if key in known:
                    setattr(holder, key, known[key])
                    if put := replaced.pop(id(known[key]), None):
                        put()
                else:
                    delattr(holder, key)
            name = holder.__name__ if not inspect.isclass(holder) else (
                f"{holder.__module__}.{holder.__qualname__}"
            )  # fmt: skip
            found.append(f"{name}.{key}")
    return found


def _identical(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the same names stand for the same things; `==` would ask what arrays equal."""
    return [*now] == [*before] and all(map(is_, now.values(), before.values()))


def _wrapped(value: Any, before: Any) -> bool:
    """Whether torch or Lightning has put a wrapper of its own around a function."""
    file = getattr(getattr(value, "__code__", None), "co_filename", "")
    return getattr(value, "__wrapped__", None) is before and file.startswith(WRAPPERS)
