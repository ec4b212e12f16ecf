"""A loss whose value is the batch's, and one with an output beyond those of the classes."""

import pytest
import torch

from lossatlas import get_loss

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
Y = torch.tensor([0, 1, 1])


def test_mmce_has_one_value_a_batch_and_takes_no_weights():
    for reduction in ("none", "mean", "sum"):
        assert get_loss("mmce", reduction)(LOGITS, Y).item() == pytest.approx(0.844392, abs=1e-6)
    with pytest.raises(ValueError, match="value per sample; this loss has one per batch"):
        get_loss("mmce")(LOGITS, Y, weight=torch.ones(3))


def test_the_root_of_mmce_has_no_slope_at_zero():
    loss = get_loss("mmce")
    for logits in (torch.tensor([[0.0, 200.0]]), torch.zeros(2, 2)):  # all right; gaps that cancel
        leaf = logits.requires_grad_()
        loss(leaf, torch.tensor([1, 0])[: len(leaf)]).backward()
        assert leaf.grad.isfinite().all()


def test_mmce_weighted_counts_a_sample_on_the_side_of_its_best_score():
    # In float32 the softmax of the first sample ties, though its second score is the larger one.
    nearly, mirrored = (torch.tensor([[a, b], [3.0, 0.0]]) for a, b in ((0.0, 1e-9), (1e-9, 0.0)))
    loss = get_loss("mmce_weighted")
    right, wrong = torch.tensor([1, 1]), torch.tensor([0, 1])
    assert loss(nearly, right) == loss(mirrored, wrong)  # the best score is the label's in both
    assert loss(nearly, wrong) == loss(mirrored, right)
    assert loss(nearly, right) != loss(nearly, wrong)


def test_in_pretraining_the_reserve_of_deep_gamblers_has_no_gradient():
    loss = get_loss("deep_gamblers", pretrain=2)
    for epoch, moves in ((0, False), (1, False), (2, True)):
        leaf = torch.tensor([[1.0, 0.0, 0.5]], requires_grad=True)
        loss(leaf, torch.tensor([0]), epoch=epoch).backward()
        assert (leaf.grad[0, 2] != 0) == moves


def test_deep_gamblers_wants_one_score_more_than_there_are_classes():
    loss = get_loss("deep_gamblers")
    with pytest.raises(ValueError, match="class indices 0 to 1"):
        loss(torch.zeros(1, 3), torch.tensor([2]), epoch=0)
    with pytest.raises(ValueError, match=r"K \+ 1 >= 3 scores"):
        loss(torch.zeros(1, 2), torch.tensor([0]), epoch=0)


def test_the_price_of_abstaining_starts_where_learning_ends_and_is_kept():
    loss = get_loss("dac_abstention", learn_epochs=1).provide(epochs=5)
    logits = torch.tensor([[1.0, 0.0, 0.5]])
    for epoch in (0, 1, 1, 2):
        loss(logits, torch.tensor([0]), epoch=epoch)
        assert (loss.start >= 0) == (epoch >= 1)
    kept = 1 - torch.softmax(logits, 1)[0, 2]
    label = torch.nn.functional.cross_entropy(logits[:, :2], torch.tensor([0]))
    assert loss.start.item() == pytest.approx((kept * label / 64).item(), rel=1e-5)
    before = loss.start.clone()
    loss.eval()(5 * logits, torch.tensor([1]), epoch=3)
    assert torch.equal(loss.start, before)


def test_an_odd_order_of_the_taylor_softmax_is_refused():
    with pytest.raises(ValueError, match=r"order must be an even whole number in .*, not 3"):
        get_loss("taylor_softmax_ce", order=3)
