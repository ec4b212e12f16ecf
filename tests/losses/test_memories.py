"""Losses with a memory: how it moves in training, that it stands still else, and its gradient."""

import copy
import math

import pytest
import torch

from lossatlas import get_loss

P = torch.tensor([0.705384513, 0.259496459, 0.035119026], dtype=torch.float64)  # of LOGITS
LOGITS = torch.tensor([[2.0, 1.0, -1.0]], dtype=torch.float64)


def elr(**hyperparameters):
    loss = get_loss("elr", **hyperparameters).provide(num_samples=3, num_classes=3)
    return loss.double().train()


def test_elr_moves_the_memory_of_its_sample_before_it_is_used():
    loss = elr(clamp=0)
    y, second = torch.tensor([0]), torch.tensor([1])
    assert loss(LOGITS, y, indices=second).item() == pytest.approx(-0.209404, abs=1e-6)
    torch.testing.assert_close(loss.memory[1], 0.3 * P)
    # Turned round, the prediction is too: 0.7 of 0.3 p and 0.3 of the turned p.
    loss(LOGITS.flip(1), y, indices=second)
    torch.testing.assert_close(loss.memory[1], 0.21 * P + 0.3 * P.flip(0))
    assert not loss.memory[[0, 2]].any()


def test_elr_remembers_clipped_shares():
    loss = elr(clamp=0.1)
    loss(LOGITS, torch.tensor([0]), indices=torch.tensor([2]))
    clipped = P.clamp(0.1, 0.9)
    torch.testing.assert_close(loss.memory[2], 0.3 * clipped / clipped.sum())


def test_elr_in_evaluation_remembers_nothing():
    loss = elr().eval()
    loss.memory[1] = P
    before = copy.deepcopy(loss.state_dict())
    value = loss(LOGITS, torch.tensor([0]), indices=torch.tensor([1]))
    assert loss(LOGITS, torch.tensor([0]), indices=torch.tensor([1])) == value
    torch.testing.assert_close(loss.state_dict(), before, atol=0, rtol=0)


@pytest.mark.parametrize("clamp", [0.0, 1e-4, 0.1])
def test_the_gradient_of_elr_is_that_with_its_new_memory_held_fixed(clamp):
    loss = elr(clamp=clamp)
    loss.memory[:] = torch.tensor([0.1, 0.6, 0.2])
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.0, 0.3, 0.1]], dtype=torch.float64)
    y, indices = torch.tensor([0, 2]), torch.tensor([2, 0])
    leaf = logits.clone().requires_grad_()
    loss(leaf, y, indices=indices).backward()
    loss.eval()  # with the memory that the step has left behind
    frozen = logits.clone().requires_grad_()
    loss(frozen, y, indices=indices).backward()
    torch.testing.assert_close(leaf.grad, frozen.grad, atol=1e-14, rtol=0)
    assert torch.autograd.gradcheck(lambda x: loss(x, y, indices=indices), frozen)


def test_elr_is_finite_where_memory_and_prediction_are_one_class():
    for clamp in (0.0, 1e-4):
        loss = get_loss("elr", clamp=clamp).provide(num_samples=1, num_classes=3).train()
        logits = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
        for _ in range(60):
            value = loss(logits, torch.tensor([0]), indices=torch.tensor([0]))
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


def ols():
    loss = get_loss("online_label_smoothing").provide(num_classes=3).double().train()
    logits = torch.cat([LOGITS, LOGITS.flip(1), torch.zeros(1, 3, dtype=torch.float64)])
    return loss, logits


def test_online_label_smoothing_swaps_in_the_means_of_right_samples_at_the_end_of_an_epoch():
    loss, logits = ols()
    loss(logits[[0, 0, 1]], torch.tensor([0, 1, 0]))  # right, wrong, wrong
    loss(logits[[2, 1]], torch.tensor([0, 2]))  # right (equal scores: the first), right
    assert not loss.soft.any()
    loss.end_epoch()
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(loss.soft, torch.stack([(P + third) / 2, third, P.flip(0)]))
    loss(logits[:1], torch.tensor([0]))
    torch.testing.assert_close(loss.soft[0], (P + third) / 2)
    loss.end_epoch()  # nothing of the epoch before is left
    torch.testing.assert_close(loss.soft, torch.stack([P, third, third]))


