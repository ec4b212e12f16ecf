"""What losses are tried out with: legal batches, also of two classes."""

import re
from functools import partial

import pytest
import torch

from lossatlas import list_losses
from lossatlas.cards import Limit
from lossatlas.losses import examples, registry
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.examples import batch, ready
from lossatlas.losses.targets import check_target

NORMAL = partial(torch.randn, dtype=torch.float64)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_a_batch_is_legal_for_a_loss_of_each_target(k):
    classes = {loss.target: loss for loss in map(registry.get_class, list_losses())}
    assert len(classes) >= 6
    for kind, cls in classes.items():
        inputs, target = batch(cls, 12, k, NORMAL)
        if inputs.ndim == 2:
            check_target(kind, target, 12, k)
        elif kind == "two_view":
            assert target is None
        else:
            assert target.tolist() == [i // 2 % k for i in range(12)]


class Remembering(EmbeddingLoss):
    target = "labelled_embedding"
    views = 1

    def setup(self, *, num_classes: int) -> None:
        self.register_buffer("seen", torch.zeros(num_classes))

    def per_sample(self, embeddings, labels):
        if self.training:
            self.seen[labels] += 1
        return embeddings.square().sum((0, 2))


@pytest.mark.parametrize("k", [2, 5])
def test_a_loss_with_a_memory_of_classes_is_tried_out_with_those_it_has(k, monkeypatch):
    monkeypatch.setattr(examples, "get_loss", lambda *_, **__: Remembering())
    assert (ready("remembering", k).seen > 0).all()


@pytest.mark.parametrize(
    ("other", "there", "says"),
    [
        ("cross_entropy", {}, None),
        ("gce", {"q": 0.5}, None),
        ("gce", {"q": 0.0}, r"limit 'gce': gce: q must be a number in \(0, 1\]"),
        ("gce", {"gamma": 0.0}, "limit 'gce': gce has no hyperparameter 'gamma'"),
        ("no_such_loss", {}, "limit 'no_such_loss': there is no loss 'no_such_loss'"),
        ("nt_xent", {}, "limit 'nt_xent': that loss takes other inputs"),
        ("forward_complementary", {}, "limit 'forward_complementary': that loss takes other"),
    ],
)
def test_a_limit_that_no_loss_can_keep_is_a_fault_of_the_card(other, there, says, monkeypatch):
    limit = Limit(equals=other, when={"gamma": 0.0}, and_there=there)
    card = registry.get_card("focal").model_copy(update={"limits": [limit]})
    monkeypatch.setattr(examples, "get_card", lambda name: card)
    found = examples.faults("focal")
    assert len(found) == (says is not None)
    assert all(re.match(says, fault) for fault in found)
