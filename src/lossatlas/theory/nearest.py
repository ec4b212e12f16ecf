"""Is a loss new? Which known loss, at which hyperparameters, has the same gradients.

Losses are compared by their gradients at fixed inputs (see `fingerprint`), since a positive factor
and whatever does not depend on the logits change no minimiser. Agreement at all points of the
design to 1e-9 is strong evidence of an identity for its number of classes, and no proof.
"""

import itertools
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch

from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.theory.fingerprint import (
    CLASSES,
    Fingerprint,
    Function,
    Incomparable,
    fingerprint,
    kind_of,
)
from lossatlas.theory.fit import (
    EXACT,
    Candidate,
    Fit,
    View,
    both_of,
    centred,
    fit,
    gradients_of,
    values_of,
)

TWIN = 0.99  # cosine of two gradient fields from which losses are called near twins
ALMOST = 1e-3  # residual up to which a clamp or a small constant may be all that differs
Relation = Literal["equal", "same values", "almost equal", "limit", "near twin", "different"]
DIFFERENCE = {
    "constant": "",
    "label": ", up to a constant for each label",
    "logits": " in its gradients, not in its values",
}
ORDER: tuple[Relation, ...] = get_args(Relation)


class Proposal(NamedTuple):
    """The loss asked about, and the type of its target."""

    name: str
    function: Function
    target: str
    views: int = 2


class Match(NamedTuple):
    """How a known loss relates to the proposal.

    Attributes:
        loss: its id.
        setting: its fitted hyperparameters; the others are at their defaults.
        relation: equal (gradients proportional to 1e-9), same values (but other gradients), almost
            equal (to 1e-3), limit (of its gradients as a hyperparameter leaves its range), near
            twin (cosine of 0.99 or more), or different.
        limit: where the hyperparameter goes, such as "q -> 0"; empty unless a limit.
        residual: what is left of the proposal's weighed gradients, relative: the sine of the angle.
        value_residual: the same of the values, after a scale and an offset for each label.
        cosine: cosine of the angle between the two weighed gradient fields.
        scale: the proposal's gradient is about `scale` times the known loss's.
        offset: mean of the proposal's values less `scale` times the known loss's.
        differs_by: what that difference depends on: nothing (a constant), the label, or the logits.
    """

    loss: str
    setting: dict[str, float]
    relation: Relation
    limit: str
    residual: float
    value_residual: float
    cosine: float
    scale: float
    offset: float
    differs_by: Literal["constant", "label", "logits"]

    @property
    def formula(self) -> str:
        """`2 * gce(q=1) + 0.5`; scale and offset only where they say something."""
        inside = ", ".join(f"{key}={value:.10g}" for key, value in self.setting.items())
        known = f"{self.loss}({inside})" if inside else self.loss
        if self.relation not in ("equal", "same values", "almost equal"):
            return known
        return _term(self.scale, known) + (
            _constant(self.offset) if self.differs_by == "constant" else ""
        )


class Combination(NamedTuple):
    """Two known losses at their defaults whose weighted sum has the proposal's gradients."""

    losses: tuple[str, ...]
    weights: tuple[float, ...]
    residual: float

    @property
    def formula(self) -> str:
        """`0.1 * cross_entropy + 2 * mae`."""
        return " + ".join(map(_term, self.weights, self.losses))


class Answer(NamedTuple):
    """The verdict in a sentence, all matches (best first), and what could not be compared."""

    name: str
    verdict: str
    matches: list[Match]
    combination: Combination | None
    left_out: dict[str, str]


def nearest(text: str) -> Answer:
    """Compare a loss with every known one.

    Args:
        text: id or expression of a loss, or a Python file that defines `loss(logits, target)`:
            values (N,) at float64 logits (N, 10) and int64 class indices (N,).

    Raises:
        UserError: there is no such loss or file, or it cannot be compared.
    """
    torch.set_num_threads(1)
    subject = proposal(text)
    try:
        mine = fingerprint(subject.function, subject.target, subject.views)
        again = fingerprint(subject.function, subject.target, subject.views)
    except Incomparable as error:
        raise UserError(f"{text}: the loss {error}") from None
    if not (mine.gradients == again.gradients).all():
        raise UserError(f"{text}: the loss gives other gradients when it is called again")
    return compare(subject, mine)


