"""Scenarios: which targets the training images get."""

import pytest
import torch

from lossatlas.data.scenarios import CAT, DOG, hits, targets
from lossatlas.errors import UserError

LABELS = torch.arange(10).repeat(500)
PETS = (LABELS == CAT) | (LABELS == DOG)


def test_clean_lifts_the_labels_and_leaves_them():
    assert torch.equal(targets("clean", LABELS, "class_index", 0, 0.5), LABELS)
    assert torch.equal(targets("clean", LABELS, "two_view", 0, 0.5), LABELS)
    one_hot = torch.nn.functional.one_hot(LABELS, 10)
    assert torch.equal(targets("clean", LABELS, "label_set", 0, 0.5), one_hot.bool())
    assert torch.equal(targets("clean", LABELS, "distribution", 0, 0.5), one_hot.float())


def test_ambiguous_pets_agree_across_types_of_target():
    sets = targets("ambiguous_pets", LABELS, "label_set", 7, 0.5)
    soft = targets("ambiguous_pets", LABELS, "distribution", 7, 0.5)
    hard = targets("ambiguous_pets", LABELS, "class_index", 7, 0.5)
    unclear = sets.sum(1) == 2
    assert not unclear[~PETS].any()
    assert abs(unclear[PETS].float().mean() - 0.5) < 0.05  # 1000 fair coins: sd 0.016
    assert sets[unclear][:, [CAT, DOG]].all()
    assert torch.equal(soft, sets / sets.sum(1, keepdim=True))
    assert torch.equal(hard[~unclear], LABELS[~unclear])
    assert set(hard[unclear].tolist()) == {CAT, DOG}
    wrong = (hard != LABELS)[unclear].float().mean()
    assert abs(wrong - 0.5) < 0.08
    assert hits(torch.nn.functional.one_hot(hard, 10).float(), sets).all()


def test_the_labels_depend_on_the_seed_and_probability_alone():
    def draw(seed, p=0.5):
        return targets("ambiguous_pets", LABELS, "class_index", seed, p)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(draw(1, 0.0), LABELS)
    assert (targets("ambiguous_pets", LABELS, "label_set", 1, 1.0)[PETS].sum(1) == 2).all()


def test_hits_by_type_of_target():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    assert hits(logits, torch.tensor([0, 1])).tolist() == [True, False]
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    assert hits(logits, soft).tolist() == [True, False]
    assert hits(logits, soft > 0).tolist() == [True, False]


def test_what_a_scenario_does_not_give_is_refused():
    with pytest.raises(UserError, match="legal: clean, ambiguous_pets"):
        targets("murky", LABELS, "class_index", 0, 0.5)
    with pytest.raises(UserError, match="no complementary labels"):
        targets("clean", LABELS, "complementary", 0, 0.5)
