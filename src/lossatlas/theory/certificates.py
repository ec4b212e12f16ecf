"""Convexity by disciplined convex programming (DCP): a certificate, and exact minima from it.

A card may hold the loss once more, as an expression in cvxpy's atoms: `proof: "dcp:
log_sum_exp(s) - s[y]"`. If cvxpy's rules derive that the expression is convex (Grant, Boyd & Ye,
2006), and its values are those of the code, the code is convex. cvxpy is an extra of this package.
"""

import ast
import importlib.util
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossatlas.errors import UserError
from lossatlas.theory import agreement
from lossatlas.theory.subject import Subject

PREFIX = "dcp:"
MISSING = "install the extra 'dcp' to prove it"
BOX = 50.0  # scores beyond it are not tried for minima
ATOMS = (
    "abs", "entr", "exp", "huber", "inv_pos", "kl_div", "log", "log_sum_exp", "logistic", "max",
    "maximum", "min", "minimum", "neg", "norm", "norm1", "norm2", "norm_inf", "pos", "power",
    "square", "sum", "sum_largest", "sum_squares",
)  # fmt: skip
GRAMMAR = (
    ast.Expression, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UnaryOp,
    ast.USub, ast.UAdd, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.Subscript,
)  # fmt: skip


class Certificate(NamedTuple):
    """What became of a DCP proof: the certificate's `text`, or a `note` on why there is none."""

    text: str | None
    note: str | None


def dcp(subject: Subject) -> Certificate | None:
    """The DCP certificate of convexity in the logits; None if the card names no such proof.

    Checked for 2 to 10 classes and each label: cvxpy's rules, and the identity of values at about
    100 points for each, of sizes up to 1e6 (see `agreement`).

    Raises:
        UserError: the card's expression is not made of cvxpy atoms and the names that are given.
    """
    return subject.memo("dcp", lambda: _certify(subject))


def minimum_risk(subject: Subject, q: Tensor, lead: int | None) -> tuple[float, Tensor] | None:
    """The least risk sum_k q_k l(s, k) over |s_i| <= 50, and scores (k,) that attain it.

    With `lead`, over the scores where s_lead >= s_j for all j. `q` (k,) are label probabilities.
    The value is the code's own at those scores, and equals the solver's optimum to 1e-6, relative.
    None if the loss has no DCP certificate, or the solver fails.
    """
    certificate = dcp(subject)
    if certificate is None or certificate.text is None:
        return None
    import cvxpy

    s, weights, problem = subject.memo(f"risk {lead}", lambda: _problem(subject, lead))
    weights.value = q.numpy()
    try:
        problem.solve(solver=cvxpy.CLARABEL)
    except cvxpy.error.SolverError:
        return None
    if problem.status != cvxpy.OPTIMAL:
        return None
    point = torch.tensor(s.value, dtype=torch.float64).clamp(-BOX, BOX)
    if lead is not None:
        point[lead] = point.max()
    value = subject.risk(point[None], q[None]).item()
    return (value, point) if abs(value - problem.value) <= 1e-6 * (1 + abs(value)) else None


def _certify(subject: Subject) -> Certificate | None:
    if not (subject.proof("convex_in_logits") or "").startswith(PREFIX):
        return None
    if importlib.util.find_spec("cvxpy") is None:
        return Certificate(None, MISSING)
    import cvxpy

    worst = 0.0
    for k in agreement.CLASSES:
        if fault := subject.fault(k):
            return Certificate(None, f"no proof: for {k} classes the code fails: {fault}")
        there = subject if k == subject.k else subject.at(k)
        logits = agreement.few(k)
        values = there.table(logits).detach()
        for y in range(k):
            s = cvxpy.Variable(k)
            expression = _expression(there, s, y)
            if not expression.is_scalar():
                return Certificate(None, "the card's expression is no scalar")
            if not expression.is_convex():
                return Certificate(None, "the card's expression is not convex by the rules of DCP")
            rows = [_value(expression, s, row) for row in logits.numpy()]
            formula = torch.tensor(rows, dtype=torch.float64)
            residual = agreement.apart(there, logits, values[:, y], formula)
            at = int(residual.argmax())
            if residual[at] > agreement.TOLERANCE:
                where = ", ".join(f"{x:.3g}" for x in logits[at].tolist())
                return Certificate(
                    None,
                    f"no proof: the card's expression is not the code: {residual[at]:.1g} off at "
                    f"s = ({where}), y = {y}",
                )
            worst = max(worst, residual[at].item())
    text = (
        f"DCP: {_source(subject)} is convex by cvxpy's rules; proved of this formula, with which "
        f"the code agrees to {worst:.1g} {agreement.LOOKED}"
    )
    return Certificate(text, None)


def _value(expression: Any, variable: Any, scores: Any) -> float:
    variable.value = scores
    with np.errstate(all="ignore"):
        return float(expression.value)


def _problem(subject: Subject, lead: int | None) -> tuple[Any, Any, Any]:
    import cvxpy

    s = cvxpy.Variable(subject.k)
    q = cvxpy.Parameter(subject.k, nonneg=True)
    risk = sum(q[y] * _expression(subject, s, y) for y in range(subject.k))
    constraints = [cvxpy.abs(s) <= BOX]
    if lead is not None:
        constraints.append(s <= s[lead])
    return s, q, cvxpy.Problem(cvxpy.Minimize(risk), constraints)


def _source(subject: Subject) -> str:
    return (subject.proof("convex_in_logits") or "").removeprefix(PREFIX).strip()


def _expression(subject: Subject, s: Any, y: int) -> Any:
    """The card's expression for label y in the variable s."""
    import cvxpy

    k, text = subject.k, _source(subject)
    names: dict[str, Any] = {name: getattr(cvxpy, name) for name in ATOMS}
    names |= subject.hyperparameters
    names |= {"s": s, "y": y, "K": k, "others": [j for j in range(k) if j != y]}
    if subject.class_counts:
        counts = np.array(subject.class_counts)
        names |= {"class_counts": counts, "log_prior": np.log(counts / counts.sum())}
    try:
        tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if not isinstance(node, GRAMMAR):
                raise ValueError(f"{type(node).__name__} is not allowed")
            if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
                raise ValueError(f"{node.value!r} is no number")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
                power = node.right.value if isinstance(node.right, ast.Constant) else None
                if not isinstance(power, int | float):
                    raise ValueError("an exponent must be a plain number")
                node.right = ast.copy_location(ast.Constant(float(power)), node.right)
        expression = eval(compile(tree, "<dcp>", "eval"), {"__builtins__": {}}, names)
    except Exception as error:
        raise UserError(
            f"card {subject.name}: field 'properties.convex_in_logits.proof': {text!r} cannot be "
            f"evaluated ({error}); legal names: {', '.join(sorted(names))}"
        ) from None
    return cvxpy.Expression.cast_to_const(expression)
