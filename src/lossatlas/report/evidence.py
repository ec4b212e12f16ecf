"""What a verdict rests on, in a plain sentence from its stored record; numbers stand behind it."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

# Of what a witness says, in the checker's words; {v} is by how much it fails.
SAID = (
    (r"(a batch does not cost what its halves cost on average)", "{1}: {v} more or less"),
    (r"the loss at the midpoint", "midway between two points the loss lies {v} above the chord"),
    (r"(.* chang(?:es|e) the loss)$", "{1}, by {v}"),
    (
        r"the losses of all labels",
        "the losses of all labels add up to {least} at some scores and to {largest} at others",
    ),
    (r"the loss is negative", "at some scores the loss is negative, by {v}"),
    (
        r"from scale (\S+) to (\S+) the loss moves",
        "no end was seen: scores ten times as large move the loss as far as the ten times "
        "before, or farther",
    ),
    (
        r"at posterior (\[.*?\]) the least risk .* class (\d+) ahead.* class (\d+) on top",
        "where the labels have the probabilities {1}, the least risk found has class {3} on "
        "top, not {2}, which is right",
    ),
    (
        r"at posterior (\[.*?\]) scores that mean (\[.*?\])",
        "where the labels have the probabilities {1}, other scores have less risk than those "
        "that mean {2}",
    ),
    (
        r"what minimises the risk at (\[.*?\]) does not at (\[.*?\])",
        "label noise moves the best scores: those for the noisy probabilities {1} are not best "
        "for the true ones, {2}",
    ),
    (
        r"two vectors of scores give",
        "two vectors of scores give their labels the same probability, and their losses differ "
        "by {v}",
    ),
    (r"(the label's score rises by .*, and so does the loss)", "{1}, by {v}"),
    (
        r"trailing by",
        "once the label trails its rivals by {dead_from}, hardly any gradient is left",
    ),
    (
        r"the slope along a line jumps",
        "there is a kink: the slope jumps by {jump}, and still does within the smallest step tried",
    ),
    (
        r"the slope at distance .* outwards",
        "the farther out the scores, the steeper the loss, as far as was looked",
    ),
    (r"the slope at distance .* inwards", "towards some scores the loss gets ever steeper"),
    (r"the value jumps by (\S+)", "the value jumps, by {1}"),
    (
        r"the second difference quotient",
        "at some scores the gradient jumps, even within the smallest step tried",
    ),
    (
        r"the curvature at distance .* inwards",
        "towards some scores the gradient changes ever faster",
    ),
    (
        r"the curvature at distance .* outwards",
        "the farther out the scores, the faster the gradient changes, as far as was looked",
    ),
    (
        r"(the gradient in \w+) is off by more than (\S+), relatively",
        "at some scores {1} is off by {percent} %",
    ),
    (
        r"class (\d+) does not win",
        "a wrong answer can cost next to nothing, less than a thousandth of a guess",
    ),
    (
        r"the collapsed batch costs more",
        "embeddings that are all the same cost {collapsed}, others down to {best}",
    ),
    (r"(a target of several classes costs more than its cheapest label)", "{1}, by {v}"),
    (
        r"the slope along score (\d+) changes",
        "the gradient's Jacobian is not symmetric, as that of a function would be",
    ),
    (
        r"these scores minimise the risk under weights (\[.*?\]), but others .* label (\d+)",
        "the scores of least risk under the label weights {1} are not those of least loss for "
        "label {2}, the heaviest",
    ),
    (r"the slope of the values", "what autograd gives is not the slope of the values"),
)
# Of why a search could not tell.
OPEN = (
    (
        r"float64 gives (\S+), 50 digits (\S+): rounding",
        "rounding hides it: float64 gives {1}, 50 digits {2}",
    ),
    (
        r"what was found has a score",
        "what was found has scores that the head of this loss never gives",
    ),
    (r"(\w+) has no 50-digit form", "what was found could not be confirmed at 50 digits"),
)
# Of what was searched for and not found, or proved, by property.
FOUND = {
    "bounded": "all values of this search lie between {infimum} and {supremum}",
    "nonnegative": "the least value found is {infimum}",
    "lipschitz": "the steepest slope found is {constant}",
    "smooth": "the fastest change of the gradient found is {constant}",
    "symmetric_sum_constant": "the losses of all labels add up to {sum}, whatever the scores",
    "dominates_zero_one": "the cheapest wrong answer found costs {constant}",
    "special_cases": "those that the card names hold wherever they were compared",
    "collapse_is_minimal": "nothing found costs less than embeddings that are all the same",
}
ERRORS = (
    "the largest errors found are {value_error} of the value and {gradient_error} of the gradient"
)
FOUND |= {f"stable_in_{name}": ERRORS for name in ("float32", "bfloat16", "float16")}
LONG = re.compile(r"\d+\.\d{4,}(?:e-?\d+)?")  # more digits than anyone reads
ASIDE = re.compile(r" \(in float64 with random rounding.*\)$")


def sentence(record: Mapping[str, Any]) -> str:
    """What a verdict rests on, in plain words: as much as its stored record tells."""
    numbers = {
        key: _short(value)
        for key, value in record["found"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    witness = record["witness"]
    if witness is not None:
        value = float(witness["value"])
        if math.isfinite(value):
            numbers |= {"v": _short(value), "percent": _short(100 * value)}
        return _told(SAID, ASIDE.sub("", witness["says"]), numbers)
    if record["verdict"] == "inconclusive":
        return _told(OPEN, record["reason"] or "the search could not tell", {})
    words = _filled(FOUND.get(record["property"], ""), numbers, None)
    if record["verdict"] == "proved":
        proof = "a proof of the formula, with which the code agrees wherever they were compared"
        return f"{words}; {proof}" if words else proof
    return words or "nothing that speaks against it was found"


def _told(table: Sequence[tuple[str, str]], says: str, numbers: Mapping[str, str]) -> str:
    for pattern, words in table:
        if found := re.match(pattern, says):
            return _filled(words, numbers, found) or says
    return says


def _filled(words: str, numbers: Mapping[str, str], found: re.Match[str] | None) -> str:
    """The words with their numbers; nothing if the record lacks one."""
    groups = ["", *(LONG.sub(_rounded, text) for text in (found.groups() if found else ()))]
    try:
        return words.format(*groups, **numbers)
    except (IndexError, KeyError):
        return ""


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.3g}"


def _short(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{value + 0.0:.3g}".replace("-", "−")
