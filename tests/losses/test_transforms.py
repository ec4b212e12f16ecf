"""Losses inside torch.compile and torch.func, with `validate` on; and class counts that stay."""

import copy
import io

import pytest
import torch

import lossatlas
from lossatlas import get_loss
from lossatlas.contract.inputs import batch_of, make
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS

# What is drawn comes from a generator, which no graph and no function transform takes.
NAMES = [n for n in lossatlas.list_losses() if "randomness" not in registry.get_class(n).requires]
CLASSES = {name: registry.get_class(name) for name in NAMES}
SAMPLES = [n for n, c in CLASSES.items() if c.per == "sample" and not KINDS[c.target].on_embeddings]


@pytest.mark.parametrize("name", NAMES)
def test_compiles_as_one_graph(name: str) -> None:
    torch._dynamo.reset()
    loss = make(name)
    inputs, target = batch_of(lossatlas.get_card(name))
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs, target), loss(inputs, target))
    assert loss.validate


@pytest.mark.parametrize("name", SAMPLES)
def test_function_transforms_agree_with_autograd(name: str) -> None:
    loss = make(name, "none")
    logits, target = batch_of(lossatlas.get_card(name))

    def one(s, y):
        return loss(s[None], y[None])[0]

    torch.testing.assert_close(torch.func.vmap(one)(logits, target), loss(logits, target))
    leaf = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(leaf, target).sum(), leaf)
    each = torch.func.vmap(torch.func.grad(one))(logits, target)
    torch.testing.assert_close(each, expected)
    jacobian = torch.func.jacrev(lambda s: loss(s, target))(logits)
    torch.testing.assert_close(jacobian.sum(0), expected)


def test_values_are_checked_where_there_are_values() -> None:
    loss = get_loss("cross_entropy")
    with pytest.raises(ValueError, match="target must hold class indices 0 to 2"):
        loss(torch.zeros(1, 3), torch.tensor([3]))


@pytest.mark.parametrize("change", ["half", "bfloat16", "float", "double"])
def test_class_counts_stay_exact_whatever_the_net_becomes(change: str) -> None:
    counts = [5000.0, 4997.0, 33.5]
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 3), get_loss("ldam") + 2 * get_loss("balanced_softmax")
    )
    net[1].provide(class_counts=counts)
    before = net[1](torch.zeros(1, 3), torch.tensor([2]), progress=0.9)
    getattr(net, change)()
    for _, part in net[1].terms():
        assert part.class_counts.dtype == torch.float64
        assert part.class_counts.tolist() == counts
    assert net[1](torch.zeros(1, 3), torch.tensor([2]), progress=0.9) == before


@pytest.mark.parametrize("given", [None, [1.0, 2.0, 3.0, 4.0]])
def test_a_checkpoint_brings_its_class_counts(given: list[float] | None) -> None:
    counts = [5000.0, 4997.0, 33.5]
    saved = get_loss("ldam") + get_loss("cross_entropy")
    file = io.BytesIO()
    torch.save(saved.provide(class_counts=counts).state_dict(), file)
    file.seek(0)
    loaded = copy.deepcopy(get_loss("ldam") + get_loss("cross_entropy"))
    loaded.provide(class_counts=given)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    logits, target = torch.zeros(1, 3), torch.tensor([2])
    assert loaded(logits, target, progress=0.9) == saved(logits, target, progress=0.9)
