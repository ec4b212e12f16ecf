"""Runs a loss's own code at 50 digits, so that a witness is not a rounding error.

torch dispatches every function that meets an object with `__torch_function__`; `Exact` is such an
object, an array of mpmath numbers, and `TABLE` says what each function means on it. The verdict is
then about the code, clamps included, and needs no second formula.

A form is a function whose parameters are named as torch names them. A call is bound to them: an
argument that the form does not name is refused, unless it has a value in `NEUTRAL` that changes no
number. So no argument is ever ignored.
"""

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from functools import cache, reduce, wraps
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mpf
from torch import Tensor

DIGITS = 50
INF, NAN = mpf("inf"), mpf("nan")


class Unsupported(NotImplementedError):
    """The loss calls a torch function, or gives it an argument, that has no 50-digit form here."""


class Exact:
    """An array of 50-digit numbers that torch functions accept in place of a float64 tensor."""

    dtype = torch.float64
    device = torch.device("cpu")
    layout = torch.strided
    requires_grad = is_cuda = is_sparse = is_quantized = False
    __array_priority__ = 1000

    def __init__(self, array: Any):
        self.array = np.asarray(array, dtype=object)

    @property
    def shape(self) -> torch.Size:
        return torch.Size(self.array.shape)

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def T(self) -> "Exact":
        return Exact(self.array.T)

    @property
    def mT(self) -> "Exact":
        return Exact(np.swapaxes(self.array, -1, -2))

    @property
    def data(self) -> "Exact":
        return Exact(self.array)

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return bool(self.array.item() != 0)

    def __getitem__(self, key: Any) -> "Exact":
        return Exact(self.array[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[_key(key)] = _numbers(value)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.where:  # the condition comes second, unlike in torch.where
            args = (args[1], args[0], *args[2:])
        return _call(getattr(func, "__name__", "?"), args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what protocols ask for
            raise AttributeError(name)
        if name == "where":
            return lambda condition, other: _call(name, (condition, self, other), {})
        if _bare(name) not in TABLE:
            raise Unsupported(f"Tensor.{name} has no {DIGITS}-digit form")
        return lambda *args, **kwargs: _call(name, (self, *args), kwargs)


def evaluate(function: Callable[[Any, Tensor], Any], inputs: Any, target: Any) -> list[mpf]:
    """The per-sample values of `function(inputs, target)` at 50 digits.

    `inputs` is nested lists of floats, taken exactly; a floating target becomes exact as well.

    Raises:
        Unsupported: the code does what the table has no form for.
    """
    with mpmath.workdps(DIGITS):
        if isinstance(target, Tensor) and target.is_floating_point():
            target = Exact(_numbers(target))
        try:
            result = function(Exact(_numbers(inputs)), target)
        except Unsupported:
            raise
        except Exception as error:  # whatever code does that a tensor can and `Exact` cannot
            first = (str(error).strip().splitlines() or [""])[0]
            raise Unsupported(
                f"the code cannot be run at {DIGITS} digits ({type(error).__name__}: {first})"
            ) from error
        if not isinstance(result, Exact):
            raise Unsupported("the loss leaves its inputs' arithmetic (numpy, or new tensors)")
        return [+value for value in result.array.flatten()]


# ------------------------------------------------------------------------------- the dispatch

ANY = object()
# Arguments that change no number: at any value, or at these.
NEUTRAL: dict[str, Any] = {
    "device": ANY, "memory_format": ANY, "layout": ANY, "non_blocking": ANY, "copy": ANY,
    "requires_grad": ANY, "pin_memory": ANY, "sorted": ANY, "stable": ANY, "_stacklevel": ANY,
    "compute_mode": ANY, "dtype": (None, torch.float64), "out": (None,), "size_average": (None,),
    "reduce": (None,), "weight": (None,), "inplace": (False,), "sparse_grad": ANY,
    "interpolation": ("linear",), "full": (False,),
}  # fmt: skip
SPELLINGS = {"axis": "dim", "keepdims": "keepdim", "axes": "dim"}  # numpy's, which torch takes
ALIASES = {
    "absolute": "abs", "subtract": "sub", "multiply": "mul", "divide": "div", "truediv": "div",
    "true_divide": "div", "negative": "neg", "clip": "clamp", "concat": "cat",
    "concatenate": "cat", "swapaxes": "transpose", "swapdims": "transpose", "moveaxis": "movedim",
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
    "expit": "sigmoid", "psi": "digamma", "gammaln": "lgamma", "arccos": "acos", "arcsin": "asin",
    "arctan": "atan", "arctanh": "atanh", "arcsinh": "asinh", "arccosh": "acosh", "sgn": "sign",
    "arctan2": "atan2", "floordiv": "floor_divide", "mod": "remainder", "ger": "outer",
    "fix": "trunc", "view_as": "reshape_as",
    "bmm": "matmul", "mm": "matmul", "mv": "matmul", "dot": "matmul", "vdot": "matmul",
    "double": "same", "detach": "same", "contiguous": "same",
    "alias": "same", "positive": "same", "pos": "same", "ndimension": "dim", "nelement": "numel",
    "row_stack": "vstack", "broadcast_to": "expand", "ravel": "flatten",
    "linalg_matmul": "matmul", "float_power": "pow", "reshape": "view", "select": "index_select",
}  # fmt: skip


def _bare(name: str) -> str:
    """The table's name of a torch function: no underscores around it, no module, no alias."""
    bare = name.strip("_").removeprefix("special_")
    return ALIASES.get(bare, bare)


def _call(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    bare = _bare(name)
    if bare not in TABLE:
        raise Unsupported(f"{name} has no {DIGITS}-digit form")
    signature = _signature(bare)
    given = {}
    for key, value in kwargs.items():
        key = SPELLINGS.get(key, key)
        if key in signature.parameters or not _neutral(key, value):
            given[key] = value
    many = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None)
    if many in given:  # flip(x, dims=(0,))
        args = (*args, given.pop(many))
    try:
        bound = signature.bind(*args, **given)
    except TypeError as error:
        raise Unsupported(f"{name} so called has no {DIGITS}-digit form: {error}") from None
    result = TABLE[bare](*bound.args, **bound.kwargs)
    if name.endswith("_") and not name.startswith("_"):  # in place: relu_, not __add__
        if not isinstance(args[0], Exact):
            raise Unsupported(f"{name} writes {DIGITS}-digit numbers into an ordinary tensor")
        args[0].array[...] = result.array
        return args[0]
    return result


@cache
def _signature(name: str) -> inspect.Signature:
    return inspect.signature(TABLE[name])


def _neutral(key: str, value: Any) -> bool:
    harmless = NEUTRAL.get(key, ())
    return harmless is ANY or any(value is one for one in harmless)


# ------------------------------------------------------------------------------- conversions


def _numbers(values: Any) -> np.ndarray:
    if isinstance(values, Exact):
        return values.array
    if isinstance(values, Tensor):
        values = values.detach().numpy()
    array = np.asarray(values)
    if array.dtype == object:
        return array
    convert = np.frompyfunc(lambda x: mpf(x.item() if hasattr(x, "item") else x), 1, 1)
    return np.asarray(convert(array), dtype=object)


def _exact(x: Any) -> Any:
    return x if isinstance(x, Exact) else Exact(_numbers(x))


def _key(key: Any) -> Any:
    keys = key if isinstance(key, tuple) else (key,)
    return tuple(_plain(k) if isinstance(k, Tensor | list) else k for k in keys)


def _plain(x: Any) -> np.ndarray:
    """Truth values or whole numbers of a condition or an index."""
    if isinstance(x, Exact):
        return x.array
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def _tensor(values: Any, dtype: Any = bool) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=dtype))


def _axes(x: np.ndarray, dim: Any) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(x.ndim))
    return tuple(d % max(x.ndim, 1) for d in (dim if isinstance(dim, list | tuple) else (dim,)))


