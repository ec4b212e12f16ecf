"""A loss in use, as lines that can be pasted: what it takes in Python, and how it is trained."""

import inspect
import textwrap
from typing import Any

from lossatlas.cards import Card
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.needs import NEEDS, keywords

TARGETS = {
    "class_index": "torch.randint(10, (8,))",
    "distribution": "torch.softmax(torch.randn(8, 10), dim=1)",
    "label_set": "torch.nn.functional.one_hot(torch.randint(10, (8,)), 10).bool()",
    "complementary": "torch.randint(10, (8,))",
    "two_view": "None  # it looks at no labels",
}
LABELS = "torch.arange(8) // 2  # two samples of each class"
# What is made up for a need of 8 samples of 10 classes; features are of 64 numbers. What has no
# line here is taken from the table of needs.
GIVEN = {
    "num_classes": "10", "num_samples": "50_000", "feature_dim": "64", "steps": "1000",
    "class_counts": "[5000.0] * 10", "transition": "0.6 * torch.eye(10) + 0.04", "epochs": "10",
    "progress": "0.5", "epoch": "0", "indices": "torch.arange(8)", "keys": "torch.randn(2, 8, 64)",
    "features": "torch.randn(8, 64)", "head_weight": "torch.randn(10, 64)",
    "teacher_logits": "torch.randn(8, 10)", "randomness": "torch.Generator()",
}  # fmt: skip
SCENARIOS = {  # else clean
    "label_set": "ambiguous_pets", "distribution": "ambiguous_pets",
    "complementary": "complementary",
}  # fmt: skip
NOISY = "symmetric_noise scenario.probability=0.4"


def python(card: Card) -> str:
    """Lines that build the loss and call it with random numbers of the right shapes."""
    cls = registry.get_class(card.id)
    given = [f"{name}={value!r}" for name, value in _defaults(card)]
    facts = [word for word in card.requires if NEEDS[word].sort == "fact"]
    moments = keywords(cls.per_sample)
    lines = ["import torch, lossatlas"]
    if not {*facts, *moments} <= set(GIVEN):
        lines += ["from lossatlas.losses.needs import NEEDS"]
    lines += [""]
    lines += [_call("loss = lossatlas.get_loss", [f'"{card.id}"', *given])]
    if facts:
        lines += [_call("loss.provide", [f"{word}={_made_up(word)}" for word in facts])]
    if KINDS[card.target].on_embeddings:
        size = f"({cls.views}, 8, 64, requires_grad=True)"
        lines += [f"inputs = torch.randn{size}  # views, samples, numbers"]
        lines += [f"target = {TARGETS.get(card.target, LABELS)}"]
    else:
        lines += [_logits(card), f"target = {TARGETS[card.target]}"]
    given = [f"{word}={_made_up(word)}" for word in moments]
    return "\n".join(
        [*lines, _call("value = loss", ["inputs", "target", *given]), "value.backward()"]
    )


def _made_up(word: str) -> str:
    at = "10" if NEEDS[word].sort == "fact" else "inputs, 10"
    return GIVEN.get(word, f'NEEDS["{word}"].stand_in({at})')


def _logits(card: Card) -> str:
    if "cosine_head" in card.requires:
        return "inputs = (2 * torch.rand(8, 10) - 1).requires_grad_()  # cosines"
    if "distance_head" in card.requires:
        return "inputs = (-torch.rand(8, 10)).requires_grad_()  # minus distances"
    k = 10 + ("extra_output" in card.requires)
    return f"inputs = torch.randn(8, {k}, requires_grad=True)  # logits"


def command(card: Card) -> str:
    """The command that trains with the loss, in a scenario that has what it is for."""
    words = ["lossatlas train", f"loss={card.id}"]
    words += [f"loss.{name}={value!r}" for name, value in _defaults(card)[:1]]
    if card.target in SCENARIOS:
        words += [f"scenario={SCENARIOS[card.target]}"]
    elif "transition" in card.requires:
        words += [f"scenario={NOISY}"]
    if "held_out" in card.requires:
        words += ["recipe.train_limit=45000"]
    if "teacher_logits" not in card.requires:
        return " ".join(words)
    return " ".join([*words, "teacher=RUN  # the id of a finished run, from lossatlas runs"])


def _defaults(card: Card) -> list[tuple[str, Any]]:
    """The code's defaults of what the card calls hyperparameters."""
    arguments = inspect.signature(registry.get_class(card.id)).parameters
    return [(name, arguments[name].default) for name in card.hyperparameters if name in arguments]


def _call(function: str, arguments: list[str]) -> str:
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= 88:
        return line
    inside = textwrap.wrap(", ".join(argument.replace(" ", "\0") for argument in arguments), 80)
    return "\n".join([f"{function}(", *(f"    {one}".replace("\0", " ") for one in inside), ")"])