def proposal(text: str) -> Proposal:
    """The loss that `text` names, or that the file at `text` defines.

    Raises:
        UserError: there is no such loss or file, or the file defines no loss.
    """
    known = text in registry.index()
    if not known and (text.endswith(".py") or Path(text).exists()):
        return Proposal(text, _from_file(Path(text)), "class_index")
    loss = ready(text, CLASSES)
    return Proposal(text, loss, loss.target, getattr(loss, "views", 2))


def compare(subject: Proposal, mine: Fingerprint) -> Answer:
    """Fit every registered loss but the proposal itself; see `Answer`.

    Raises:
        UserError: there is no other loss of its kind to compare with.
    """
    matches: list[Match] = []
    values: dict[str, Match] = {}
    defaults: dict[str, Fingerprint] = {}
    sizes: dict[str, int] = {}
    left_out: dict[str, str] = {}
    view, value_view = both_of(mine), values_of(mine)
    kind = kind_of(subject.target)
    for name in registry.index():
        if name == subject.name:
            continue
        try:
            candidate = _candidate(name, kind, mine)
        except (UserError, Incomparable) as error:
            left_out[name] = str(error)
            continue
        if candidate is None:
            continue
        defaults[name], sizes[name] = candidate.default, len(candidate.ranges)
        matches.append(_match(candidate, mine, view, fit(candidate, view)))
        by_value = fit(candidate, value_view, thorough=False)
        if by_value.residual <= EXACT:
            same = _match(candidate, mine, value_view, by_value)
            values[name] = same._replace(relation="same values")
    if not matches:
        raise UserError(f"{subject.name}: there is no other loss of {kind} to compare with")
    if not any(match.relation == "equal" for match in matches):
        matches = [values.get(match.loss, match) for match in matches]
    matches.sort(key=_rank)
    plain = matches[0].relation == "equal" and not matches[0].setting
    # The simplest comes first, and speaks for others that are its multiples.
    simplest = dict(sorted(defaults.items(), key=lambda item: sizes[item[0]]))
    sums = None if plain else _combination(view, simplest)
    return Answer(subject.name, _verdict(subject, matches[0], sums), matches, sums, left_out)


def table(answer: Answer, k: int) -> str:
    """The verdict and the k closest losses as aligned text."""
    rows = [("", "loss", "relation", "residual", "cosine")]
    for rank, match in enumerate(answer.matches[:k], 1):
        words = f"limit, {match.limit}" if match.limit else match.relation
        rows.append(
            (str(rank), match.formula, words, f"{match.residual:.1e}", f"{match.cosine:.4f}")
        )
    lines = aligned(rows, right=(0, 3, 4))
    missing = [f"not compared: {name} {reason}" for name, reason in answer.left_out.items()]
    return "\n".join([answer.verdict, "", *lines, *missing])


def as_record(answer: Answer, k: int) -> dict[str, Any]:
    """The answer with its k closest losses as plain data for JSON."""
    return {
        "loss": answer.name,
        "verdict": answer.verdict,
        "matches": [{**m._asdict(), "formula": m.formula} for m in answer.matches[:k]],
        "combination": answer.combination
        and {**answer.combination._asdict(), "formula": answer.combination.formula},
        "compared_with": len(answer.matches),
        "left_out": answer.left_out,
    }


# ------------------------------------------------------------------------------- the proposal


def _from_file(path: Path) -> Function:
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a Python file")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if path.suffix != ".py":
        raise UserError(f"{path}: is not a Python file; its name must end in .py")
    module = registry.load_file("lossatlas_proposal", path)
    function = getattr(module, "loss", None)
    if not callable(function):
        raise UserError(f"{path}: defines no function loss(logits, target)")
    return function


# ------------------------------------------------------------------------------- the comparison


def _candidate(name: str, kind: str, mine: Fingerprint) -> Candidate | None:
    """The known loss, or None where it is of another kind than the proposal."""
    if kind_of(registry.get_class(name).target) != kind:
        return None
    candidate = Candidate(name)
    if candidate.default.gradients.shape != mine.gradients.shape:
        raise Incomparable("takes another number of views")
    return candidate


def _match(candidate: Candidate, mine: Fingerprint, view: View, found: Fit) -> Match:
    theirs = candidate.at(found.last)
    assert theirs is not None
    gradients, values = gradients_of(mine), values_of(mine)
    scale, cosine, residual = (
        view.scale(theirs),
        gradients.cosine(theirs),
        gradients.residual(theirs),
    )
    rest = mine.values - scale * theirs.values
    tolerance = 1e-8 * (1 + float(np.abs(mine.values).max()))
    differs: Literal["constant", "label", "logits"] = (
        "constant" if np.ptp(rest) <= tolerance
        else "label" if np.abs(centred(mine._replace(values=rest))).max() <= tolerance
        else "logits"
    )  # fmt: skip
    return Match(
        candidate.name, dict(found.setting), _relation(found, residual, cosine), found.limit,
        residual, values.residual(theirs), cosine, scale, float(rest.mean()), differs,
    )  # fmt: skip


