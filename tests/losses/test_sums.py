"""Adding and weighting losses in Python: `2 * a + b`, and what the sum has of its parts."""

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lossatlas import get_card, get_loss
from lossatlas.contract.inputs import batch_of
from lossatlas.errors import UserError
from lossatlas.losses.base import Loss, Sum


def data() -> tuple[Tensor, Tensor]:
    logits, target = batch_of(get_card("cross_entropy"), n=20)
    assert target is not None
    return logits, target


def per_sample(loss: Loss) -> Loss:
    loss.reduction = "none"
    return loss


def test_value_is_the_weighted_sum_of_the_values() -> None:
    logits, target = data()
    focal, hinge = get_loss("focal", "none"), get_loss("crammer_singer_hinge", "none")
    expected = 2 * focal(logits, target) + 0.5 * hinge(logits, target)
    total = 2 * focal + 0.5 * hinge
    torch.testing.assert_close(per_sample(total)(logits, target), expected)
    total.reduction = "sum"
    torch.testing.assert_close(total(logits, target), expected.sum())


def test_sum_takes_the_mean_whatever_the_reduction_of_its_parts() -> None:
    logits, target = data()
    total = get_loss("focal", "sum") + get_loss("cross_entropy", "none")
    mean = get_loss("focal")(logits, target) + get_loss("cross_entropy")(logits, target)
    torch.testing.assert_close(total(logits, target), mean)


def test_gradient_is_the_weighted_sum_of_the_gradients() -> None:
    logits, target = data()

    def gradient(loss: Loss) -> Tensor:
        leaf = logits.clone().requires_grad_()
        loss(leaf, target).backward()
        assert leaf.grad is not None
        return leaf.grad

    focal, smoothed = get_loss("focal"), get_loss("label_smoothing")
    expected = 3 * gradient(focal) + gradient(smoothed)
    torch.testing.assert_close(gradient(3 * focal + smoothed), expected)


def test_sums_are_flattened_and_weights_multiplied() -> None:
    a, b = get_loss("focal"), get_loss("cross_entropy")
    total = 2 * (a + 3 * b) + b
    assert total.terms() == [(2, a), (6, b), (1, b)]
    logits, target = data()
    expected = 2 * a(logits, target) + 7 * b(logits, target)
    torch.testing.assert_close(total(logits, target), expected)


def test_a_sum_with_a_name_of_its_own_stays_one_part() -> None:
    class Named(Sum):
        target = "class_index"

        def __init__(self) -> None:
            super().__init__(get_loss("focal"), 2 * get_loss("cross_entropy"))

    named, hinge = Named(), get_loss("crammer_singer_hinge")
    total = 0.5 * named + hinge
    assert total.terms() == [(0.5, named), (1, hinge)]
    logits, target = data()
    focal, ce = get_loss("focal"), get_loss("cross_entropy")
    expected = 0.5 * focal(logits, target) + ce(logits, target) + hinge(logits, target)
    torch.testing.assert_close(total(logits, target), expected)


def test_weight_zero_is_legal_and_leaves_the_rest() -> None:
    logits, target = data()
    focal = get_loss("focal")
    total = focal + 0 * get_loss("cross_entropy")
    torch.testing.assert_close(total(logits, target), focal(logits, target))


@pytest.mark.parametrize("weight", [-1, -1e-9, math.inf, -math.inf, math.nan, "0.1", True, None])
def test_wrong_weight_is_refused(weight: Any) -> None:
    with pytest.raises(ValueError, match=r"a weight must be a number in \[0, inf\), not "):
        weight * get_loss("focal")


@pytest.mark.parametrize(
    "text",
    [
        "0 * focal",
        "0 * focal + 0 * mae",
        "focal - focal",
        "mae - 2 * mae + mae",
        "flooding(0 * mae)",
    ],
)
def test_a_sum_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is 0 whatever is predicted"):
        get_loss(text)


