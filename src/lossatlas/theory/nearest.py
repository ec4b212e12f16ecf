"""Is a loss new? Which known loss, at which hyperparameters, has the same gradients.

Losses are compared by their gradients at fixed inputs (see `fingerprint`), since a positive factor
and whatever does not depend on the logits change no minimiser. Agreement at all points of the
design to 1e-9, and far out at each scale to 1e-6, is strong evidence of an identity for its number
of classes on that range of scores, and no proof. What agrees on the design only is called so.
"""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.losses.kinds import KINDS
from lossatlas.theory.fingerprint import (
    CLASSES,
    FAR,
    SCALES,
    Fingerprint,
    Function,
    Incomparable,
    can_be_compared,
    far,
    fingerprint,
    kind_of,
    learns_beyond,
)
from lossatlas.theory.fit import (
    EXACT,
    Candidate,
    Fit,
    Setting,
    View,
    both_of,
    far_of,
    far_parts,
    fit,
    gradients_of,
    known_far,
    refine_gradients,
    values_of,
)
from lossatlas.threads import one_thread

TWIN = 0.99  # cosine of two gradient fields from which losses are called near twins
PAIRS = 200  # of losses whose sum looks like the proposal, tried to the last digit
BLOCK = 128  # rows of the products of all pairs at a time, so that they stay in the cache
ALMOST = 1e-3  # residual up to which a clamp or a small constant may be all that differs
FAR_EXACT = 1e-6  # residual at each scale far out up to which losses are equal there
Relation = Literal[
    "equal", "same values", "almost equal", "equal in part", "limit", "near twin", "different"
]
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
        relation: equal (gradients proportional to 1e-9, also far out), same values (but other
            gradients), almost equal (to 1e-3), equal in part (not far out), limit (of its gradients
            as a hyperparameter leaves its range), near twin (cosine of 0.99 or more), or different.
        limit: where the hyperparameter goes, such as "q -> 0"; empty unless a limit.
        residual: what is left of the proposal's weighed gradients, relative: the sine of the angle.
        value_residual: the same of the values, after a scale and an offset for each label.
        cosine: cosine of the angle between the two weighed gradient fields.
        scale: the proposal's gradient is about `scale` times the known loss's.
        offset: mean of the proposal's values less `scale` times the known loss's; 0 if that is no
            more than rounding of the values.
        differs_by: what that difference depends on: nothing (a constant), the label, or the logits.
        scales: standard deviations of scores between which the relation was seen to hold.
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
    scales: tuple[float, float] = (SCALES[0], SCALES[-1])

    @property
    def formula(self) -> str:
        """`2 * gce(q=1) + 0.5`; scale and offset only where they say something."""
        known = written(self.loss, self.setting)
        if self.relation not in ("equal", "same values", "almost equal", "equal in part"):
            return known
        return term(self.scale, known) + (
            _constant(self.offset) if self.differs_by == "constant" else ""
        )


class Combination(NamedTuple):
    """Two known losses whose weighted sum has the proposal's gradients.

    One of the weights may be negative. `settings` holds what is not at its default.
    """

    losses: tuple[str, ...]
    settings: tuple[dict[str, float], ...]
    weights: tuple[float, ...]
    residual: float
    scales: tuple[float, float]

    @property
    def formula(self) -> str:
        """`0.1 * cross_entropy + 2 * mae`, or `cross_entropy - 2 * mae`."""
        known = map(written, self.losses, self.settings)
        terms = sorted(zip(self.weights, known, strict=True), key=lambda term: term[0] < 0)
        signs = ["", *(" - " if weight < 0 else " + " for weight, _ in terms[1:])]
        parts = [term(abs(weight), loss) for weight, loss in terms]
        return "".join(sign + term for sign, term in zip(signs, parts, strict=True))


class Answer(NamedTuple):
    """The verdict in a sentence, all matches (best first), and what could not be compared."""

    name: str
    verdict: str
    matches: list[Match]
    combination: Combination | None
    left_out: dict[str, str]


