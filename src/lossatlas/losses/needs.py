"""What a loss may want beyond (inputs, target): one table, a line a need.

A loss declares a need by naming it: facts are the keyword-only parameters of `setup`, moments those
of `per_sample` and `end_epoch`, parts stand in the class attribute `parts`. What a loss owns is no
need: learned weights are its parameters; memories, queues and running averages its buffers.
This module imports torch only where a stand-in is made.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from lossatlas.errors import meant
from lossatlas.losses.kinds import KINDS

SAMPLES = 32  # of the made-up training set in which a loss is tried out
FEATURES = 8  # numbers a feature, there


class Need(NamedTuple):
    """One word of the vocabulary.

    Attributes:
        sort: a "fact" is known before the first step, a "part" belongs to the network, a "moment"
            comes anew with each call (those of `end_epoch`: with each epoch).
        says: what it is, with shape and dtype, in one clause.
        stand_in: what a loss is tried out with: of a fact, a function of the number of classes k;
            of a moment, of the inputs and k, the same for every sample, so that the value stays a
            function of one sample; None for a part, which only a network has.
    """

    sort: Literal["fact", "part", "moment"]
    says: str
    stand_in: Callable[..., Any] | None = None


def long_tail(k: int) -> list[float]:
    """Class counts for trying out a loss: each class has half the samples of the one before."""
    return [10.0 * 2 ** (k - 1 - c) for c in range(k)]


def confused(k: int) -> list[list[float]]:
    """A transition matrix for trying out a loss: rows sum to 1, the diagonal leads."""
    tail = [[(0.3 if j else 0.2) if j == (i + 1) % k else 0.0 for j in range(k)] for i in range(k)]
    return [[1 - sum(row) if i == j else row[j] for j in range(k)] for i, row in enumerate(tail)]


def _wave(n: int, d: int, inputs: Any) -> Any:
    import torch

    row = torch.cos(1.0 + torch.arange(d, dtype=torch.float64))
    return row.expand(n, d).to(getattr(inputs, "device", "cpu"))


def _held_out(inputs: Any, k: int) -> Any:
    import torch

    target = torch.arange(8 * k) % k
    return _wave(8 * k, k, inputs) + torch.nn.functional.one_hot(target, k), target


def _zeros(inputs: Any, _: int) -> Any:
    import torch

    return torch.zeros(inputs.shape[-2], dtype=torch.int64, device=getattr(inputs, "device", "cpu"))


def _generator(*_: Any) -> Any:
    import torch

    return torch.Generator().manual_seed(0)


NEEDS: dict[str, Need] = {
    "num_classes": Need("fact", "the number of classes K", lambda k: k),
    "num_samples": Need("fact", "the number of training samples", lambda _: SAMPLES),
    "feature_dim": Need("fact", "the width D of the vectors the loss is given", lambda _: FEATURES),
    "class_counts": Need("fact", "training samples of each class, (K,) float64", long_tail),
    "transition": Need(
        "fact", "P(observed label | true label), (K, K) float64, rows sum to 1", confused
    ),
    "steps": Need("fact", "optimiser steps of the whole run", lambda _: 100),
    "epochs": Need("fact", "epochs of the whole run", lambda _: 10),
    "cosine_head": Need("part", "a head that gives cosines of features and class weights"),
    "distance_head": Need("part", "a head that gives minus the distances to learned prototypes"),
    "fixed_prototypes": Need("part", "class weights that stay at the corners of a simplex"),
    "extra_output": Need("part", "an output more than there are classes, the last one"),
    "predictor": Need("part", "a small network between projections and loss"),
    "momentum_encoder": Need("part", "a twin whose weights are running means of the network's"),
    "progress": Need("moment", "share of the run's steps done, in [0, 1)", lambda *_: 0.5),
    "epoch": Need("moment", "the current epoch, from 0", lambda *_: 5),
    "indices": Need("moment", "which training samples these are, (N,) int64", _zeros),
    "keys": Need(
        "moment", "projections of the views by the twin (without one, before the predictor), "
        "(V, N, D)", lambda inputs, _: inputs,
    ),
    "features": Need(
        "moment", "what the head was given, (N, D), with gradient, not normalised",
        lambda inputs, _: _wave(inputs.shape[-2], FEATURES, inputs),
    ),
    "head_weight": Need(
        "moment", "the head's class weights, (K, D)", lambda inputs, k: _wave(k, FEATURES, inputs)
    ),
    "teacher_logits": Need(
        "moment", "logits of a trained network on these images, (N, K)",
        lambda inputs, k: _wave(inputs.shape[-2], k, inputs),
    ),
    "held_out": Need(
        "moment", "logits (M, K) and labels (M,) of held-out images, once an epoch", _held_out
    ),
    "randomness": Need("moment", "a seeded torch.Generator on the inputs' device", _generator),
}  # fmt: skip
STRENGTHS = ("weak", "strong")  # of the augmentation of a view
SORTS = {"setup": ("fact",), "per_sample": ("moment",), "end_epoch": ("fact", "moment")}


def keywords(method: Any) -> tuple[str, ...]:
    """The keyword-only parameters of a method: what it declares to need."""
    parameters = inspect.signature(method).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def declared(cls: Any) -> tuple[str, ...]:
    """The needs that a class of losses names, in the table's order; unknown words come last."""
    named = [*cls.parts, *(word for name in SORTS for word in keywords(getattr(cls, name)))]
    known = [word for word in NEEDS if word in named]
    return tuple(dict.fromkeys([*known, *named]))


def misfit(cls: Any) -> str | None:
    """What is wrong with the needs that a class names, in a sentence, or None."""
    if isinstance(cls.parts, str) or not all(isinstance(word, str) for word in cls.parts):
        return f"{cls.__name__}.parts must be a tuple of names, not {cls.parts!r}"
    places: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [("parts", cls.parts, ("part",))]
    places += [(name, keywords(getattr(cls, name)), sorts) for name, sorts in SORTS.items()]
    for place, words, sorts in places:
        for word in words:
            if (problem := unknown(word, sorts)) is not None:
                return f"{cls.__name__}.{place} names {problem}"
    strengths, group, kind = cls.strengths, cls.samples_per_class, KINDS[cls.target]
    if strengths and (len(strengths) != cls.views or not set(strengths) <= set(STRENGTHS)):
        legal = f"{' or '.join(map(repr, STRENGTHS))} of each of {cls.views} views"
        return f"{cls.__name__}.strengths must say {legal}, not {strengths!r}"
    if type(group) is not int or group < 1:
        return f"{cls.__name__}.samples_per_class must be a whole number >= 1, not {group!r}"
    if group > 1 and (kind.several or kind.names != "right"):
        why = f"a target of type {cls.target} does not say which class a sample is of"
        return f"{cls.__name__}.samples_per_class is {group}, but {why}"
    return None


def unknown(word: str, sorts: tuple[str, ...]) -> str | None:
    """What is wrong with a word where needs of these sorts are expected, or None."""
    if word in NEEDS and NEEDS[word].sort in sorts:
        return None
    if word in NEEDS:
        home = {"fact": "setup", "moment": "per_sample", "part": "parts"}[NEEDS[word].sort]
        return f"{word!r}, which is a {NEEDS[word].sort} and belongs to {home}"
    legal = [name for name, need in NEEDS.items() if need.sort in sorts]
    hint = f"; {near}" if (near := meant(word, NEEDS)) else ""
    return f"{word!r}, which nothing provides{hint}; legal: {', '.join(legal)}"