def _relation(found: Fit, residual: float, cosine: float) -> Relation:
    if found.limit:
        return "limit"
    if residual <= EXACT:
        return "equal"
    if residual <= ALMOST:
        return "almost equal"
    return "near twin" if cosine >= TWIN else "different"


def _rank(match: Match) -> tuple[int, int, float]:
    """Best first: where several hold exactly the simplest, else the closest.

    Each fitted hyperparameter has to be worth a tenth of the residual.
    """
    fitted = len(match.setting)
    exactly = match.relation in ("equal", "same values", "limit")
    return ORDER.index(match.relation), fitted * exactly, match.residual * (1 + 0.1 * fitted)


def _combination(view: View, defaults: dict[str, Fingerprint]) -> Combination | None:
    """Two losses at their defaults whose positive combination is the proposal, if there are any.

    Least squares over all pairs by their Gram matrix; pairs that look exact are solved again from
    the vectors, since a Gram matrix has but half the digits.
    """
    vectors: dict[str, np.ndarray] = {}
    for name, found in defaults.items():
        x = view.of(found)
        length = float(np.linalg.norm(x))
        if not length:
            continue
        # Of losses that differ by a factor the first speaks for all.
        if all(abs(x @ y) / length < (1 - 1e-13) * np.linalg.norm(y) for y in vectors.values()):
            vectors[name] = x
    names = list(vectors)
    if len(names) < 2:
        return None
    units = np.array([x / np.linalg.norm(x) for x in vectors.values()])
    gram, along = units @ units.T, units @ view.target
    for i, j in itertools.combinations(range(len(names)), 2):
        explained = (along[i] ** 2 + along[j] ** 2 - 2 * gram[i, j] * along[i] * along[j]) / (
            1 - gram[i, j] ** 2
        )
        if explained < 1 - 1e-6:
            continue
        columns = np.stack([vectors[names[i]], vectors[names[j]]], 1)
        weights = np.linalg.lstsq(columns, view.target, rcond=None)[0]
        residual = float(np.linalg.norm(view.target - columns @ weights))
        if (weights > 0).all() and residual <= EXACT:
            scaled = view.length * weights
            return Combination((names[i], names[j]), tuple(scaled.tolist()), residual)
    return None


# ------------------------------------------------------------------------------- the wording


def _verdict(subject: Proposal, best: Match, sums: Combination | None) -> str:
    name = subject.name
    # Of a distribution or a set, only single labels were looked at.
    targets = {subject.target, registry.get_class(best.loss).target}
    where = " at single labels" if targets & {"distribution", "label_set"} else ""
    closeness = f"cosine {best.cosine:.3f}, residual {best.residual:.1e}"
    if best.relation == "equal":
        terms = DIFFERENCE[best.differs_by]
        also = f", and {sums.formula}" if sums else ""
        return f"{name} equals {best.formula}{also}{terms}{where} (to {best.residual:.0e}): not new"
    if sums is not None:
        return f"{name} equals {sums.formula} (to {sums.residual:.0e}): a sum of known losses"
    if best.relation == "same values":
        return (
            f"{name} has the values of {best.formula}{where}, but other gradients ({closeness}): "
            "a part of it is detached"
        )
    if best.relation == "almost equal":
        return (
            f"{name} equals {best.formula}{where} but for {best.residual:.0e}: rounding, a clamp "
            "or a small constant"
        )
    if best.relation == "limit":
        return f"{name} is the limit of {best.formula} as {best.limit}{where}: not new"
    if best.relation == "near twin":
        return f"{name} is a near twin of {best.formula}{where}: {closeness}"
    return f"no known loss fits {name}{where}: the closest is {best.formula}, {closeness}"


def _term(weight: float, loss: str) -> str:
    digits = f"{weight:.6g}"
    return loss if digits == "1" else f"{digits} * {loss}"


def _constant(offset: float) -> str:
    if abs(offset) <= 1e-9:
        return ""
    return f" {'+' if offset > 0 else '-'} {abs(offset):.6g}"
