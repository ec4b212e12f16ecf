"""Runs a loss's own code at 50 digits, so that a witness is not a rounding error.

torch dispatches every function that meets an object with `__torch_function__`; `Exact` is such an
object, an array of mpmath numbers, and the table below says what each function means on it. The
verdict is then about the code, clamps included, and needs no second formula.
"""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import torch
from mpmath import mpf
from torch import Tensor

DIGITS = 50


class Unsupported(NotImplementedError):
    """The loss calls a torch function that has no form at 50 digits here."""


class Exact:
    """An array of 50-digit numbers that torch functions accept in place of a float64 tensor."""

    dtype = torch.float64
    device = torch.device("cpu")
    requires_grad = False
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

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> "Exact":
        keys = key if isinstance(key, tuple) else (key,)
        return Exact(self.array[tuple(_index(k) for k in keys)])

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "?").strip("_")
        if name not in TABLE:
            raise Unsupported(f"{name} has no {DIGITS}-digit form")
        return TABLE[name](*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in TABLE:
            raise Unsupported(f"Tensor.{name} has no {DIGITS}-digit form")
        return lambda *args, **kwargs: TABLE[name](self, *args, **kwargs)

    def __neg__(self) -> "Exact":
        return Exact(-self.array)


def evaluate(function: Callable[[Any, Tensor], Any], inputs: Any, target: Any) -> list[mpf]:
    """The per-sample values of `function(inputs, target)` at 50 digits.

    `inputs` is nested lists of floats, taken exactly; a floating target becomes exact as well.

    Raises:
        Unsupported: the code calls a function that the table lacks.
    """
    with mpmath.workdps(DIGITS):
        if isinstance(target, Tensor) and target.is_floating_point():
            target = Exact(_numbers(target))
        result = function(Exact(_numbers(inputs)), target)
        if not isinstance(result, Exact):
            raise Unsupported("the loss leaves its inputs' arithmetic (numpy, or new tensors)")
        return [+value for value in result.array.flatten()]


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


def _index(key: Any) -> Any:
    return key.numpy() if isinstance(key, Tensor) else key


def _plain(x: Any) -> np.ndarray:
    """Truth values or whole numbers of a condition or an index."""
    if isinstance(x, Exact):
        return x.array
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def _each(function: Callable[..., Any]) -> Callable[..., Exact]:
    ufunc = None

    def apply(*args: Any, **_: Any) -> Exact:
        nonlocal ufunc
        ufunc = ufunc or np.frompyfunc(function, len(args), 1)
        return Exact(ufunc(*(_numbers(a) for a in args)))

    return apply


def _compare(function: Callable[[Any, Any], bool]) -> Callable[..., Tensor]:
    ufunc = np.frompyfunc(function, 2, 1)
    return lambda a, b: torch.from_numpy(
        np.atleast_1d(np.asarray(ufunc(_numbers(a), _numbers(b)), dtype=bool)).reshape(
            np.broadcast_shapes(_numbers(a).shape, _numbers(b).shape)
        )
    )


def _axis(x: Any, dim: Any) -> Any:
    if dim is None or dim == ():
        return tuple(range(_numbers(x).ndim))
    return tuple(dim) if isinstance(dim, list | tuple) else dim


def _reduce(function: Callable[[np.ndarray, Any, bool], Any]) -> Callable[..., Exact]:
    def apply(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Exact:
        return Exact(function(_numbers(x), _axis(x, dim), keepdim))

    return apply


# ------------------------------------------------------------------------------- the functions


def _log(x: mpf) -> mpf:
    return mpmath.log(x) if x > 0 else (mpf("-inf") if x == 0 else mpf("nan"))


def _div(x: mpf, y: mpf) -> mpf:
    if y == 0:  # as torch has it; mpmath raises
        return mpf("nan") if x == 0 or mpmath.isnan(x) else mpmath.sign(x) * mpf("inf")
    return x / y


def _pow(x: mpf, y: mpf) -> mpf:
    if x == 0:
        return mpf(1) if y == 0 else (mpf(0) if y > 0 else mpf("inf"))
    return mpmath.power(x, y)


def _softplus(x: mpf) -> mpf:
    return max(x, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(x)))


def _scaled_softplus(x: Any, beta: float = 1, threshold: float = 20) -> Exact:
    """log(1 + e^(beta x)) / beta; torch's switch to x beyond the threshold is an approximation."""
    return Exact(_each(_softplus)(_numbers(x) * mpf(beta)).array / mpf(beta))


def _logaddexp(a: mpf, b: mpf) -> mpf:
    least, most = min(a, b), max(a, b)
    return most if mpmath.isinf(least) else most + mpmath.log1p(mpmath.exp(least - most))


def _sum(x: np.ndarray, axis: Any, keepdim: bool) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdim)