@one_thread()
def nearest(text: str) -> Answer:
    """Compare a loss with every known one.

    Args:
        text: id or expression of a loss, or a Python file that defines `loss(logits, target)`:
            values (N,) at float64 logits (N, 10) and int64 class indices (N,).

    Raises:
        UserError: there is no such loss or file, or it cannot be compared.
    """
    subject = proposal(text)
    try:
        mine = fingerprint(subject.function, subject.target, subject.views)
        again = fingerprint(subject.function, subject.target, subject.views)
        far_out = far(subject.function, subject.target, subject.views)
    except Incomparable as error:
        raise UserError(f"{text}: the loss {error}") from None
    if not (mine.gradients == again.gradients).all():
        raise UserError(f"{text}: the loss gives other gradients when it is called again")
    return compare(subject, mine, far_out)


def proposal(text: str) -> Proposal:
    """The loss that `text` names, or that the file at `text` defines.

    Raises:
        UserError: there is no such loss or file, or the file defines no loss.
    """
    if not text.strip():
        raise UserError("name the loss to compare: an id, an expression or a Python file")
    known = text in registry.index()
    if not known and (text.endswith(".py") or Path(text).exists()):
        return Proposal(text, _from_file(Path(text)), "class_index")
    loss = ready(text, CLASSES)
    if not loss.kind.on_embeddings and (beyond := learns_beyond(loss.requires)) is not None:
        raise UserError(
            f"{text}: the loss learns from {beyond}, too, so that its slope in the logits does not "
            "say what it equals"
        )
    return Proposal(text, loss, loss.target, getattr(loss, "views", 2))


def compare(subject: Proposal, mine: Fingerprint, far_out: list[Fingerprint]) -> Answer:
    """Fit every registered loss but the proposal itself; see `Answer`.

    A loss that fails is left out, with what it says.

    Raises:
        UserError: there is no other loss of its kind to compare with.
    """
    matches: list[Match] = []
    values: dict[str, Match] = {}
    candidates: list[Candidate] = []
    left_out: dict[str, str] = {}
    asked = _Asked(mine, far_out)
    kind = kind_of(subject.target)
    for name in registry.index():
        if name == subject.name:
            continue
        try:
            candidate = _candidate(name, kind, mine)
            if candidate is None:
                continue
            match, by_values = asked.match(candidate), asked.by_values(candidate)
            candidate.keep()
        except (UserError, Incomparable) as error:
            left_out[name] = str(error)
            continue
        except (Exception, SystemExit) as error:
            left_out[name] = f"raises {type(error).__name__}: {error}"
            continue
        candidates.append(candidate)
        matches.append(match)
        if by_values:
            values[name] = by_values
    if not matches:
        raise UserError(f"{subject.name}: there is no other loss of {kind} to compare with")
    if not any(match.relation == "equal" for match in matches):
        matches = [values.get(match.loss, match) for match in matches]
    matches.sort(key=_rank)
    plain = matches[0].relation == "equal" and not matches[0].setting
    sums = None if plain else asked.combination(candidates)
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
    missing = [
        f"not compared: {name} {' '.join(reason.split())}"
        for name, reason in answer.left_out.items()
    ]
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
    cls = registry.get_class(name)
    if kind_of(cls.target) != kind or not can_be_compared(cls):
        return None
    candidate = Candidate(name)
    if candidate.default.gradients.shape != mine.gradients.shape:
        raise Incomparable("takes another number of views")
    return candidate


