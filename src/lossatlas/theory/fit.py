"""Fits a known loss to a fingerprint: a positive scale, an offset and its hyperparameters.

The scale and the offset come in closed form. The hyperparameters are searched on ladders over
their whole ranges, ends included, one at a time and in pairs, and the best is refined by least
squares. At most two leave their defaults: a fit of more would say little about what a loss is.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from lossatlas.errors import UserError
from lossatlas.intervals import Interval
from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.theory import kept
from lossatlas.theory.fingerprint import (
    CLASSES,
    FAR,
    Fingerprint,
    Function,
    Incomparable,
    far,
    fingerprint,
)

EXACT = 1e-9  # relative residual up to which two fields are equal but for rounding
FLOOR = 0.1  # of the typical length: below it a gradient counts by its size, not relatively
VALUES = 0.1  # weight of values beside gradients
STEPS = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 10.0, 30.0, 100.0)
SMALL = range(11)  # whole numbers that are all tried
DECADES = (1, 2, 3, 4, 5)
NEAR_LIMIT = 1e-3
STARTS = 3  # of pairs refined: hinges have local minima
REFINED = 0.3  # residual from which losses may be equal at a setting nearby
HOPELESS = 0.6  # residual on the ladders, beyond which nothing is refined and no pair tried
GOES_ON = 0.1  # residual after a few steps from which a fit is made to the last digit
WORTH = 0.9  # a hyperparameter leaves its default only if that lowers the residual to this share

Setting = Mapping[str, float]


class View(NamedTuple):
    """What of a fingerprint is fitted.

    Attributes:
        target: the subject's vector, of unit length.
        length: its length before; zero if there is nothing to fit.
        of: makes a fingerprint such a vector.
    """

    target: np.ndarray
    length: float
    of: Callable[[Fingerprint], np.ndarray]

    def difference(self, found: Fingerprint | None) -> np.ndarray:
        """target - a x at the best a >= 0; the target itself where there is no fingerprint."""
        if found is None:
            return self.target
        x = self.of(found)
        return self.target - self._share(x) * x

    def residual(self, found: Fingerprint | None) -> float:
        """Length of the difference: the sine of the angle, or one beyond a right angle."""
        return float(np.linalg.norm(self.difference(found))) if self.length else 1.0

    def scale(self, found: Fingerprint) -> float:
        """The best a >= 0 for which the subject is about a times `found`."""
        return self.length * self._share(self.of(found))

    def cosine(self, found: Fingerprint) -> float:
        """Cosine of the angle between the two vectors."""
        x = self.of(found)
        length = float(np.linalg.norm(x))
        return min(1.0, float(self.target @ x) / length) if length else 0.0

    def _share(self, x: np.ndarray) -> float:
        square = float(x @ x)
        return max(float(self.target @ x), 0.0) / square if square else 0.0


class Fit(NamedTuple):
    """The best setting found (only what differs from the defaults) and its residual.

    `limit` says towards what a hyperparameter goes, as in "q -> 0"; `last` is then the last setting
    on the way there, at which the residual was taken, and else the setting itself.
    """

    setting: Setting
    residual: float
    limit: str
    last: Setting


def gradients_of(subject: Fingerprint) -> View:
    """Gradients, weighed so that each point counts alike.

    A point's gradient is divided by the subject's own length there, at least a tenth of the root
    mean square length: neither the far wrong side, where gradients are largest, nor the far right
    side, where they vanish, decides alone.
    """
    length = np.linalg.norm(subject.gradients, axis=1)
    typical = math.sqrt(float(np.mean(length**2))) if length.any() else 1.0
    weight = 1 / np.maximum(length, FLOOR * typical)

    def of(found: Fingerprint) -> np.ndarray:
        return (weight[:, None] * found.gradients).ravel()

    return _view(subject, of)


def values_of(subject: Fingerprint) -> View:
    """Values less their mean at each label: what depends on the label only is not learnt from."""
    return _view(subject, centred)


def both_of(subject: Fingerprint) -> View:
    """Gradients and, at a tenth of their weight, values: what losses are fitted to.

    The gradients of a hinge are steps in its margin, down which no method descends; its values are
    smooth. In turn values alone would let the largest of them decide.
    """
    gradients, values = gradients_of(subject), values_of(subject)

    def of(found: Fingerprint) -> np.ndarray:
        parts = [view.of(found) / (view.length or 1) for view in (gradients, values)]
        return np.concatenate([parts[0], VALUES * parts[1]])

    return _view(subject, of)


def centred(found: Fingerprint) -> np.ndarray:
    """Values (M,) less their mean at each label."""
    sums = np.bincount(found.labels, found.values)
    counts = np.maximum(np.bincount(found.labels), 1)
    return found.values - (sums / counts)[found.labels]


def _view(subject: Fingerprint, of: Callable[[Fingerprint], np.ndarray]) -> View:
    x = of(subject)
    length = float(np.linalg.norm(x))
    return View(x / length if length else x, length, of)


def far_of(subject: Sequence[Fingerprint]) -> View:
    """Gradients far out, each scale alike, at the points where the subject's are finite."""
    views = [gradients_of(_finite(one, one)) for one in subject]

    def of(found: Fingerprint) -> np.ndarray:
        parts = zip(views, far_parts(found), subject, strict=True)
        return np.concatenate(
            [view.of(_finite(theirs, mine)) / (view.length or 1) for view, theirs, mine in parts]
        )

    return _view(joined(subject), of)


