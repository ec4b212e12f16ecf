"""Losses of several views: how they are related, and what is held fixed in their gradients."""

import math

import pytest
import torch

from lossatlas.losses.registry import get_loss


def views(seed=0, n=6, d=5):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_supcon_with_a_class_an_image_is_nt_xent():
    z = views()
    ours = get_loss("supcon_out", "none", temperature=0.3)(z, torch.arange(6))
    theirs = get_loss("nt_xent", "none", temperature=0.3)(z)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "given"), [("byol", {}), ("moco_infonce", {"queue_size": 7})])
def test_gradient_is_that_of_the_value_with_the_keys_held_fixed(name, given):
    torch.manual_seed(0)
    loss = get_loss(name, "sum", **given).provide(feature_dim=5).double().eval()
    keys = views(1).requires_grad_()
    z = views().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, keys=keys.detach()), z)
    loss(z, keys=keys).backward()
    assert keys.grad is None


def test_byol_pairs_each_prediction_with_the_key_of_the_other_view():
    keys = views(1)
    values = get_loss("byol", "none")(keys.flip(0), keys=keys)
    torch.testing.assert_close(values, torch.zeros_like(values), atol=1e-12, rtol=0)


def test_the_twin_of_byol_slows_down_from_base_tau_to_a_halt():
    loss = get_loss("byol", base_tau=0.9)
    assert [loss.twin_keeps(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 0.95, 1.0])


def test_the_queue_of_moco_moves_in_training_alone_and_drops_the_oldest():
    def step(*rows):  # keys of view 2 along these axes; those of view 1 must not enter
        keys = torch.stack([torch.eye(4)[[3] * len(rows)], 2 * torch.eye(4)[list(rows)]])
        return loss(keys, keys=keys)

    loss = get_loss("moco_infonce", queue_size=3).provide(feature_dim=4)
    start = loss.queue.clone()
    torch.testing.assert_close(start.norm(dim=1), torch.ones(3))
    loss.eval()
    step(0, 1)
    assert torch.equal(loss.queue, start)
    assert loss.pointer == 0
    loss.train()
    step(0, 1)
    assert torch.equal(loss.queue, torch.stack([*torch.eye(4)[[0, 1]], start[2]]))
    assert loss.pointer == 2
    step(2, 0)  # round the end: row 2, then row 0
    assert torch.equal(loss.queue, torch.eye(4)[[0, 1, 2]])
    assert loss.pointer == 1
    step(3, 0, 1, 2)  # more than there is room for: 3 never enters; from row 2 on
    assert torch.equal(loss.queue, torch.eye(4)[[1, 2, 0]])
    assert loss.pointer == 2


def test_moco_compares_with_the_queue_before_the_batch_enters_it():
    loss = get_loss("moco_infonce", queue_size=2).provide(feature_dim=2)
    with torch.no_grad():
        loss.queue.copy_(torch.tensor([[-1.0, 0.0], [-1.0, 0.0]]))
    z = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]], requires_grad=True)
    first, second = loss(z, keys=z), loss(z, keys=z)
    assert first.item() == pytest.approx(math.log1p(2 * math.exp(-20)), abs=1e-7)
    assert second.item() == pytest.approx(math.log(2 + math.exp(-20)))
    (first + second).backward()  # the queue that the first step saw is still there
    assert z.grad.isfinite().all()


def test_symmetric_moco_lets_the_keys_of_both_views_in():
    loss = get_loss("moco_infonce", queue_size=4, symmetric=1).provide(feature_dim=3)
    keys = torch.eye(3)[torch.tensor([[0, 1], [2, 0]])]
    loss(keys, keys=keys)
    assert torch.equal(loss.queue, torch.eye(3)[[0, 1, 2, 0]])


def test_a_correlation_that_is_not_the_identity_costs_what_barlow_twins_says():
    first = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    second = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    z = torch.stack([torch.stack([first, second], 1), torch.stack([second, first], 1)])
    loss = get_loss("barlow_twins", lam=0.1, eps=0)
    assert loss(z).item() == pytest.approx(2 + 0.1 * 2)  # the diagonal is 0, all else 1
    assert loss(7 * z + 3).item() == pytest.approx(2.2)


def test_the_proxies_are_learned_and_labels_without_a_proxy_refused():
    loss = get_loss("proxy_anchor").provide(num_classes=3, feature_dim=4)
    (proxies,) = loss.parameters()
    assert proxies.shape == (3, 4)
    z = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    loss(z, torch.tensor([0, 0, 2, 2, 2])).backward()
    assert (proxies.grad.norm(dim=1) > 0).all()  # class 1 is pushed, though it is not there
    with pytest.raises(ValueError, match="labels must hold class indices 0 to 2; 3 is none"):
        loss(z, torch.tensor([0, 0, 2, 2, 3]))