def _lines(x: Any, dim: Any) -> np.ndarray:
    """The numbers along `dim` (one, several or all) as one last axis."""
    values = _numbers(x)
    axes = _axes(values, dim)
    last = np.moveaxis(values, axes, range(-len(axes), 0)) if values.ndim else values[None]
    return last.reshape(*last.shape[: last.ndim - max(len(axes), 1)], -1)


def _reduce(function: Callable[[list[mpf]], Any], x: Any, dim: Any, keepdim: bool) -> np.ndarray:
    lines = _lines(x, dim)
    out = np.empty(lines.shape[:-1], dtype=object)
    for i in np.ndindex(out.shape):
        out[i] = function(list(lines[i]))
    axes = _axes(_numbers(x), dim)
    return np.expand_dims(out, axes) if keepdim and axes else out


# -------------------------------------------------------------------- functions of single numbers


def _real(function: Callable[..., Any]) -> Callable[..., mpf]:
    """NaN where mpmath raises or turns complex, as torch has it."""

    def apply(*numbers: mpf) -> mpf:
        try:
            value = function(*numbers)
        except (ValueError, ZeroDivisionError, OverflowError):
            return NAN
        return NAN if isinstance(value, mpmath.mpc) else mpf(value)

    return apply


def _exp(x: mpf) -> mpf:
    if x > mpf(2) ** 200:  # the exponent itself would fill the memory
        return INF
    return mpf(0) if x < -(mpf(2) ** 200) else mpmath.exp(x)


def _log(x: mpf) -> mpf:
    return mpmath.log(x) if x > 0 else (-INF if x == 0 else NAN)


def _div(x: mpf, y: mpf) -> mpf:
    if y == 0:  # as torch has it; mpmath raises
        return NAN if x == 0 or mpmath.isnan(x) else mpmath.sign(x) * INF
    return x / y


def _power(x: mpf, y: mpf) -> mpf:
    if y == 0 or x == 1:
        return mpf(1)
    if x == 0:
        return mpf(0) if y > 0 else INF
    return mpmath.power(x, y)


def _larger(x: mpf, y: mpf) -> mpf:
    return x if x != x or x > y else y


def _smaller(x: mpf, y: mpf) -> mpf:
    return x if x != x or x < y else y


def _softplus(x: mpf) -> mpf:
    return _larger(x, mpf(0)) + mpmath.log1p(_exp(-abs(x)))


def _logaddexp(x: mpf, y: mpf) -> mpf:
    least, most = min(x, y), max(x, y)
    return most if mpmath.isinf(least) or mpmath.isinf(most) else most + _softplus(least - most)


def _xlogy(x: mpf, y: mpf) -> mpf:
    return mpf(0) if x == 0 and y == y else x * _log(y)


def _lgamma(x: mpf) -> mpf:
    return INF if x <= 0 and x == mpmath.floor(x) else mpmath.log(abs(mpmath.gamma(x)))


def _erfinv(x: mpf) -> mpf:
    return NAN if abs(x) > 1 else mpmath.sign(x) * INF if abs(x) == 1 else mpmath.erfinv(x)


def _trunc(x: mpf) -> mpf:
    return mpmath.floor(x) if x >= 0 else mpmath.ceil(x)


def _tanh(x: mpf) -> mpf:
    return mpmath.sign(x) if abs(x) > 1e4 else mpmath.tanh(x)


def _sigmoid(x: mpf) -> mpf:
    return 1 / (1 + _exp(-x))


def _elu(x: mpf, alpha: mpf) -> mpf:
    return x if x > 0 else alpha * mpmath.expm1(x)


def _relu6(x: mpf) -> mpf:
    return _smaller(_larger(x, mpf(0)), mpf(6))


