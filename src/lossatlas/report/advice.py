"""When a loss fits and when not: rules from card and verdicts to sentences, each with its ground.

A rule speaks only where its verdict has been reached by the checks, and only of losses with the
Bayes rule, link and family that its sentence is true of; there are no opinions here.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from lossatlas.cards import FAMILIES, Card

HOLDS = ("proved", "not_refuted")
FAILS = ("refuted", "evidence_against")
Kind = Literal["made", "use", "avoid", "warning"]
MADE = {
    "noise_robust": "some labels are wrong",
    "long_tail": "some classes have far fewer samples than others, and all are to count alike",
    "calibration": "confidences are to be no larger than the accuracy warrants",
    "partial_label": "several labels of a sample may be right",
}
LINKS = {
    "sigmoid": ", read off as the sigmoid of each score",
    "identity": ", read off as the scores themselves, without a softmax",
    "own": ", read off with the loss's own map, not with the softmax",
    "fenchel_young": ", read off with the loss's own map, e_y + gradient, not with the softmax",
}


class Rule(NamedTuple):
    """If `prop` has one of the verdicts, `says` is said under the heading of `kind`.

    `only` names values of the card's fields that the sentence presupposes; `{link}` in a sentence
    says how the loss's probabilities are read off.
    """

    prop: str
    verdicts: tuple[str, ...]
    kind: Kind
    says: str
    only: Mapping[str, tuple[str, ...]] = {}


PLAIN = {"bayes_rule": ("accuracy",)}
BALANCED = {"bayes_rule": ("balanced",)}


RULES = (
    Rule(
        "strictly_proper", HOLDS, "use",
        "the probabilities themselves are wanted: the risk is least at the true ones{link}", PLAIN,
    ),
    Rule(
        "strictly_proper", FAILS, "avoid",
        "its probabilities are to be believed as they come{link}: the risk is not least at the "
        "true ones, so they need mapping back or recalibration", PLAIN,
    ),
    Rule(
        "classification_calibrated", HOLDS, "use",
        "accuracy is what counts: with enough data and a rich model, a small risk forces the "
        "right decisions", PLAIN,
    ),
    Rule(
        "classification_calibrated", HOLDS, "use",
        "classes are to count alike, however rare they are in training: with enough data and a "
        "rich model, a small risk forces the decisions of least balanced error", BALANCED,
    ),
    Rule(
        "classification_calibrated", HOLDS, "avoid",
        "plain accuracy counts, on data with the classes as frequent as in training: it decides "
        "for the largest probability over prior, not for the largest probability", BALANCED,
    ),
    Rule(
        "classification_calibrated", FAILS, "avoid",
        "classes overlap: at some label probabilities a least risk does not force the right "
        "decision", PLAIN,
    ),
    Rule(
        "classification_calibrated", FAILS, "avoid",
        "the balanced error has to be least: at some label probabilities a least risk does not "
        "force the class of largest probability over prior", BALANCED,
    ),
    Rule(
        "dominates_zero_one", HOLDS, "use",
        "the error rate is to be bounded by the risk: every wrong answer has a price",
    ),
    Rule(
        "dominates_zero_one", FAILS, "avoid",
        "the error rate is to be bounded by the risk: some wrong answers cost next to nothing",
    ),
    Rule(
        "symmetric_sum_constant", HOLDS, "use",
        "labels are wrong uniformly at random: the noisy risk is then a multiple of the clean "
        "one plus a constant, as long as right labels prevail (Ghosh et al. 2017)",
    ),
    Rule(
        "noise_invariant_minimiser", FAILS, "avoid",
        "labels are wrong uniformly at random and the minimiser is to stay where it was: the "
        "noise moves it", {"family": tuple(f for f in FAMILIES if f != "noise_robust")},
    ),
    Rule(
        "noise_invariant_minimiser", FAILS, "warning",
        "it was proposed for wrong labels, yet uniform noise moves its minimiser: what it gains "
        "there is for experiments to show", {"family": ("noise_robust",)},
    ),
    Rule(
        "bounded", HOLDS, "use",
        "single outliers or wrong labels must not dominate: what one sample can cost is bounded",
    ),
    Rule(
        "bounded", FAILS, "avoid",
        "single outliers or wrong labels must not dominate: what one sample can cost has no "
        "bound",
    ),
    Rule(
        "convex_in_logits", HOLDS, "use",
        "the model is linear in its parameters: training is then a convex problem",
    ),
    Rule(
        "convex_in_logits", FAILS, "avoid",
        "a global minimum has to be guaranteed for a linear model: the loss is not convex in "
        "the scores",
    ),
    Rule(
        "lipschitz", HOLDS, "use",
        "gradients in the scores have to stay bounded",
    ),
    Rule(
        "lipschitz", FAILS, "warning",
        "the gradient in the scores has no bound: clip it, or mind the size of the scores",
    ),
    Rule(
        "decreasing_in_score", FAILS, "warning",
        "a higher score of the right class can cost more",
    ),
    Rule(
        "differentiable_everywhere", FAILS, "warning",
        "it has kinks, where the gradient jumps",
    ),
    Rule(
        "no_dead_gradient", FAILS, "warning",
        "confident mistakes have hardly any gradient, so that training may not leave them",
    ),
    Rule(
        "gradient_correct", FAILS, "warning",
        "autograd does not give the derivative of its value",
    ),
    Rule(
        "stable_in_float32", FAILS, "warning",
        "at some scores float32 is too narrow for it",
    ),
    Rule(
        "stable_in_bfloat16", FAILS, "warning",
        "at some scores bfloat16 is too narrow for it: give it float32",
    ),
    Rule(
        "stable_in_float16", FAILS, "warning",
        "at some scores float16 is too narrow for it: give it float32",
    ),
    Rule(
        "batch_size_invariant", FAILS, "warning",
        "its value depends on the size of the batch, so that settings for one size need not "
        "suit another",
    ),
    Rule(
        "collapse_is_minimal", HOLDS, "avoid",
        "nothing else keeps the embeddings apart: collapsed ones cost least",
    ),
)  # fmt: skip


def advice(
    card: Card, records: Mapping[str, Mapping[str, Any]]
) -> dict[Kind, list[tuple[str, str, str]]]:
    """Sentence, ground and its verdict for every rule that applies, by kind.

    The ground is a property; for what a loss was made for, the card's family.
    """
    told: dict[Kind, list[tuple[str, str, str]]] = {kind: [] for kind in get_args(Kind)}
    if card.family in MADE:
        told["made"].append((MADE[card.family], "family", card.family.replace("_", " ")))
    for rule in RULES:
        verdict = records[rule.prop]["verdict"] if rule.prop in records else None
        fits = all(getattr(card, field) in legal for field, legal in rule.only.items())
        if verdict in rule.verdicts and fits:
            says = rule.says.replace("{link}", LINKS.get(card.link, ""))
            told[rule.kind].append((says, rule.prop, verdict))
    return told
