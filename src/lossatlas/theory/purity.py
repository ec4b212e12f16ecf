"""Is the loss a function of one sample? Everything that is said about l(s, y) presupposes it."""

import torch
from torch import Tensor

from lossatlas.theory import design, inputs
from lossatlas.theory.subject import Subject

SAME = 1e-9  # of the difference, in units of the value or of the loss's typical size
REPEATS = 3
CROWD = 10_000  # samples of the largest batch, about as many as a check asks for at once


def impurity(subject: Subject) -> str | None:
    """Why the loss is no function of its inputs, in a clause; None where nothing was found.

    Values of one batch are computed several times, and again whenever this is asked, which must not
    change them: a loss may count its calls. Those of a loss on logits are also computed one by one,
    in another order, beside other samples and in a large batch. A loss that is declared to be no
    function of one sample is not looked at.
    """
    if not subject.on_embeddings and not subject.of_samples:
        return None
    found: str | None = subject.memo("impurity", lambda: _random(subject) or _entangled(subject))
    if found is None and (found := _changed(subject, _first(subject))):
        subject.remember("impurity", found)
    if found and subject.loss is not None and "randomness" in subject.loss.requires:
        # Its generator stands still while it is looked at, which would pass for what is beside.
        return "it draws random numbers (its need `randomness`)"
    return found


def _random(subject: Subject) -> str | None:
    first = _first(subject)
    changes = (_changed(subject, first) for _ in range(REPEATS))
    return next((found for found in changes if found), None)


def _first(subject: Subject) -> Tensor:
    """The values when the loss was first looked at."""
    return subject.memo("first values", lambda: _values(subject))


def _values(subject: Subject) -> Tensor:
    with torch.no_grad():
        return inputs.evaluate(subject, *_batch(subject))


def _changed(subject: Subject, first: Tensor) -> str | None:
    again = _values(subject)
    if (at := _differs(subject, first, again)) is None:
        return None
    return (
        "its values are random, or change from call to call: the same inputs gave "
        f"{first[at]:.4g} and then {again[at]:.4g}"
    )


def _entangled(subject: Subject) -> str | None:
    if subject.on_embeddings:
        return None
    points, target = _batch(subject)
    assert target is not None
    n = len(points)
    order = torch.randperm(n, generator=design.generator())
    crowd = torch.arange(CROWD) % n
    loud = torch.cat([points, 1e3 * points[order], points[:1].expand(n, -1)])
    others = torch.cat([target, target[order], target[:1].expand(n, *target.shape[1:])])
    one_class = (target == target[0]).view(n, -1).all(1).nonzero().flatten()
    with torch.no_grad():
        whole = subject.function(points, target)
        alone = [subject.function(s[None], y[None]) for s, y in zip(points, target, strict=True)]
        ways = (
            (torch.cat(alone), torch.arange(n), "alone"),
            (subject.function(points[order], target[order]), order, "in another order"),
            (subject.function(loud, others)[:n], torch.arange(n), "beside other samples"),
            (subject.function(points[one_class], target[one_class]), one_class,
             "beside samples of its own class"),
            (subject.function(points[crowd], target[crowd])[:n], torch.arange(n),
             f"in one of {CROWD}"),
        )  # fmt: skip
    for values, rows, where in ways:
        if (at := _differs(subject, whole[rows], values)) is not None:
            return (
                "the value of a sample depends on the rest of the batch: "
                f"{whole[rows][at]:.4g} in a batch of {n}, {values[at]:.4g} {where}"
            )
    return None


def _batch(subject: Subject) -> tuple[Tensor, Tensor | None]:
    if subject.on_embeddings:
        return inputs.embeddings(subject), inputs.labels_of(subject)
    g = design.generator()
    noise = torch.randn(40, subject.k, generator=g, dtype=torch.float64)
    scales = torch.tensor([0.3, 1.0, 3.0, 10.0], dtype=torch.float64).repeat(10)[:, None]
    return scales * noise, inputs.targets(subject.target, 40, subject.k)


def _differs(subject: Subject, a: Tensor, b: Tensor) -> int | None:
    """Where two tensors of values (N,) differ most, if beyond rounding."""
    size = inputs.unit(subject) + torch.maximum(a.abs(), b.abs())
    apart = ((a - b).abs() / size).nan_to_num(nan=0.0, posinf=torch.inf)
    apart = torch.where(a.isfinite() == b.isfinite(), apart, torch.inf)
    return int(apart.argmax()) if apart.max() > SAME else None