def joined(parts: Sequence[Fingerprint]) -> Fingerprint:
    """What was measured at several scales as one fingerprint."""
    return Fingerprint(*map(np.concatenate, zip(*parts, strict=True)))


def far_parts(found: Fingerprint) -> list[Fingerprint]:
    """A `joined` fingerprint by its scales again."""
    columns = [np.split(column, len(FAR)) for column in found]
    return [Fingerprint(*part) for part in zip(*columns, strict=True)]


def _finite(found: Fingerprint, mine: Fingerprint) -> Fingerprint:
    """The gradients at the points where those of `mine` are finite."""
    return found._replace(gradients=found.gradients[np.isfinite(mine.gradients).all(1)])


def known(name: str, setting: Setting) -> Fingerprint:
    """The fingerprint of a registered loss; one that requires class counts gets a long tail.

    Raises:
        Incomparable: it has none.
        UserError: there is no such loss, or it refuses the setting.
    """
    return fingerprint(*_ready(name, setting))


def known_far(name: str, setting: Setting) -> Fingerprint:
    """The same far out, all scales joined; Incomparable also where it is not finite."""
    found = joined(far(*_ready(name, setting)))
    if not all(np.isfinite(column).all() for column in found):
        raise Incomparable("is not finite far out")
    return found


def _ready(name: str, setting: Setting) -> tuple[Function, str, int]:
    loss = ready(name, CLASSES, "none", **setting)
    loss.validate = False
    return loss, loss.target, getattr(loss, "views", 2)


class Hyperparameter(NamedTuple):
    """What a card says of a hyperparameter as far as it is fitted."""

    default: float
    range: Interval


