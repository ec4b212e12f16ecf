"""Losses of other libraries as ours, and ours by a benchmark's contract."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lossatlas import get_loss
from lossatlas.adapters import compute_loss, from_module
from lossatlas.errors import UserError

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.tensor([0, 3, 1, 2, 2, 0])


class MeanOnly(nn.Module):
    """As many published losses are: one number a batch, no `reduction`."""

    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target, label_smoothing=0.1)


def test_a_module_with_a_reduction_gives_values_and_stays_as_it_was():
    theirs = nn.MultiMarginLoss()
    ours = from_module(theirs)
    ours.reduction = "none"
    rows = [theirs(LOGITS[i : i + 1], TARGET[i : i + 1]) for i in range(6)]
    assert torch.allclose(ours(LOGITS, TARGET), torch.stack(rows))
    assert theirs.reduction == "mean"


class ByClass(nn.Module):
    """As kornia's focal loss: with `reduction` "none" a value for each class of each sample."""

    def __init__(self, reduction):
        super().__init__()
        self.reduction = reduction

    def forward(self, logits, target):
        right = nn.functional.one_hot(target, logits.shape[1])
        found = -((1 - logits.softmax(1)) ** 2) * logits.log_softmax(1) * right
        return {"none": lambda: found, "mean": found.mean, "sum": found.sum}[self.reduction]()


def test_values_of_classes_are_reduced_as_the_module_does():
    known = get_loss("focal", "none")(LOGITS, TARGET)
    for reduction, share in (("mean", 0.25), ("sum", 1.0)):
        ours = from_module(ByClass(reduction))
        ours.reduction = reduction
        assert torch.allclose(ours(LOGITS, TARGET), ByClass(reduction)(LOGITS, TARGET))
        ours.reduction = "none"
        assert torch.allclose(ours(LOGITS, TARGET), share * known)
    with pytest.raises(ValueError, match=re.escape("ByClass() gives shape (6, 4) for 6 samples")):
        from_module(ByClass("none"))(LOGITS, TARGET)


def test_a_module_without_one_is_called_for_each_sample():
    ours, known = from_module(MeanOnly()), get_loss("label_smoothing")
    leaf = LOGITS.clone().requires_grad_()
    ours(leaf, TARGET).backward()
    other = LOGITS.clone().requires_grad_()
    known(other, TARGET).backward()
    assert torch.allclose(leaf.grad, other.grad)
    ours.reduction = "none"
    assert ours(LOGITS, TARGET).shape == (6,)


def test_a_value_of_a_batch_is_not_taken_for_one_of_samples():
    def spread(logits, target):
        return torch.log_softmax(logits, 1).gather(1, target[:, None]).std(correction=0)

    with pytest.raises(ValueError, match=r"say per='batch'"):
        from_module(spread)(LOGITS, TARGET)
    ours = from_module(spread, per="batch")
    assert ours(LOGITS, TARGET) == spread(LOGITS, TARGET)
    with pytest.raises(ValueError, match=r"one per batch"):
        ours(LOGITS, TARGET, weight=torch.ones(6))


def test_what_gives_no_loss_is_refused():
    with pytest.raises(ValueError, match=re.escape("gives shape (6, 4) for 6 samples")):
        from_module(lambda s, y: s)(LOGITS, TARGET)
    with pytest.raises(UserError, match="module must be a function or torch module, not 3"):
        from_module(3)
    with pytest.raises(UserError, match="per must be sample or batch, not 'row'"):
        from_module(nn.CrossEntropyLoss(), per="row")


def test_the_contract_of_the_benchmark():
    config = {"num_classes": 4, "epoch": 3, "total_epochs": 10}
    for name, given in (("focal", {"gamma": 3.0}), ("nce + 0.5 * rce", {}), ("mmce", {})):
        mine = compute_loss(name, **given)
        assert mine(LOGITS, TARGET, config) == get_loss(name, **given)(LOGITS, TARGET)
        assert mine(LOGITS, TARGET, SimpleNamespace(**config)).ndim == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ldam", "needs class_counts, cosine_head"),
        ("nt_xent", "takes two_view"),
        ("online_label_smoothing", "moves between epochs"),
        ("online_label_smoothing + focal", "moves between epochs"),
        ("fokal", "did you mean focal"),
    ],
)
def test_what_the_contract_has_no_place_for(name, says):
    with pytest.raises(UserError, match=says):
        compute_loss(name)