ONE: dict[str, Callable[[mpf], Any]] = {
    "neg": lambda x: -x,
    "abs": abs,
    "sign": lambda x: x if x != x else mpmath.sign(x),
    "square": lambda x: x * x,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: _div(mpf(1), mpmath.sqrt(x)),
    "reciprocal": lambda x: _div(mpf(1), x),
    "exp": _exp,
    "exp2": lambda x: _exp(x * mpmath.log(2)),
    "expm1": lambda x: mpmath.expm1(x) if abs(x) < 1 else _exp(x) - 1,
    "log": _log,
    "log2": lambda x: _log(x) / mpmath.log(2),
    "log10": lambda x: _log(x) / mpmath.log(10),
    "log1p": lambda x: mpmath.log1p(x) if x > -1 else _log(1 + x),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
    "sinh": lambda x: (_exp(x) - _exp(-x)) / 2 if abs(x) > 1 else mpmath.sinh(x),
    "cosh": lambda x: (_exp(x) + _exp(-x)) / 2,
    "tanh": _tanh,
    "asinh": mpmath.asinh,
    "acosh": mpmath.acosh,
    "atanh": mpmath.atanh,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfinv": _erfinv,
    "lgamma": _lgamma,
    "digamma": mpmath.digamma,
    "sinc": mpmath.sincpi,
    "entr": lambda x: -_xlogy(x, x) if x >= 0 else -INF,
    "floor": mpmath.floor,
    "ceil": mpmath.ceil,
    "trunc": _trunc,
    "frac": lambda x: x - _trunc(x),
    "relu": lambda x: _larger(x, mpf(0)),
    "relu6": _relu6,
    "sigmoid": _sigmoid,
    "log_sigmoid": lambda x: -_softplus(-x),
    "log_ndtr": lambda x: _log(mpmath.ncdf(x)),
    "ndtr": mpmath.ncdf,
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * _tanh(_softplus(x)),
    "selu": lambda x: mpf(1.0507009873554805) * _elu(x, mpf(1.6732632423543772)),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - _tanh(x),
    "hardsigmoid": lambda x: _relu6(x + 3) / 6,
    "hardswish": lambda x: x * _relu6(x + 3) / 6,
}  # fmt: skip
TWO: dict[str, Callable[[mpf, mpf], Any]] = {
    "mul": lambda x, y: x * y,
    "maximum": _larger,
    "minimum": _smaller,
    "fmax": lambda x, y: x if y != y else y if x != x else max(x, y),
    "fmin": lambda x, y: x if y != y else y if x != x else min(x, y),
    "atan2": mpmath.atan2,
    "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
    "logaddexp": _logaddexp,
    "logaddexp2": lambda x, y: _logaddexp(x * mpmath.log(2), y * mpmath.log(2)) / mpmath.log(2),
    "xlogy": _xlogy,
    "xlog1py": lambda x, y: mpf(0) if x == 0 and y == y else x * ONE["log1p"](y),
    "fmod": lambda x, y: x - y * _trunc(x / y),
    "remainder": lambda x, y: x - y * mpmath.floor(x / y),
    "floor_divide": lambda x, y: mpmath.floor(x / y),
    "copysign": lambda x, y: abs(x) if y >= 0 else -abs(x),
}
COMPARED: dict[str, Callable[[mpf, mpf], bool]] = {
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
}
ASKED: dict[str, Callable[[mpf], bool]] = {
    "isnan": mpmath.isnan,
    "isinf": mpmath.isinf,
    "isfinite": mpmath.isfinite,
    "signbit": lambda x: x < 0,
    "bool": lambda x: x != 0,
    "logical_not": lambda x: x == 0,
}


def _mean(line: list[mpf]) -> mpf:
    return sum(line, mpf(0)) / len(line)


def _product(line: list[mpf]) -> mpf:
    return math.prod(line, start=mpf(1))


def _most(line: list[mpf]) -> mpf:
    return reduce(_larger, line)


def _least(line: list[mpf]) -> mpf:
    return -_most([-x for x in line])


def _logsumexp(line: list[mpf]) -> mpf:
    # Factored, so that no exponent is so large that it is cut off.
    most = _most(line)
    return most if not mpmath.isfinite(most) else most + _log(sum(_exp(x - most) for x in line))


def _variance(correction: Any) -> Callable[[list[mpf]], mpf]:
    def of(line: list[mpf]) -> mpf:
        centre = _mean(line)
        squares = sum(((x - centre) ** 2 for x in line), mpf(0))
        return _div(squares, _larger(mpf(len(line)) - mpf(correction), mpf(0)))

    return of


REDUCED: dict[str, Callable[[list[mpf]], Any]] = {
    "sum": lambda line: sum(line, mpf(0)),
    "nansum": lambda line: sum((x for x in line if x == x), mpf(0)),
    "mean": _mean,
    "nanmean": lambda line: _mean([x for x in line if x == x]) if line else NAN,
    "amax": _most,
    "amin": _least,
    "logsumexp": _logsumexp,
    "prod": _product,
}
RUNNING: dict[str, Callable[[list[mpf]], Any]] = {
    "cumsum": REDUCED["sum"],
    "cumprod": _product,
    "logcumsumexp": _logsumexp,
}


def _each(function: Callable[..., Any], *arrays: Any) -> Exact:
    return Exact(np.frompyfunc(_real(function), len(arrays), 1)(*map(_numbers, arrays)))


def _of_one(function: Callable[[mpf], Any]) -> Callable[..., Exact]:
    return lambda input: _each(function, input)


def _of_two(function: Callable[[mpf, mpf], Any]) -> Callable[..., Exact]:
    return lambda input, other: _each(function, input, other)


def _comparing(function: Callable[[mpf, mpf], bool]) -> Callable[..., Tensor]:
    ufunc = np.frompyfunc(function, 2, 1)
    return lambda input, other: _tensor(ufunc(_numbers(input), _numbers(other)))


def _asking(function: Callable[[mpf], bool]) -> Callable[..., Tensor]:
    return lambda input: _tensor(np.frompyfunc(function, 1, 1)(_numbers(input)))


def _reducing(function: Callable[[list[mpf]], Any]) -> Callable[..., Exact]:
    return lambda input, dim=None, keepdim=False: Exact(_reduce(function, input, dim, keepdim))


def _running(function: Callable[[list[mpf]], Any]) -> Callable[..., Exact]:
    def form(input: Any, dim: int) -> Exact:
        lines = np.moveaxis(_numbers(input), dim, -1)
        parts = [
            np.asarray(_reduce(function, lines[..., : i + 1], -1, True))
            for i in range(lines.shape[-1])
        ]
        return Exact(np.moveaxis(np.concatenate(parts, -1), -1, dim))

    return form


# ----------------------------------------------------------------------------- forms of their own


def _plus(sign: int) -> Callable[..., Exact]:
    return lambda input, other, alpha=1: _each(lambda x, y: x + sign * mpf(alpha) * y, input, other)


def _dividing(input: Any, other: Any, rounding_mode: Any = None) -> Exact:
    rounding = {None: lambda q: q, "floor": mpmath.floor, "trunc": _trunc}[rounding_mode]
    return _each(lambda x, y: rounding(_div(x, y)), input, other)


def _clamp(input: Any, min: Any = None, max: Any = None) -> Exact:
    out = _exact(input)
    if min is not None:
        out = _each(_larger, out, min)
    return out if max is None else _each(_smaller, out, max)