class Candidate:
    """A registered loss at any setting of its hyperparameters; remembers its fingerprints.

    Those of the package's losses that every search asks for, on ladders, on grids of two and on the
    way to limits, are remembered from one process to the next, too (see `keep`).

    Raises:
        Incomparable: it has no fingerprint at its defaults.
        UserError: its files cannot be read.
    """

    def __init__(self, name: str, measure: Callable[[str, Setting], Fingerprint] = known):
        self.name, self._measure = name, measure
        self.at_any_length = measure is not known  # far out, once for what is equal on the design
        entry = registry.find(name)
        # A draft without a card has no ranges: it is compared at its defaults.
        ranges = registry.facts(entry).ranges if entry.card.is_file() else {}
        self.ranges = {
            key: Hyperparameter(default, Interval.parse(text))
            for key, (default, text) in ranges.items()
        }
        self.whole = {key for key in self.ranges if self._takes_whole_numbers(key)}
        self._seen = kept.read(entry) if measure is known else {}
        self._kept, self._lasting = set(self._seen), {(), *self._seen}
        self.default = self._seen.get(()) or measure(name, {})
        self._seen[()] = self.default
        ladders = {key: self._ladder(key) for key in self.ranges}
        self.ladders = {key: steps for key, steps in ladders.items() if self._matters(steps, key)}

    def keep(self) -> None:
        """Remember for other processes what was measured where every search asks."""
        if not self.at_any_length and self._lasting > self._kept:
            lasting = {key: one for key, one in self._seen.items() if key in self._lasting}
            kept.write(registry.find(self.name), lasting)

    def at(self, setting: Setting, lasting: bool = False) -> Fingerprint | None:
        """The fingerprint at a setting; None where the loss refuses or is not finite.

        Args:
            lasting: the setting is one that other searches ask for, too.
        """
        changed = {k: v for k, v in setting.items() if v != self.ranges[k].default}
        key = tuple(sorted(changed.items()))
        if lasting:
            self._lasting.add(key)
        if key not in self._seen:
            try:
                self._seen[key] = self._measure(self.name, changed)
            except (UserError, Incomparable):
                self._seen[key] = None
        return self._seen[key]

    def seen(self) -> list[tuple[dict[str, float], Fingerprint]]:
        """Its fingerprints at the defaults and at each step of each ladder."""
        steps = [(key, x) for key, ladder in self.ladders.items() for x in ladder]
        changes = [{}, *({key: x} for key, x in steps if x != self.ranges[key].default)]
        found = [(setting, self.at(setting)) for setting in changes]
        return [(setting, one) for setting, one in found if one is not None]

    def _takes_whole_numbers(self, key: str) -> bool:
        """Whether its range or the loss itself refuses what lies between whole numbers."""
        default, interval = self.ranges[key]
        if interval.whole:
            return True
        between = next((x for x in (default + 0.5, default - 0.5) if x in interval), None)
        if between is None or not float(default).is_integer():
            return False
        try:
            registry.get_loss(self.name, "none", **{key: between})
        except UserError:
            return True
        return False

    def _ladder(self, key: str) -> list[float]:
        default, interval = self.ranges[key]
        steps = ladder(interval, default)
        if key in self.whole:
            steps = sorted({float(round(x)) for x in steps} | {float(n) for n in SMALL})
        return [x for x in steps if self.at({key: x}, lasting=True) is not None]

    def _matters(self, steps: list[float], key: str) -> bool:
        """Whether a hyperparameter does more than scale the gradient."""
        view = gradients_of(self.default)
        return any(view.residual(self.at({key: x})) > EXACT for x in steps)


def ladder(interval: Interval, default: float) -> list[float]:
    """Values all over a range: closed ends, steps away from one, even steps where it is finite."""
    low, high = interval.low, interval.high
    found = {default}
    if math.isfinite(low):
        reach = _reach(interval, default)
        found |= {low} | {low + reach * step for step in STEPS}
    elif math.isfinite(high):
        found |= {high} | {high - _reach(interval, default) * step for step in STEPS}
    else:
        found |= {default + sign * step for step in STEPS for sign in (-1, 1)}
    if math.isfinite(low) and math.isfinite(high):
        found |= {low + (high - low) * share for share in (0.25, 0.5, 0.75, 0.9, 0.99, 0.999)}
        found |= {high}
    return sorted(x for x in found if x in interval)


def _reach(interval: Interval, default: float) -> float:
    """The hyperparameter's own scale: from the finite end of its range to the default."""
    end = interval.low if math.isfinite(interval.low) else interval.high
    return abs(default - end) or min(1.0, (interval.high - interval.low) / 2)