def _mean(x: np.ndarray, axis: Any, keepdim: bool) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    return _sum(x, axis, keepdim) / int(np.prod([x.shape[a] for a in axes]))


def _var(x: Any, dim: Any = None, correction: int = 1, keepdim: bool = False, **_: Any) -> Exact:
    values, axis = _numbers(x), _axis(x, dim)
    squares = _sum((values - _mean(values, axis, True)) ** 2, axis, keepdim)
    return Exact(squares / (values.size // np.asarray(squares).size - correction))


def _max(x: np.ndarray, axis: Any, keepdim: bool) -> Any:
    return np.max(x, axis=axis, keepdims=keepdim)


def _min(x: np.ndarray, axis: Any, keepdim: bool) -> Any:
    return np.min(x, axis=axis, keepdims=keepdim)


def _logsumexp(x: np.ndarray, axis: Any, keepdim: bool) -> Any:
    # No maximum need be taken out: mpmath's exponents do not overflow.
    total = _sum(np.frompyfunc(mpmath.exp, 1, 1)(x), axis, keepdim)
    return np.frompyfunc(_log, 1, 1)(total)


def _log_softmax(x: Any, dim: int = -1, *_: Any, **__: Any) -> Exact:
    values = _numbers(x)
    return Exact(values - np.asarray(_logsumexp(values, dim, True), dtype=object))


def _softmax(x: Any, dim: int = -1, *_: Any, **__: Any) -> Exact:
    return Exact(np.frompyfunc(mpmath.exp, 1, 1)(_log_softmax(x, dim).array))


def _norm(
    x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, p: Any = None, **_: Any
) -> Exact:
    order = 2 if p in (None, "fro") and ord in (None, 2, "fro") else (ord if p is None else p)
    values = np.frompyfunc(abs, 1, 1)(_numbers(x))
    axis = _axis(x, dim)
    if order == float("inf"):
        return Exact(_max(values, axis, keepdim))
    power = mpf(order)
    total = _sum(np.frompyfunc(lambda v: _pow(v, power), 1, 1)(values), axis, keepdim)
    return Exact(np.frompyfunc(lambda v: _pow(v, 1 / power), 1, 1)(total))


def _normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any) -> Exact:
    norm = np.frompyfunc(lambda v: max(v, mpf(eps)), 1, 1)(_norm(x, p, dim, True).array)
    return Exact(_numbers(x) / norm)


def _cosine_similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Exact:
    product = _normalize(a, 2, dim, eps).array * _normalize(b, 2, dim, eps).array
    return Exact(_sum(product, dim, False))


def _gather(x: Any, dim: int, index: Any) -> Exact:
    return Exact(np.take_along_axis(_numbers(x), _plain(index), dim))


def _scatter(x: Any, dim: int, index: Any, src: Any = None, value: Any = None, **_: Any) -> Exact:
    out, where = _numbers(x).copy(), _plain(index)
    given = _numbers(src if value is None else value)
    corner = given[tuple(map(slice, where.shape))] if given.ndim else given
    np.put_along_axis(out, where, np.broadcast_to(corner, where.shape), dim)
    return Exact(out)


def _where(condition: Any, a: Any, b: Any) -> Exact:
    return Exact(np.where(_plain(condition).astype(bool), _numbers(a), _numbers(b)))


def _cross_entropy(x: Any, target: Any, reduction: str = "mean", **options: Any) -> Exact:
    if any(v not in (None, -100, 0.0) for v in options.values()):
        raise Unsupported("cross_entropy with options")
    log_p = _log_softmax(x, 1)
    indices = isinstance(target, Tensor) and not target.is_floating_point()
    picked = (
        _gather(log_p, 1, target[:, None]).array[:, 0]
        if indices
        else _sum(_numbers(target) * log_p.array, 1, False)
    )
    return _reduced(-picked, reduction)


def _nll_loss(x: Any, target: Tensor, reduction: str = "mean", **_: Any) -> Exact:
    return _reduced(-_gather(x, 1, target[:, None]).array[:, 0], reduction)


def _bce_with_logits(x: Any, target: Any, reduction: str = "mean", **_: Any) -> Exact:
    s, y = _numbers(x), _numbers(target)
    return _reduced(np.frompyfunc(_softplus, 1, 1)(s) - s * y, reduction)


def _reduced(values: np.ndarray, reduction: str) -> Exact:
    if reduction == "none":
        return Exact(values)
    total = np.sum(values)
    return Exact(total / values.size if reduction == "mean" else total)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Exact:
    out = Exact(_numbers(x))
    if min is not None:
        out = TABLE["maximum"](out, min)
    return out if max is None else TABLE["minimum"](out, max)


def _sort(x: Any, dim: int = -1, descending: bool = False, **_: Any) -> Any:
    order = np.argsort(_numbers(x), axis=dim, kind="stable")
    order = np.flip(order, axis=dim) if descending else order
    values = Exact(np.take_along_axis(_numbers(x), order, dim))
    return torch.return_types.sort((values, torch.from_numpy(order.copy())))  # type: ignore[arg-type]


def _topk(x: Any, k: int, dim: int = -1, largest: bool = True, **_: Any) -> Any:
    values, order = _sort(x, dim, largest)
    first = np.arange(k)
    taken = np.take(order.numpy(), first, axis=dim)
    found = (Exact(np.take(values.array, first, axis=dim)), torch.from_numpy(taken))
    return torch.return_types.topk(found)  # type: ignore[arg-type]


def _extreme(best: Any, arg: Any, pair: str) -> Callable[..., Any]:
    def apply(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, Exact | Tensor | float):  # torch.max(a, b)
            return TABLE[f"{pair}imum"](x, dim)
        if dim is None:
            return Exact(best(_numbers(x), tuple(range(_numbers(x).ndim)), False))
        where = np.asarray(arg(_numbers(x), axis=dim))
        where = np.expand_dims(where, dim) if keepdim else where
        values = Exact(best(_numbers(x), dim, keepdim))
        return getattr(torch.return_types, pair)((values, torch.from_numpy(where)))

    return apply


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Exact:
    shape = _numbers(x).shape
    end = end_dim % len(shape)
    return Exact(_numbers(x).reshape(*shape[:start_dim], -1, *shape[end + 1 :]))


def _shape_of(shape: Any) -> Any:
    return shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape


def _expand(x: Any, *shape: Any) -> Exact:
    wanted, have = list(_shape_of(shape)), _numbers(x).shape
    filled = [
        have[i - len(wanted) + len(have)] if size == -1 else size for i, size in enumerate(wanted)
    ]
    return Exact(np.broadcast_to(_numbers(x), filled))


def _squeeze(x: Any, dim: Any = None) -> Exact:
    return Exact(np.squeeze(_numbers(x), axis=dim))


def _same(x: Any, *_: Any, **__: Any) -> Exact:
    return Exact(_numbers(x))


def _filled(value: float) -> Callable[..., Exact]:
    return lambda x, *_, **__: Exact(_numbers(np.full(_numbers(x).shape, value)))


def _finite(x: Any) -> Tensor:
    return torch.from_numpy(np.vectorize(lambda v: bool(mpmath.isfinite(v)))(_numbers(x)))


def _join(join: Callable[..., Any]) -> Callable[..., Exact]:
    return lambda xs, dim=0: Exact(join([_numbers(x) for x in xs], axis=dim))


TABLE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, alpha=1: Exact(_numbers(a) + alpha * _numbers(b)),
    "sub": lambda a, b, alpha=1: Exact(_numbers(a) - alpha * _numbers(b)),
    "mul": lambda a, b: Exact(_numbers(a) * _numbers(b)),
    "div": _each(_div),
    "matmul": lambda a, b: Exact(_numbers(a) @ _numbers(b)),
    "neg": lambda a: Exact(-_numbers(a)),
    "pow": _each(_pow),
    "square": lambda a: Exact(_numbers(a) ** 2),
    "sqrt": _each(mpmath.sqrt),
    "rsqrt": _each(lambda x: 1 / mpmath.sqrt(x)),
    "exp": _each(mpmath.exp),
    "log": _each(_log),
    "expm1": _each(mpmath.expm1),
    "log1p": _each(mpmath.log1p),
    "sin": _each(mpmath.sin),
    "cos": _each(mpmath.cos),
    "acos": _each(mpmath.acos),
    "tanh": _each(mpmath.tanh),
    "abs": _each(abs),
    "sign": _each(mpmath.sign),
    "relu": _each(lambda x: max(x, mpf(0))),
    "sigmoid": _each(lambda x: 1 / (1 + mpmath.exp(-x))),
    "log_sigmoid": _each(lambda x: -_softplus(-x)),
    "softplus": _scaled_softplus,
    "logaddexp": _each(_logaddexp),
    "xlogy": _each(lambda x, y: mpf(0) if x == 0 else x * _log(y)),
    "maximum": _each(max),
    "minimum": _each(min),
    "clamp": _clamp,
    "clamp_min": lambda x, min: _clamp(x, min),
    "clamp_max": lambda x, max: _clamp(x, None, max),
    "sum": _reduce(_sum),
    "mean": _reduce(_mean),
    "var": _var,
    "std": lambda *args, **options: _each(mpmath.sqrt)(_var(*args, **options)),
    "amax": _reduce(_max),
    "amin": _reduce(_min),
    "logsumexp": _reduce(_logsumexp),
    "max": _extreme(_max, np.argmax, "max"),
    "min": _extreme(_min, np.argmin, "min"),
    "cumsum": lambda x, dim: Exact(np.cumsum(_numbers(x), axis=dim)),
    "argmax": lambda x, dim=None, **_: torch.as_tensor(np.argmax(_numbers(x), axis=dim)),
    "argsort": lambda x, dim=-1, descending=False, **_: _sort(x, dim, descending)[1],
    "sort": _sort,
    "topk": _topk,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll_loss,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "norm": _norm,
    "linalg_vector_norm": _norm,
    "normalize": _normalize,
    "cosine_similarity": _cosine_similarity,
    "gather": _gather,
    "scatter": _scatter,
    "where": _where,
    "masked_fill": lambda x, mask, value: _where(mask, value, x),
    "getitem": lambda x, key: Exact(_numbers(x))[key],
    "unsqueeze": lambda x, dim: Exact(
        np.expand_dims(_numbers(x), dim if dim >= 0 else dim + _numbers(x).ndim + 1)
    ),
    "squeeze": _squeeze,
    "flatten": _flatten,
    "view": lambda x, *shape: Exact(_numbers(x).reshape(_shape_of(shape))),
    "reshape": lambda x, *shape: Exact(_numbers(x).reshape(_shape_of(shape))),
    "expand": _expand,
    "expand_as": lambda x, other: Exact(np.broadcast_to(_numbers(x), other.shape)),
    "transpose": lambda x, a, b: Exact(np.swapaxes(_numbers(x), a, b)),
    "t": lambda x: Exact(_numbers(x).T),
    "mm": lambda a, b: Exact(_numbers(a) @ _numbers(b)),
    "roll": lambda x, shifts, dims=None: Exact(np.roll(_numbers(x), shifts, dims)),
    "cat": _join(np.concatenate),
    "stack": _join(np.stack),
    "unbind": lambda x, dim=0: tuple(Exact(part) for part in np.moveaxis(_numbers(x), dim, 0)),
    "diagonal": lambda x: Exact(np.diagonal(_numbers(x))),
    "eq": _compare(lambda a, b: a == b),
    "ne": _compare(lambda a, b: a != b),
    "lt": _compare(lambda a, b: a < b),
    "le": _compare(lambda a, b: a <= b),
    "gt": _compare(lambda a, b: a > b),
    "ge": _compare(lambda a, b: a >= b),
    "isfinite": _finite,
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "new_tensor": lambda x, data, **_: Exact(_numbers(data)),
    "detach": _same,
    "clone": _same,
    "float": _same,
    "to": _same,
    "size": lambda x, dim=None: (
        torch.Size(_numbers(x).shape) if dim is None else _numbers(x).shape[dim]
    ),
    "dim": lambda x: _numbers(x).ndim,
}


def _operator(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
    if swapped:
        return lambda self, other: TABLE[name](other, self)
    return lambda self, other: TABLE[name](self, other)


ARITHMETIC = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "pow": "pow",
    "matmul": "matmul",
}
for _sign, _name in ARITHMETIC.items():
    setattr(Exact, f"__{_sign}__", _operator(_name))
    setattr(Exact, f"__r{_sign}__", _operator(_name, swapped=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Exact, f"__{_name}__", _operator(_name))