def _nan_to_num(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Exact:
    most = torch.finfo(torch.float64).max
    high, low = (most if posinf is None else posinf), (-most if neginf is None else neginf)
    return _each(
        lambda x: mpf(nan or 0) if x != x else mpf(high if x > 0 else low) if abs(x) == INF else x,
        input,
    )


def _rounded(input: Any, decimals: int = 0) -> Exact:
    unit = mpf(10) ** decimals
    return _each(lambda x: mpmath.nint(x * unit) / unit, input)  # halves to even, as torch has it


def _logit(input: Any, eps: Any = None) -> Exact:
    x = _exact(input) if eps is None else _clamp(input, eps, 1 - mpf(eps))
    return _each(lambda p: _log(_div(p, 1 - p)), x)


def _scaled_softplus(input: Any, beta: float = 1, threshold: float = 20) -> Exact:
    """log(1 + e^(beta x)) / beta; beyond the threshold torch's code gives x itself."""
    return _each(
        lambda x: x if x * beta > threshold else _softplus(x * mpf(beta)) / mpf(beta), input
    )


def _gelu(input: Any, approximate: str = "none") -> Exact:
    if approximate == "none":
        return _each(lambda x: x * mpmath.ncdf(x), input)
    c = mpmath.sqrt(2 / mpmath.pi)
    return _each(lambda x: x / 2 * (1 + _tanh(c * (x + mpf(0.044715) * x**3))), input)


def _spread(root: bool = False, with_mean: bool = False) -> Callable[..., Any]:
    def form(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> Any:  # fmt: skip
        if isinstance(dim, bool):  # var(False)
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        found = Exact(_reduce(_variance(correction), input, dim, keepdim))
        found = _each(mpmath.sqrt, found) if root else found
        return (found, Exact(_reduce(_mean, input, dim, keepdim))) if with_mean else found

    return form


def _norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Exact:
    if p == "nuc":
        raise Unsupported(f"the nuclear norm has no {DIGITS}-digit form")
    power = mpf(2 if p in (None, "fro") else p)

    def length(line: list[mpf]) -> mpf:
        sizes = [abs(x) for x in line]
        if abs(power) == INF:
            return _most(sizes) if power > 0 else _least(sizes)
        if power == 0:
            return mpf(sum(x != 0 for x in sizes))
        return _power(sum((_power(x, power) for x in sizes), mpf(0)), 1 / power)

    return Exact(_reduce(length, input, dim, keepdim))


def _matrix_or_vector_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    over = _numbers(A).ndim if dim is None else np.size(dim)
    if over > 1 and ord not in (None, "fro"):
        raise Unsupported(f"matrix norms have no {DIGITS}-digit form")
    return _norm(A, ord, dim, keepdim)


def _gather(input: Any, dim: int, index: Any) -> Exact:
    values, where = _numbers(input), _plain(index)
    if values.ndim == 0:
        return Exact(values[None][where])
    cut = tuple(
        slice(None) if d == dim % values.ndim else slice(n) for d, n in enumerate(where.shape)
    )
    return Exact(np.take_along_axis(values[cut], where, dim))


def _scattered(input: Any, dim: int, index: Any, given: Any, put: Callable[..., Any]) -> Exact:
    out, where, new = _numbers(input).copy(), _plain(index), _numbers(given)
    for at in np.ndindex(where.shape):
        to = list(at)
        to[dim] = where[at]
        out[tuple(to)] = put(out[tuple(to)], new[at] if new.ndim else new.item())
    return Exact(out)


def _index_add(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Exact:
    out = np.moveaxis(_numbers(input).copy(), dim, 0)
    for i, row in zip(_plain(index), np.moveaxis(_numbers(source), dim, 0), strict=True):
        out[i] = out[i] + mpf(alpha) * row
    return Exact(np.moveaxis(out, 0, dim))


def _index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Exact:
    out, key = _numbers(input).copy(), _key(tuple(indices))
    if accumulate:
        np.add.at(out, key, _numbers(values))
    else:
        out[key] = _numbers(values)
    return Exact(out)


def _where(condition: Any, input: Any, other: Any) -> Exact:
    return Exact(np.where(_plain(condition).astype(bool), _numbers(input), _numbers(other)))


def _order(values: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    return np.argsort(-values if descending else values, axis=dim, kind="stable")


def _taken(
    kind: str, values: np.ndarray, places: np.ndarray, dim: int, keepdim: bool = True
) -> Any:
    """The values at some places along `dim`, with the places, as torch returns them for `kind`."""
    found = np.take_along_axis(values, places, dim)
    if not keepdim:
        found, places = np.squeeze(found, dim), np.squeeze(places, dim)
    return getattr(torch.return_types, kind)((Exact(found), _tensor(places, np.int64)))


def _sort(input: Any, dim: int = -1, descending: bool = False) -> Any:
    values = _numbers(input)
    return _taken("sort", values, _order(values, dim, descending), dim)


def _topk(input: Any, k: int, dim: int = -1, largest: bool = True) -> Any:
    values = _numbers(input)
    order = np.take(_order(values, dim, largest), np.arange(k), axis=dim)
    return _taken("topk", values, order, dim)


def _ranked(kind: str, input: Any, rank: int, dim: int, keepdim: bool) -> Any:
    values = _numbers(input)
    place = np.take(_order(values, dim, False), [rank], axis=dim)
    return _taken(kind, values, place, dim, keepdim)


def _median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if dim is None:
        line = sorted(_numbers(input).flatten())
        return Exact(line[(len(line) - 1) // 2])
    return _ranked("median", input, (_numbers(input).shape[dim] - 1) // 2, dim, keepdim)


def _quantile(input: Any, q: Any, dim: Any = None, keepdim: bool = False) -> Exact:
    share = _numbers(q)
    if share.ndim:
        raise Unsupported(f"several quantiles at once have no {DIGITS}-digit form")

    def of(line: list[mpf]) -> mpf:
        line = sorted(line)
        at = share.item() * (len(line) - 1)
        low = int(mpmath.floor(at))
        return line[low] + (at - low) * (line[min(low + 1, len(line) - 1)] - line[low])

    return Exact(_reduce(of, input, dim, keepdim))


def _extreme(kind: str) -> Callable[..., Any]:
    best, pairwise_best = (_most, _larger) if kind == "max" else (_least, _smaller)

    def form(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        other = dim if isinstance(dim, Exact | Tensor) else other
        if other is not None:  # torch.max(a, b)
            return _each(pairwise_best, input, other)
        if dim is None:
            return Exact(_reduce(best, input, None, False))
        values = _numbers(input)
        where = np.expand_dims(np.asarray(getattr(np, f"arg{kind}")(values, axis=dim)), dim)
        return _taken(kind, values, where, dim, keepdim)

    return form


def _extreme_at(find: Callable[..., Any]) -> Callable[..., Tensor]:
    def form(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
        at = np.asarray(find(_numbers(input), axis=dim))
        return _tensor(np.expand_dims(at, dim) if keepdim and dim is not None else at, np.int64)

    return form


def _aminmax(input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    both = tuple(Exact(_reduce(find, input, dim, keepdim)) for find in (_least, _most))
    return torch.return_types.aminmax(both)  # type: ignore[arg-type]


def _any(function: Callable[..., Any]) -> Callable[..., Tensor]:
    return lambda input, dim=None, keepdim=False: _tensor(
        _reduce(lambda line: function(x != 0 for x in line), input, dim, keepdim)
    )


def _close(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Tensor:
    return _comparing(lambda x, y: x == y or abs(x - y) <= mpf(atol) + mpf(rtol) * abs(y))(
        input, other
    )


# -- shapes


def _shape(sizes: Sequence[Any]) -> tuple[int, ...]:
    one = len(sizes) == 1 and not isinstance(sizes[0], int)
    return tuple(int(n) for n in (sizes[0] if one else sizes))


def _expand(input: Any, *size: Any) -> Exact:
    wanted, have = list(_shape(size)), _numbers(input).shape
    filled = [have[i - len(wanted)] if n == -1 else n for i, n in enumerate(wanted)]
    return Exact(np.broadcast_to(_numbers(input), filled))


def _flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Exact:
    shape = _numbers(input).shape or (1,)
    start, end = start_dim % len(shape), end_dim % len(shape)
    return Exact(_numbers(input).reshape(*shape[:start], -1, *shape[end + 1 :]))


def _unflatten(input: Any, dim: int, sizes: Any) -> Exact:
    shape = _numbers(input).shape
    at = dim % len(shape)
    return Exact(_numbers(input).reshape(*shape[:at], *sizes, *shape[at + 1 :]))


def _squeeze(input: Any, dim: Any = None) -> Exact:
    values = _numbers(input)
    return Exact(np.squeeze(values, tuple(d for d in _axes(values, dim) if values.shape[d] == 1)))


def _split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *,
           split_size: Any = None) -> tuple[Exact, ...]:  # fmt: skip
    size = split_size if split_size_or_sections is None else split_size_or_sections
    n = _numbers(tensor).shape[dim]
    sizes = size if isinstance(size, list | tuple) else [size] * -(-n // size)
    cuts = np.cumsum([0, *sizes])
    return tuple(
        Exact(np.take(_numbers(tensor), np.arange(a, min(b, n)), axis=dim))
        for a, b in pairwise(cuts)
    )


def _pad(input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Exact:
    if min(pad) < 0:
        raise Unsupported(f"pad by {list(pad)} has no {DIGITS}-digit form")
    numbers = _numbers(input)
    widths = list(zip(pad[::2], pad[1::2], strict=True))[::-1]  # torch begins at the last dimension
    widths = [(0, 0)] * (numbers.ndim - len(widths)) + widths
    if mode != "constant":
        alike: Any = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
        return Exact(np.pad(numbers, widths, alike))
    fill = _numbers(0 if value is None else value).item()
    return Exact(np.pad(numbers, widths, constant_values=fill))


def _triangle(cut: Callable[..., Any]) -> Callable[..., Exact]:
    def form(input: Any, diagonal: int = 0) -> Exact:
        values = _numbers(input)
        inside = cut(np.ones(values.shape[-2:], dtype=bool), diagonal)
        return Exact(np.where(inside, values, mpf(0)))

    return form


def _diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Exact:
    return Exact(np.diagonal(_numbers(input), offset, dim1, dim2))


def _diag(input: Any, diagonal: int = 0) -> Exact:
    values = _numbers(input)
    if values.ndim == 2:
        return _diagonal(values, diagonal)
    size = len(values) + abs(diagonal)
    at = np.arange(len(values))
    out = np.full((size, size), mpf(0), dtype=object)
    out[at + max(-diagonal, 0), at + max(diagonal, 0)] = values
    return Exact(out)


def _joining(join: Callable[..., Any]) -> Callable[..., Exact]:
    return lambda tensors, dim=0: Exact(join([_numbers(x) for x in tensors], axis=dim))


def _full(shape: Sequence[int], value: Any, dtype: Any) -> Any:
    if dtype not in (None, torch.float64):
        return torch.full(tuple(shape), value, dtype=dtype)
    return Exact(np.broadcast_to(_numbers(value), tuple(shape)).copy())


def _new(value: float) -> Callable[..., Any]:
    return lambda input, *size, dtype=None: _full(_shape(size), value, dtype)


def _to(input: Any, *args: Any, dtype: Any = None) -> Any:
    """A tensor of another kind: float64 still, or whole numbers or truth values."""
    for wanted in (*args, dtype):
        dtype = wanted.dtype if isinstance(wanted, Exact | Tensor) else wanted
        if isinstance(dtype, torch.dtype) and dtype != torch.float64:
            return _cast(input, dtype)
        if isinstance(dtype, type) or "Tensor" in str(dtype):  # type(torch.FloatTensor), or by name
            raise Unsupported(f"a conversion to {dtype} has no {DIGITS}-digit form")
    return _exact(input)


def _cast(input: Any, dtype: torch.dtype) -> Tensor:
    if dtype.is_floating_point or dtype.is_complex:
        raise Unsupported(f"a conversion to {dtype} has no {DIGITS}-digit form")
    values = _numbers(input)
    if dtype == torch.bool:
        return ASKED_FORMS["bool"](values)
    return _tensor(np.frompyfunc(lambda x: int(_trunc(x)), 1, 1)(values), np.int64).to(dtype)


def _casting(dtype: torch.dtype) -> Callable[..., Tensor]:
    return lambda input: _cast(input, dtype)


def _size(input: Any, dim: Any = None) -> Any:
    shape = torch.Size(_numbers(input).shape)
    return shape if dim is None else shape[dim]


# -- products


def _einsum(equation: str, *operands: Any) -> Exact:
    listed = (
        operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    )
    return Exact(np.einsum(equation, *map(_numbers, listed)))


def _addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Exact:
    return Exact(mpf(beta) * _numbers(input) + mpf(alpha) * (_numbers(mat1) @ _numbers(mat2)))


def _linear(input: Any, weight: Any, bias: Any = None) -> Exact:
    out = _numbers(input) @ _numbers(weight).T
    return Exact(out if bias is None else out + _numbers(bias))


def _cov(input: Any, correction: int = 1) -> Exact:
    x = _numbers(input) - _reduce(_mean, input, -1, True)
    return Exact(x @ x.T / mpf(x.shape[-1] - correction))


# ------------------------------------------------------------- torch.nn.functional, from the others


def _composed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A form written in torch itself: each floating tensor among its arguments becomes exact."""
    signature = inspect.signature(function)

    @wraps(function)
    def form(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for key, x in bound.arguments.items():
            if isinstance(x, Tensor) and x.is_floating_point():
                bound.arguments[key] = _exact(x)
        return function(*bound.args, **bound.kwargs)

    return form


def _with_reduction(values: Callable[..., Any]) -> Callable[..., Any]:
    """The form of a loss, from that of its values: with torch's argument `reduction`."""

    def form(*args: Any, reduction: str = "mean", **kwargs: Any) -> Any:
        return _reduced(values(*args, **kwargs), reduction)

    own, added = (inspect.signature(f).parameters for f in (values, form))
    form.__signature__ = inspect.Signature([*own.values(), added["reduction"]])  # type: ignore[attr-defined]
    return form


def _reduced(values: Any, reduction: str) -> Any:
    if reduction not in ("none", "mean", "sum"):
        raise Unsupported(f"reduction {reduction!r} has no {DIGITS}-digit form")
    return values if reduction == "none" else getattr(values, reduction)()


def _log_softmax(input: Any, dim: Any = None) -> Any:
    if dim is None:  # of old code, with a warning: as F._get_softmax_dim
        dim = 0 if input.ndim in (0, 1, 3) else 1
    return input - input.logsumexp(dim, True)


def _cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    first, second = (x / x.norm(2, dim, True).clamp_min(eps) for x in (x1, x2))
    return (first * second).sum(dim)


def _pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def _layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    dims = tuple(range(-len(normalized_shape), 0))
    centred = input - input.mean(dims, True)
    out = centred / (centred.square().mean(dims, True) + eps).sqrt()
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def _cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    if input.ndim == 1:
        input, target = input[None], target[None]
        if reduction == "none":
            raise Unsupported(f"cross_entropy of a single row has no {DIGITS}-digit form")
    log_p, k = F.log_softmax(input, 1).movedim(1, -1), input.shape[1]
    w = _exact(torch.ones(k) if weight is None else weight)
    smoothing = _exact(label_smoothing)
    if isinstance(target, Exact):
        mixed = (1 - smoothing) * target.movedim(1, -1) + smoothing / k
        values = -(w * mixed * log_p).sum(-1)
        return values.sum() / values.numel() if reduction == "mean" else _reduced(values, reduction)
    values, weights = _of_labels(log_p, target, w, ignore_index)
    if label_smoothing:  # else scores of -inf would give 0 * inf
        all_labels = torch.where(target != ignore_index, (w * log_p).sum(-1), 0.0)
        values = (1 - smoothing) * values - smoothing / k * all_labels
    return values.sum() / weights.sum() if reduction == "mean" else _reduced(values, reduction)


def _of_labels(log_p: Any, target: Any, w: Any, ignore_index: int) -> tuple[Any, Any]:
    """-w_y log p_y and w_y of each label y, from log p (..., K); zero where it is ignored."""
    used = target != ignore_index
    label = torch.where(used, target, 0)
    weights = torch.where(used, w[label], 0.0)
    values = -weights * log_p.gather(-1, label[..., None])[..., 0]
    return torch.where(used, values, 0.0), weights


def _nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    if input.ndim != 2:
        raise Unsupported(f"nll_loss of other than rows has no {DIGITS}-digit form")
    w = _exact(torch.ones(input.shape[1]) if weight is None else weight)
    values, weights = _of_labels(input, target, w, ignore_index)
    return values.sum() / weights.sum() if reduction == "mean" else _reduced(values, reduction)


def _kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    if log_target:
        values = target.exp() * (target - input)
    else:
        values = torch.xlogy(target, target) - target * input
    return values.sum() / len(values) if reduction == "batchmean" else _reduced(values, reduction)


def _binary_cross_entropy(input: Any, target: Any, weight: Any = None) -> Any:
    yes, no = input.log().clamp_min(-100), (1 - input).log().clamp_min(-100)
    values = -(target * yes + (1 - target) * no)
    return values if weight is None else values * weight


def _bce_with_logits(input: Any, target: Any, weight: Any = None, pos_weight: Any = None) -> Any:
    factor: Any = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    values = (1 - target) * input + factor * _each(lambda x: _softplus(-x), input)
    return values if weight is None else values * weight


def _huber(input: Any, target: Any, delta: float = 1.0) -> Any:
    gap = (input - target).abs()
    return torch.where(gap <= delta, gap.square() / 2, delta * (gap - _exact(delta) / 2))


def _smooth_l1(input: Any, target: Any, beta: float = 1.0) -> Any:
    gap = (input - target).abs()
    if beta == 0:
        return gap
    half = _exact(beta) / 2
    return torch.where(gap < beta, gap.square() / (4 * half), gap - half)


def _hinge_embedding(input: Any, target: Any, margin: float = 1.0) -> Any:
    near = torch.where(target != -1, input, 0.0)
    return near + torch.where(target != 1, (margin - input).relu(), 0.0)


def _multi_margin(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None
) -> Any:
    if input.ndim != 2:
        raise Unsupported(f"multi_margin_loss of other than rows has no {DIGITS}-digit form")
    excess = (margin - input.gather(1, target[:, None]) + input).relu() ** p
    if weight is not None:
        excess = excess * weight[target][:, None]
    return excess.scatter(1, target[:, None], 0.0).sum(1) / input.shape[1]


def _cosine_embedding(input1: Any, input2: Any, target: Any, margin: float = 0.0) -> Any:
    squares = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()
    apart = torch.where(target == -1, (cosine - margin).relu(), 0.0)
    return torch.where(target == 1, 1 - cosine, apart)


def _triplet_margin(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False,
) -> Any:  # fmt: skip
    near, far = (_pairwise_distance(anchor, other, p, eps) for other in (positive, negative))
    if swap:
        far = torch.minimum(far, _pairwise_distance(positive, negative, p, eps))
    return (margin + near - far).relu()


COMPOSED: dict[str, Callable[..., Any]] = {
    "softmax": lambda input, dim=None: _log_softmax(input, dim).exp(),
    "log_softmax": _log_softmax,
    "softmin": lambda input, dim=None: _log_softmax(-input, dim).exp(),
    "normalize": lambda input, p=2.0, dim=1, eps=1e-12: (
        input / input.norm(p, dim, True).clamp_min(eps)
    ),
    "cosine_similarity": _cosine_similarity,
    "pairwise_distance": _pairwise_distance,
    "layer_norm": _layer_norm,
    "leaky_relu": lambda input, negative_slope=0.01: torch.where(
        input > 0, input, negative_slope * input
    ),
    "hardtanh": lambda input, min_val=-1.0, max_val=1.0: input.clamp(min_val, max_val),
    "threshold": lambda input, threshold, value: torch.where(input > threshold, input, value),
    "softshrink": lambda input, lambd=0.5: input.sign() * (input.abs() - lambd).relu(),
    "hardshrink": lambda input, lambd=0.5: torch.where(input.abs() > lambd, input, 0.0),
    "glu": lambda input, dim=-1: input.chunk(2, dim)[0] * input.chunk(2, dim)[1].sigmoid(),
    "lerp": lambda input, end, weight: input + weight * (end - input),
    "addcmul": lambda input, tensor1, tensor2, *, value=1: input + value * tensor1 * tensor2,
    "addcdiv": lambda input, tensor1, tensor2, *, value=1: input + value * tensor1 / tensor2,
    "dist": lambda input, other, p=2: (input - other).norm(p),
    "diff": lambda input, n=1, dim=-1: Exact(np.diff(_numbers(input), n, dim)),
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll_loss,
    "kl_div": _kl_div,
}
# The values, before they are reduced. No l1_loss: torch tells no one of its `weight`.
LOSSES: dict[str, Callable[..., Any]] = {
    "mse_loss": lambda input, target: (input - target).square(),
    "smooth_l1_loss": _smooth_l1,
    "huber_loss": _huber,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "multilabel_soft_margin_loss": lambda input, target, weight=None: _bce_with_logits(
        input, target, weight
    ).mean(-1),
    "soft_margin_loss": lambda input, target: _each(_softplus, -target * input),
    "hinge_embedding_loss": _hinge_embedding,
    "margin_ranking_loss": lambda input1, input2, target, margin=0: (
        margin - target * (input1 - input2)
    ).relu(),
    "multi_margin_loss": _multi_margin,
    "cosine_embedding_loss": _cosine_embedding,
    "triplet_margin_loss": _triplet_margin,
    "poisson_nll_loss": lambda input, target, log_input=True, eps=1e-8: (
        input.exp() - target * input if log_input else input - target * (input + eps).log()
    ),
}
ASKED_FORMS = {name: _asking(function) for name, function in ASKED.items()}

TABLE: dict[str, Callable[..., Any]] = {
    **{name: _of_one(function) for name, function in ONE.items()},
    **{name: _of_two(function) for name, function in TWO.items()},
    **{name: _comparing(function) for name, function in COMPARED.items()},
    **ASKED_FORMS,
    **{name: _reducing(function) for name, function in REDUCED.items()},
    **{name: _running(function) for name, function in RUNNING.items()},
    **{name: _composed(function) for name, function in COMPOSED.items()},
    **{name: _composed(_with_reduction(values)) for name, values in LOSSES.items()},
    "add": _plus(1),
    "sub": _plus(-1),
    "rsub": lambda input, other, alpha=1: _plus(-1)(other, input, alpha),
    "div": _dividing,
    "pow": lambda input, exponent: _each(_power, input, exponent),
    "clamp": _clamp,
    "clamp_min": lambda input, min: _clamp(input, min),
    "clamp_max": lambda input, max: _clamp(input, None, max),
    "nan_to_num": _nan_to_num,
    "round": _rounded,
    "logit": _logit,
    "softplus": _scaled_softplus,
    "gelu": _gelu,
    "elu": lambda input, alpha=1.0: _each(lambda x: _elu(x, mpf(alpha)), input),
    "celu": lambda input, alpha=1.0: _each(
        lambda x: x if x > 0 else mpf(alpha) * mpmath.expm1(x / mpf(alpha)), input
    ),
    "var": _spread(),
    "std": _spread(root=True),
    "var_mean": _spread(with_mean=True),
    "std_mean": _spread(root=True, with_mean=True),
    "norm": _norm,
    "linalg_vector_norm": lambda x, ord=2, dim=None, keepdim=False: _norm(x, ord, dim, keepdim),
    "linalg_norm": _matrix_or_vector_norm,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "argmax": _extreme_at(np.argmax),
    "argmin": _extreme_at(np.argmin),
    "aminmax": _aminmax,
    "any": _any(any),
    "all": _any(all),
    "count_nonzero": lambda input, dim=None: _tensor(
        _reduce(lambda line: sum(x != 0 for x in line), input, dim, False), np.int64
    ),
    "isclose": _close,
    "allclose": lambda input, other, rtol=1e-5, atol=1e-8: bool(
        _close(input, other, rtol, atol).all()
    ),
    "argsort": lambda input, dim=-1, descending=False: _sort(input, dim, descending)[1],
    "sort": _sort,
    "topk": _topk,
    "median": _median,
    "kthvalue": lambda input, k, dim=-1, keepdim=False: _ranked(
        "kthvalue", input, k - 1, dim, keepdim
    ),
    "quantile": _quantile,
    "gather": _gather,
    "take_along_dim": lambda input, indices, dim: Exact(
        np.take_along_axis(_numbers(input), _plain(indices), dim)
    ),
    "scatter": lambda input, dim, index, src=None, value=None: _scattered(
        input, dim, index, src if value is None else value, lambda old, new: new
    ),
    "scatter_add": lambda input, dim, index, src: _scattered(
        input, dim, index, src, operator.add
    ),
    "index_add": _index_add,
    "index_put": _index_put,
    "index_select": lambda input, dim, index: Exact(
        np.take(_numbers(input), _plain(index), axis=dim)
    ),
    "masked_select": lambda input, mask: Exact(
        _numbers(input)[np.broadcast_to(_plain(mask), _numbers(input).shape)]
    ),
    "masked_fill": lambda input, mask, value: _where(mask, value, input),
    "where": _where,
    "unsqueeze": lambda input, dim: Exact(np.expand_dims(_numbers(input), dim)),
    "squeeze": _squeeze,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "view": lambda input, *shape: Exact(_numbers(input).reshape(_shape(shape))),
    "reshape_as": lambda input, other: Exact(_numbers(input).reshape(other.shape)),
    "expand": _expand,
    "expand_as": lambda input, other: _expand(input, other.shape),
    "repeat": lambda input, *repeats: Exact(np.tile(_numbers(input), _shape(repeats))),
    "tile": lambda input, *dims: Exact(np.tile(_numbers(input), _shape(dims))),
    "repeat_interleave": lambda input, repeats, dim=None: Exact(
        np.repeat(_numbers(input), _plain(repeats), axis=dim)
    ),
    "broadcast_tensors": lambda *tensors: tuple(
        map(Exact, np.broadcast_arrays(*map(_numbers, tensors)))
    ),
    "transpose": lambda input, dim0, dim1: Exact(np.swapaxes(_numbers(input), dim0, dim1)),
    "t": lambda input: Exact(_numbers(input).T),
    "permute": lambda input, *dims: Exact(np.transpose(_numbers(input), _shape(dims))),
    "movedim": lambda input, source, destination: Exact(
        np.moveaxis(_numbers(input), source, destination)
    ),
    "flip": lambda input, *dims: Exact(np.flip(_numbers(input), _shape(dims))),
    "roll": lambda input, shifts, dims=None: Exact(np.roll(_numbers(input), shifts, dims)),
    "split": _split,
    "chunk": lambda input, chunks, dim=0: _split(
        input, -(-_numbers(input).shape[dim] // chunks), dim
    ),
    "unbind": lambda input, dim=0: tuple(map(Exact, np.moveaxis(_numbers(input), dim, 0))),
    "narrow": lambda input, dim, start, length: Exact(
        np.take(_numbers(input), np.arange(start, start + length), axis=dim)
    ),
    "pad": _pad,
    "cat": _joining(np.concatenate),
    "stack": _joining(np.stack),
    "hstack": lambda tensors: Exact(np.hstack([_numbers(x) for x in tensors])),
    "vstack": lambda tensors: Exact(np.vstack([_numbers(x) for x in tensors])),
    "triu": _triangle(np.triu),
    "tril": _triangle(np.tril),
    "diagonal": _diagonal,
    "diag": _diag,
    "diag_embed": lambda input: Exact(
        np.where(np.eye(input.shape[-1], dtype=bool), _numbers(input)[..., None], mpf(0))
    ),
    "trace": lambda input: _reducing(REDUCED["sum"])(_diagonal(input)),
    "matmul": lambda input, other: Exact(_numbers(input) @ _numbers(other)),
    "einsum": _einsum,
    "tensordot": lambda a, b, dims=2: Exact(np.tensordot(_numbers(a), _numbers(b), dims)),
    "outer": lambda input, vec2: Exact(np.multiply.outer(_numbers(input), _numbers(vec2))),
    "inner": lambda input, other: Exact(np.inner(_numbers(input), _numbers(other))),
    "linalg_vecdot": lambda x, y, dim=-1: _reducing(REDUCED["sum"])(_each(
        lambda a, b: a * b, x, y), dim),
    "addmm": _addmm,
    "baddbmm": lambda input, batch1, batch2, *, beta=1, alpha=1: _addmm(
        input, batch1, batch2, beta=beta, alpha=alpha
    ),
    "linear": _linear,
    "cov": _cov,
    "cdist": lambda x1, x2, p=2.0: _norm(
        _numbers(x1)[..., :, None, :] - _numbers(x2)[..., None, :, :], p, -1
    ),
    "zeros_like": lambda input, *, dtype=None: _full(_numbers(input).shape, 0.0, dtype),
    "ones_like": lambda input, *, dtype=None: _full(_numbers(input).shape, 1.0, dtype),
    "full_like": lambda input, fill_value, *, dtype=None: _full(
        _numbers(input).shape, fill_value, dtype
    ),
    "zero": lambda input: _full(_numbers(input).shape, 0.0, None),
    "fill": lambda input, value: _full(_numbers(input).shape, value, None),
    "copy": lambda input, src: Exact(np.broadcast_to(_numbers(src), _numbers(input).shape)),
    "new_zeros": _new(0.0),
    "new_ones": _new(1.0),
    "new_full": lambda input, size, fill_value, *, dtype=None: _full(size, fill_value, dtype),
    "new_tensor": lambda input, data: Exact(_numbers(data)),
    "same": lambda input: _exact(input),
    "clone": lambda input: Exact(_numbers(input).copy()),
    "to": _to,
    "type_as": lambda input, other: _to(input, other),
    "type": lambda input, dtype: _to(input, dtype),
    "requires_grad": lambda input, requires_grad=True: _exact(input),
    "float": _casting(torch.float32),
    "long": _casting(torch.int64),
    "int": _casting(torch.int32),
    "size": _size,
    "dim": lambda input: _numbers(input).ndim,
    "numel": lambda input: int(_numbers(input).size),
    "is_floating_point": lambda input: True,
    "is_complex": lambda input: False,
}  # fmt: skip


def _operator(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
    if swapped:
        return lambda self, other: _call(name, (other, self), {})
    return lambda self, other: _call(name, (self, other), {})


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv"):
    setattr(Exact, f"__{_name}__", _operator(_name))
    setattr(Exact, f"__r{_name}__", _operator(_name, swapped=True))
    setattr(Exact, f"__i{_name}__", _operator(f"{_name}_"))
for _name in COMPARED:
    setattr(Exact, f"__{_name}__", _operator(_name))
for _name in ("neg", "pos", "abs"):
    setattr(Exact, f"__{_name}__", lambda self, name=_name: _call(name, (self,), {}))