def fit(candidate: Candidate, view: View, thorough: bool = True) -> Fit:
    """The setting of `candidate` that is closest to the view's target.

    Args:
        thorough: also search pairs and limits; otherwise exact fits by one hyperparameter.
    """
    default = _fit_at(candidate, view, {})
    if default.residual <= EXACT:
        return default
    starts = [
        _best(_fit_at(candidate, view, {key: x}) for x in steps)
        for key, steps in candidate.ladders.items()
    ]
    near = HOPELESS if thorough else REFINED
    singles = [_refine(candidate, view, start, near) for start in starts]
    # A special case at an end of a range holds at all logits; one at a large margin, say, may hold
    # only as far as the design goes.
    at_ends = [one for one in starts if one.residual <= EXACT and not _inside(candidate, one)]
    single = _best(at_ends or singles or [default])
    if not single.residual < WORTH * default.residual:
        single = default
    if not thorough or single.residual <= EXACT or single.residual > HOPELESS:
        return _without_defaults(candidate, single)
    pair = _pair(candidate, view)
    best = pair if pair.residual < WORTH * single.residual else single
    return _without_defaults(candidate, _best([best, *_limits(candidate, view, pair)]))


def refine_gradients(candidate: Candidate, gradients: View, found: Fit) -> Fit:
    """The same fit made to the gradients alone, where that makes it exact: a part is detached."""
    if found.limit or gradients.residual(candidate.at(found.setting)) <= EXACT:
        return found
    start = _fit_at(candidate, gradients, found.setting)
    if start.residual > REFINED:
        return found
    best = _refine(candidate, gradients, start)
    return _without_defaults(candidate, best) if best.residual <= EXACT else found


def _without_defaults(candidate: Candidate, found: Fit) -> Fit:
    defaults = {key: h.default for key, h in candidate.ranges.items()}
    return found._replace(setting={k: v for k, v in found.setting.items() if v != defaults[k]})


def _best(fits: Iterable[Fit]) -> Fit:
    return min(fits, key=lambda one: one.residual)


def _fit_at(candidate: Candidate, view: View, setting: Setting, lasting: bool = False) -> Fit:
    return Fit(setting, view.residual(candidate.at(setting, lasting)), "", setting)


def _pair(candidate: Candidate, view: View) -> Fit:
    """The best of two hyperparameters together: a grid, its best points refined."""
    fits = [_fit_at(candidate, view, {})]
    for one, other in itertools.combinations(candidate.ladders, 2):
        grid = itertools.product(
            _thinned(candidate.ladders[one]), _thinned(candidate.ladders[other])
        )
        fits += [_fit_at(candidate, view, {one: x, other: y}, lasting=True) for x, y in grid]
    fits.sort(key=lambda one: one.residual)
    return _best(_refine(candidate, view, start) for start in fits[:STARTS])


def _thinned(steps: list[float]) -> list[float]:
    """Every third step, both ends included."""
    return sorted({*steps[::3], steps[-1]})


def _refine(candidate: Candidate, view: View, start: Fit, near: float = HOPELESS) -> Fit:
    """Least squares within the ladder, steps of whole numbers; what is at an end stays there."""
    if start.residual > near and not candidate.at_any_length:
        return start
    start = _stepped(candidate, view, start)
    free = {k: x for k, x in _inside(candidate, start).items() if k not in candidate.whole}
    if not free:
        return start
    low, high = zip(
        *((candidate.ladders[k][0], candidate.ladders[k][-1]) for k in free), strict=True
    )
    begin = list(np.clip(list(free.values()), low, high))

    def setting(x: np.ndarray) -> dict[str, float]:
        return {**start.setting, **dict(zip(free, x.tolist(), strict=True))}

    def descend(x: np.ndarray, exactly: bool) -> np.ndarray:
        found = least_squares(
            lambda x: view.difference(candidate.at(setting(x))), x, bounds=(low, high),
            x_scale=[max(abs(v), 1e-3) for v in begin], xtol=1e-12 if exactly else 1e-4,
            ftol=1e-8 if exactly else 1e-3, gtol=1e-15, max_nfev=25 if exactly else 8,
        ).x  # fmt: skip
        return np.clip(found, low, high)

    # Most fits stay far from exact, and a few steps say where; the others are made to the end.
    x = np.array(begin)
    hurried = None if candidate.at_any_length else descend(x, exactly=False)
    if hurried is None or view.residual(candidate.at(setting(hurried))) <= GOES_ON:
        x = descend(x, exactly=True)
    else:
        x = hurried
    return _rounded(candidate, view, _best([start, _fit_at(candidate, view, setting(x))]))