class _Asked:
    """The proposal's numbers, and how a known loss compares with them."""

    def __init__(self, mine: Fingerprint, far_out: list[Fingerprint]):
        self.mine, self.far_out = mine, far_out
        self.view, self.gradients, self.values = both_of(mine), gradients_of(mine), values_of(mine)
        self.finite = [
            np.isfinite(one.gradients).all(1)
            & (np.isfinite(one.values) if len(one.values) > 1 else np.isfinite(one.values).all())
            for one in far_out
        ]

    def match(self, candidate: Candidate) -> Match:
        """How the loss compares at its best setting."""
        found = refine_gradients(candidate, self.gradients, fit(candidate, self.view))
        match = self._match(candidate, found)
        if match.relation != "equal" or self._reaches_all(match):
            return match
        # Equal on the design only: what makes them equal far out, such as a larger margin?
        try:
            there = fit(Candidate(candidate.name, known_far), far_of(self.far_out))
        except Incomparable:
            return match._replace(relation="equal in part")
        other = self._match(candidate, there) if there.residual <= FAR_EXACT else match
        if other.relation == "equal" and self._reaches_all(other):
            return other
        return match._replace(relation="equal in part")

    def by_values(self, candidate: Candidate) -> Match | None:
        """The setting at which the values are the same up to a factor and a term of the label."""
        found = fit(candidate, self.values, thorough=False)
        if found.residual > EXACT:
            return None
        match = self._match(candidate, found, by_values=True)
        return match._replace(relation="same values") if self._reaches_all(match) else None

    def combination(self, candidates: list[Candidate]) -> Combination | None:
        """Two known losses whose sum or difference is the proposal, if there are any.

        At their defaults and at each step of each ladder. Least squares over all pairs by their
        Gram matrix; pairs that look exact are solved again from the vectors, since a Gram matrix
        has but half the digits. The simplest are tried first.
        """
        view = self.gradients
        pool = [
            (candidate.name, setting, found)
            for candidate in sorted(candidates, key=lambda one: len(one.ranges))
            for setting, found in candidate.seen()
        ]
        pool.sort(key=lambda one: len(one[1]))
        vectors = np.array([view.of(found) for _, _, found in pool])
        lengths = np.linalg.norm(vectors, axis=1)
        # A third of the points finds the pairs, all judge them: the products are the work here.
        points, width = self.mine.gradients.shape
        some = np.random.default_rng(0).permutation(points)[: -(-points // 3)]
        few = vectors.reshape(-1, points, width)[:, some].reshape(len(vectors), -1)
        asked = view.target.reshape(points, width)[some].ravel()
        few /= np.maximum(np.linalg.norm(few, axis=1), 1e-300)[:, None]
        along = few @ asked / (np.linalg.norm(asked) or 1.0)
        alike = lengths == 0
        for one in np.flatnonzero(np.abs(along) > 1 - 1e-9):  # the proposal by itself is no sum
            x = vectors[one] / lengths[one]
            alike[one] = np.linalg.norm(view.target - (view.target @ x) * x) <= EXACT
        close: list[list[int]] = []
        for top in range(0, len(few), BLOCK):
            here, after = along[top : top + BLOCK, None], along[top:]
            gram = few[top : top + BLOCK] @ few[top:].T
            # Of losses that differ by a factor the first speaks for all.
            alike[top:] |= np.triu(np.abs(gram) > 1 - 1e-12, 1).any(0)
            rest = np.maximum(1 - gram**2, 1e-9)
            explained = (here**2 + after**2 - 2 * gram * here * after) / rest
            close += (top + np.argwhere(np.triu(explained > 1 - 1e-6, 1))).tolist()
        close = [pair for pair in close if not alike[pair].any()]
        simplest = sorted(close, key=lambda pair: sum(len(pool[at][1]) for at in pair))
        for i, j in simplest[:PAIRS]:
            columns = vectors[[i, j]].T
            weights = np.linalg.lstsq(columns, view.target, rcond=None)[0]
            if weights.max() <= 0 or not weights.all():
                continue
            # The plain numbers that the weights are, if they are as close.
            scaled = [snapped(w * view.length, 1e-8) for w in weights.tolist()]
            left = view.target - columns @ np.array(scaled) / view.length
            residual = float(np.linalg.norm(left))
            terms = [(w, *pool[at][:2]) for w, at in zip(scaled, (i, j), strict=True)]
            scales = self._scales(terms) if residual <= EXACT else None
            if scales and self._all(scales):
                names, at = (pool[i][0], pool[j][0]), (pool[i][1], pool[j][1])
                return Combination(names, at, tuple(scaled), residual, scales)
        return None

    def _match(self, candidate: Candidate, found: Fit, by_values: bool = False) -> Match:
        theirs = candidate.at(found.last)
        assert theirs is not None
        view = self.values if by_values else self.gradients
        cosine, residual = self.gradients.cosine(theirs), self.gradients.residual(theirs)
        relation = _relation(found, residual, cosine)
        scale = (
            _snapped_to(view, theirs) if by_values or relation == "equal" else view.scale(theirs)
        )
        scales = None
        if by_values or relation not in ("near twin", "different"):
            scales = self._scales([(scale, candidate.name, found.last)], by_values)
        rest = self.mine.values - scale * theirs.values
        size = float(np.abs(self.mine.values).max())
        tolerance = 1e-8 * size
        centre = _means(self.mine._replace(values=rest))
        differs: Literal["constant", "label", "logits"] = (
            "constant" if np.ptp(rest) <= tolerance
            else "label" if np.abs(rest - centre[self.mine.labels]).max() <= tolerance
            else "logits"
        )  # fmt: skip
        offset = float(rest.mean())
        return Match(
            candidate.name, dict(found.setting), relation, found.limit, residual,
            self.values.residual(theirs), cosine, scale,
            offset if abs(offset) > 1e-9 * size else 0.0, differs,
            scales or (SCALES[0], SCALES[-1]),
        )  # fmt: skip

    def _scales(
        self, terms: Sequence[tuple[float, str, Setting]], by_values: bool = False
    ) -> tuple[float, float] | None:
        """The scales around the design's between which a sum of known losses is the proposal.

        Up to where the proposal is finite; None where a known loss cannot be evaluated.
        """
        try:
            known = [(w, far_parts(known_far(name, setting))) for w, name, setting in terms]
        except (UserError, Incomparable):
            return None
        holds: dict[float, bool] = {}
        for i, scale in enumerate(FAR):
            theirs = [(w, parts[i]) for w, parts in known]
            if self.finite[i].any():
                holds[scale] = self._apart(i, theirs, by_values) <= FAR_EXACT
        below = [s for s in FAR if s < SCALES[0] and holds.get(s)]
        above = itertools.takewhile(holds.get, (s for s in FAR if s > SCALES[-1]))
        return min([*below, SCALES[0]]), max([SCALES[-1], *above])

    def _apart(self, i: int, theirs: list[tuple[float, Fingerprint]], by_values: bool) -> float:
        """Relative distance to a sum of losses at the i-th scale far out, where both are finite."""
        mine, rows = self.far_out[i], self.finite[i]
        if by_values:
            inside = np.isfinite(mine.values)
            gap = np.where(inside, mine.values, 0.0) - sum(w * one.values for w, one in theirs)
            gap, own = gap[inside], np.abs(mine.values[inside])
            centre = _means(mine._replace(values=gap, labels=mine.labels[inside]))
            return float(np.abs(gap - centre[mine.labels[inside]]).max() / (own.max() or 1.0))
        view = gradients_of(mine._replace(gradients=mine.gradients[rows]))
        whole = mine._replace(gradients=sum(w * one.gradients for w, one in theirs)[rows])  # type: ignore[index]
        return float(np.linalg.norm(view.target - view.of(whole) / (view.length or 1.0)))

    def _reaches_all(self, match: Match) -> bool:
        return self._all(match.scales)

    def _all(self, scales: tuple[float, float]) -> bool:
        """Whether scales go as far as the proposal is finite."""
        looked = [s for s, rows in zip(FAR, self.finite, strict=True) if rows.any()]
        return all(scales[0] <= s <= scales[1] for s in looked)


def _means(found: Fingerprint) -> np.ndarray:
    """Mean value of each label."""
    counts = np.maximum(np.bincount(found.labels), 1)
    return np.bincount(found.labels, found.values) / counts


def _snapped_to(view: View, theirs: Fingerprint) -> float:
    """The scale, as the simple number that it is, if that fits as well."""
    found = view.scale(theirs)
    simple = snapped(found, EXACT)
    x = view.of(theirs)
    residual = float(np.linalg.norm(view.target - simple / view.length * x))
    return simple if residual <= EXACT else found


def snapped(x: float, within: float) -> float:
    """The fraction of small numbers, or the short decimal, that x is close to; else x."""
    simple = (
        *(float(Fraction(x).limit_denominator(d)) for d in (1, 10, 100)),
        *(float(f"{x:.{digits}g}") for digits in range(1, 7)),
    )
    return next((s for s in simple if s and abs(s - x) <= within * abs(x)), x)


def _relation(found: Fit, residual: float, cosine: float) -> Relation:
    if found.limit:
        return "limit"
    if residual <= EXACT:
        return "equal"
    if residual <= ALMOST:
        return "almost equal"
    return "near twin" if cosine >= TWIN else "different"


def _rank(match: Match) -> tuple[int, int, float, int]:
    """Best first: where several hold exactly the simplest, else the closest.

    Each fitted hyperparameter has to be worth a tenth of the residual; residuals of rounding,
    which differ between processors, are worth nothing. Of equals the one with the shortest numbers.
    """
    fitted = len(match.setting)
    exactly = match.relation in ("equal", "same values", "limit")
    return (
        ORDER.index(match.relation),
        fitted * exactly,
        max(match.residual, EXACT) * (1 + 0.1 * fitted),
        sum(len(f"{x:.10g}") for x in match.setting.values()),
    )


# ------------------------------------------------------------------------------- the wording


def _verdict(subject: Proposal, best: Match, sums: Combination | None) -> str:
    name = subject.name
    # Of a distribution or a set, only single labels were looked at.
    targets = (subject.target, registry.get_class(best.loss).target)
    where = " at single labels" if any(KINDS[target].several for target in targets) else ""
    closeness = f"cosine {best.cosine:.3f}, residual {best.residual:.1e}"
    near = _range(best.scales)
    of = "" if kind_of(subject.target) == "embeddings" else f"for {CLASSES} classes "
    if best.relation == "equal":
        terms = DIFFERENCE[best.differs_by]
        also = f", and {sums.formula}" if sums else ""
        return (
            f"{name} equals {best.formula}{also}{terms}{where} (to {best.residual:.0e}, {of}{near})"
            ": not new"
        )
    part = f"{best.formula} does {near} only" if best.relation == "equal in part" else ""
    if sums is not None:
        kind = "difference" if min(sums.weights) < 0 else "sum"
        exactly = f"(to {sums.residual:.0e}, {of}{_range(sums.scales)})"
        if best.relation == "same values":
            return (
                f"{name} has the values of {best.formula}{where} and the gradients of "
                f"{sums.formula} {exactly}: a part of it is detached"
            )
        return (
            f"no single known loss equals {name}{where}, but {sums.formula} does {exactly}: a "
            f"{kind} of known losses{'; ' if part else ''}{part}"
        )
    if best.relation == "same values":
        return (
            f"{name} has the values of {best.formula}{where}, but other gradients ({closeness}): "
            "a part of it is detached"
        )
    if best.relation == "almost equal":
        return (
            f"no known loss equals {name}{where} to the last digit: {best.formula} comes within "
            f"{best.residual:.0e}, {of}{near}; rounding, a clamp, a small constant or a limit may "
            "be all that differs"
        )
    if best.relation == "equal in part":
        return f"no known loss equals {name}{where}: {part}, of {FAR[0]:g} to {FAR[-1]:g}"
    if best.relation == "limit":
        return (
            f"no known loss equals {name}{where}, but it is the limit of {best.formula} as "
            f"{best.limit} (to {best.residual:.0e} on the way)"
        )
    if best.relation == "near twin":
        return f"{name} is a near twin of {best.formula}{where}: {closeness}"
    return f"no known loss fits {name}{where}: the closest is {best.formula}, {closeness}"


def _range(scales: tuple[float, float]) -> str:
    return f"at scores of standard deviation {scales[0]:g} to {scales[1]:g}"


def written(loss: str, setting: Setting) -> str:
    inside = ", ".join(f"{key}={value:.10g}" for key, value in setting.items())
    return f"{loss}({inside})" if inside else loss


def term(weight: float, loss: str) -> str:
    return loss if weight == 1 else f"{_number(weight)} * {loss}"


def _number(x: float) -> str:
    """Exactly where ten digits or a small fraction say it, such as 0.1 or 2/3."""
    fraction = Fraction(x).limit_denominator(100)
    if float(f"{x:.6g}") != x and float(fraction) == x:
        return str(fraction)
    return f"{x:.10g}"


def _constant(offset: float) -> str:
    if not offset:
        return ""
    return f" {'+' if offset > 0 else '-'} {abs(offset):.10g}"