def test_online_label_smoothing_watches_training_alone():
    loss, logits = ols()
    loss.eval()
    loss(logits, torch.tensor([0, 2, 0]))
    assert not loss.sums.any()
    assert not loss.counts.any()


def test_cals_moves_multipliers_then_penalty_parameters_by_held_out_images():
    loss = get_loss("cals", margin=2.0).provide(num_classes=3).double().train()
    start = {name: value.clone() for name, value in loss.state_dict().items()}
    logits = torch.tensor([[6.0, 0.0, 5.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    labels = torch.zeros(2, dtype=torch.int64)
    loss(logits, labels)
    assert all(torch.equal(value, start[name]) for name, value in loss.state_dict().items())
    # h = (-1, 2, -1/2) and (-1/2, -1, -1/2): slopes l + h, of which only the second class has one
    loss.end_epoch(epoch=0, held_out=(logits, labels))
    least, second = 1e-6, (1e-6 + 2 + 1e-6) / 2
    moved = torch.tensor([least, second, least], dtype=torch.float64)
    torch.testing.assert_close(loss.multipliers, moved)
    torch.testing.assert_close(loss.previous, logits.new_tensor([-0.75, 0.5, -0.5]))
    loss.end_epoch(epoch=9, held_out=(logits, labels))
    torch.testing.assert_close(loss.multipliers[1], (second + 2 + logits.new_tensor(least)) / 2)
    torch.testing.assert_close(loss.rho, logits.new_tensor([1.0, 1.2, 1.0]))
    loss.rho.fill_(9)
    loss.end_epoch(epoch=19, held_out=(0.8 * logits, labels))  # h of 0.2 is less than 0.9 of 0.5
    assert torch.equal(loss.rho, torch.full_like(moved, 9))
    loss.end_epoch(epoch=29, held_out=(logits, labels))
    torch.testing.assert_close(loss.rho, logits.new_tensor([9.0, 10.0, 9.0]))


@pytest.mark.parametrize(
    ("gamma", "confidence", "right", "moved"),
    [
        (1.0, 0.7, 1, math.exp(0.2)),  # half of the two are right: too sure by 0.2
        (0.21, 0.8, 2, -0.2),  # not sure enough, and below 0.2 the sign changes
        (-1.0, 0.7, 1, -math.exp(-0.2)),
        (19.0, 0.9, 0, 20.0),
        (0.0, 0.9, 0, 0.0),
    ],
)
def test_adafocal_moves_a_gamma_by_the_gap_of_its_bin(gamma, confidence, right, moved):
    loss = get_loss("adafocal", gamma_initial=gamma, num_bins=1).double().train()
    logits = torch.tensor([[0.0, math.log(confidence / (1 - confidence))]] * 2).double()
    loss.end_epoch(held_out=(logits, torch.tensor([int(right > i) for i in range(2)])))
    torch.testing.assert_close(loss.gamma, torch.tensor([moved]).double())


def test_adafocal_has_bins_of_as_many_held_out_images_each():
    loss = get_loss("adafocal", num_bins=2).double().train()
    sure = torch.tensor([0.6, 0.7, 0.8, 0.9], dtype=torch.float64)
    logits = torch.stack([torch.zeros(4).double(), torch.log(sure / (1 - sure))], 1)
    loss.end_epoch(held_out=(logits, torch.tensor([1, 1, 0, 0])))
    torch.testing.assert_close(loss.edges, torch.tensor([0.75]).double())
    moved = [math.exp(0.65 - 1), math.exp(0.85)]
    torch.testing.assert_close(loss.gamma, torch.tensor(moved).double())
    # A label's probability of 0.9 is looked up in the upper bin, one of 0.1 in the lower.
    values = loss.per_sample(logits[3:].expand(2, 2), torch.tensor([1, 0]))
    wanted = [-(0.1 ** moved[1]) * math.log(0.9), -(0.9 ** moved[0]) * math.log(0.1)]
    torch.testing.assert_close(values, torch.tensor(wanted).double())