def _stepped(candidate: Candidate, view: View, start: Fit) -> Fit:
    """The best near `start` in the hyperparameters that take whole numbers only.

    The ladder skips most of them: steps of half the way to its neighbours, then half of that.
    """
    best = start
    for key in (k for k in start.setting if k in candidate.ladders and k in candidate.whole):
        steps = [x for x in candidate.ladders[key] if x != start.setting[key]]
        step = max((abs(x - start.setting[key]) for x in _around(steps, start.setting[key])),
                   default=0.0) // 2  # fmt: skip
        while step >= 1:
            ways = ({**best.setting, key: best.setting[key] + s} for s in (-step, step))
            better = _best([best, *(_fit_at(candidate, view, way) for way in ways)])
            if better is best:
                step //= 2
            best = better
    return best


def _around(steps: list[float], x: float) -> list[float]:
    """The neighbours of x among sorted steps."""
    below, above = [s for s in steps if s < x], [s for s in steps if s > x]
    return below[-1:] + above[:1]


def _inside(candidate: Candidate, found: Fit) -> dict[str, float]:
    """The part of a setting that is at no end of its range."""
    return {key: x for key, x in found.setting.items() if x not in candidate.ranges[key].range[:2]}


def _rounded(candidate: Candidate, view: View, found: Fit) -> Fit:
    """The same fit with as few digits as do not matter: what is printed is what was measured."""
    for digits in range(2, 12):
        for shorten in (lambda v, d: round(v, d), lambda v, d: float(f"{v:.{d}g}")):
            setting = {k: shorten(v, digits) for k, v in found.setting.items()}
            if all(v in candidate.ranges[k].range for k, v in setting.items()):
                shorter = _fit_at(candidate, view, setting)
                if shorter.residual <= max(EXACT, 1.001 * found.residual):
                    return shorter
    return found


def _limits(candidate: Candidate, view: View, pair: Fit) -> list[Fit]:
    """Ends outside the range that are approached: the residual falls to zero, decade by decade."""
    found = []
    for key in candidate.ladders:
        default, interval = candidate.ranges[key]
        others = {k: v for k, v in pair.setting.items() if k != key}
        for end, ways in _open_ends(interval, default).items():
            for rest in ({}, others) if others else ({},):
                steps = [{**rest, key: x} for x in ways if x in interval]
                last: list[float] = []  # the residuals of the last three, from the last backwards
                for step in steps[:-4:-1] if len(steps) > 2 else ():
                    residual = view.residual(candidate.at(step, lasting=not rest))
                    if not (residual > 2 * last[-1] if last else residual < NEAR_LIMIT):
                        break
                    last.append(residual)
                if len(last) == 3:
                    found.append(Fit(rest, last[0], f"{key} -> {end:g}", steps[-1]))
    return found


def _open_ends(interval: Interval, default: float) -> dict[float, list[float]]:
    """Each end that a hyperparameter cannot take, with five values on the way, ten times nearer."""
    low, high = interval.low, interval.high
    reach = _reach(interval, default) if math.isfinite(low) or math.isfinite(high) else 1.0
    ends = {}
    if interval.low_open:
        far = [default - reach * 10.0**j for j in DECADES]
        ends[low] = [low + reach * 10.0**-j for j in DECADES] if math.isfinite(low) else far
    if interval.high_open:
        gap = high - default if high > default else reach
        far = [default + reach * 10.0**j for j in DECADES]
        ends[high] = [high - gap * 10.0**-j for j in DECADES] if math.isfinite(high) else far
    return ends