def test_losses_of_other_targets_and_on_embeddings_are_refused() -> None:
    message = "losses can be added when all are of logits and one target; these are of "
    with pytest.raises(ValueError, match=message + "class_index, distribution"):
        get_loss("focal") + get_loss("soft_target_kl")
    with pytest.raises(ValueError, match=message + "two_view"):
        get_loss("nt_xent") + get_loss("nt_xent")
    with pytest.raises(ValueError, match=message + "none"):
        Sum()


@pytest.mark.parametrize("other", [3, "focal", torch.ones(2)])
def test_only_losses_are_added(other: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        get_loss("focal") + other


def test_sum_has_the_target_of_its_parts() -> None:
    kl = get_loss("soft_target_kl")
    total = kl + 2 * kl
    assert total.target == "distribution"
    logits, q = batch_of(get_card("soft_target_kl"))
    assert q is not None
    torch.testing.assert_close(total(logits, q), 3 * kl(logits, q))
    with pytest.raises(ValueError, match="target must be floating point"):
        total(logits, q.argmax(1))


def test_sum_requires_what_a_part_requires_and_hands_it_on() -> None:
    balanced, ce = get_loss("balanced_softmax"), get_loss("cross_entropy")
    assert (ce + ce).requires == ()
    total = ce + 2 * (balanced + get_loss("ldam"))
    assert total.requires == ("class_counts", "cosine_head", "progress")
    logits, target = data()
    with pytest.raises(ValueError, match="class_counts are needed by this loss"):
        total(logits, target, progress=0.9)
    counts = [16.0, 8.0, 4.0, 2.0, 1.0]
    assert total.provide(class_counts=counts) is total
    expected = ce(logits, target) + 2 * sum(
        get_loss(name).provide(class_counts=counts)(logits, target, progress=0.9)
        for name in ("balanced_softmax", "ldam")
    )
    torch.testing.assert_close(total(logits, target, progress=0.9), expected)
    assert balanced.class_counts is not None
    total.provide()
    assert balanced.class_counts.tolist() == counts


def test_counts_keep_their_precision() -> None:
    total = get_loss("balanced_softmax") + get_loss("cross_entropy")
    total.provide(class_counts=[2, 1]).to(torch.float32)
    held = dict(total.named_buffers())
    assert [buffer.dtype for buffer in held.values()] == [torch.float64]
    assert total(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([0])).dtype == torch.float64


def test_copies_give_the_same_value() -> None:
    logits, target = data()
    total = 2 * get_loss("balanced_softmax") + get_loss("focal", gamma=1.0)
    total.provide(class_counts=[5, 4, 3, 2, 1])
    value = total(logits, target)
    for copied in (copy.deepcopy(total), pickle.loads(pickle.dumps(total))):
        assert torch.equal(copied(logits, target), value)


def test_python_arithmetic_works_on_losses() -> None:
    logits, target = data()
    focal, ce = get_loss("focal"), get_loss("cross_entropy")
    both = focal(logits, target) + ce(logits, target)
    for total in (sum([focal, ce]), sum([focal, ce, focal + ce]) / 2, (focal * 4 + 4 * ce) / 4.0):
        assert isinstance(total, Loss)
        torch.testing.assert_close(total(logits, target), both)
    for weight in (np.float32(0.5), np.float64(0.5)):
        torch.testing.assert_close((weight * focal)(logits, target), focal(logits, target) / 2)
        torch.testing.assert_close((focal * weight)(logits, target), focal(logits, target) / 2)
    for divisor in (0, -1, math.inf, math.nan, "2", True, focal):
        with pytest.raises(
            ValueError, match=r"a loss can be divided by a number in \(0, inf\), not"
        ):
            focal / divisor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("focal", "Focal()"),
        ("focal(gamma=2)", "Focal()"),
        ("focal(gamma=3)", "Focal(gamma=3.0)"),
        ("sce(alpha=0.5)", "SCE(alpha=0.5)"),
        ("2 * focal(gamma=3) + cross_entropy / 4", "2 * Focal(gamma=3.0) + 0.25 * CrossEntropy()"),
    ],
)
def test_repr_shows_the_hyperparameters(text: str, shown: str) -> None:
    assert repr(get_loss(text)) == repr(copy.deepcopy(get_loss(text))) == shown
