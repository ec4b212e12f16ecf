"""What a loss that requires class counts is told: those of the labels that it is trained on."""

import pytest
import torch

from lossatlas import results
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.training import run
from lossatlas.training.data import ImageData
from training.commands import SMOKE

COUNTING = (
    "self.seen.append(getattr(self, 'counts', None))\n"
    "        return torch.nn.functional.cross_entropy(logits, target, reduction='none')"
)
NEEDS = (
    "target = 'class_index'; seen = []\n"
    "    def setup(self, *, class_counts): self.counts = class_counts"
)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "overrides",
    [(), ("scenario=ambiguous_pets",), ("holdout=28", "recipe.train_limit=80", "seed=3")],
)
def test_counts_are_those_of_the_labels_in_training(overrides, make_cfg, own_loss):
    own_loss("counting", COUNTING, head=NEEDS)
    cfg = make_cfg("loss=counting", *overrides)
    assert run.execute(cfg)["state"] == "done"
    labels = ImageData(cfg, "class_index", (), CPU).train.target
    seen = registry.get_class("counting").seen[0]
    assert seen.tolist() == [(labels == k).sum().item() for k in range(10)]
    assert seen.sum() == len(labels) == (80 if overrides[1:] else 128)


def test_uncertain_labels_are_shared_out(make_cfg):
    cfg = make_cfg("scenario=ambiguous_pets")
    known = ImageData(cfg, "class_index", (), CPU).train.labels
    for kind in ("label_set", "distribution"):
        data = ImageData(cfg, kind, (), CPU)
        counts = data.class_counts()
        assert counts.sum() == len(known)
        others = [k for k in range(10) if k not in (3, 5)]
        assert counts[others].tolist() == [(known == k).sum().item() for k in others]
        assert counts[3] + counts[5] == ((known == 3) | (known == 5)).sum()
        both = (data.train.target[:, 3] > 0) & (data.train.target[:, 5] > 0)
        cats_alone = ((data.train.target[:, 3] > 0) & ~both).sum()
        assert both.any()
        assert counts[3] == cats_alone + both.sum() / 2


def test_a_loss_that_asks_for_none_gets_none(make_cfg, own_loss):
    own_loss("counting", COUNTING, head="target = 'class_index'; seen = []")
    assert run.execute(make_cfg("loss=counting"))["state"] == "done"
    assert registry.get_class("counting").seen[0] is None


def test_balanced_softmax_trains_and_a_sum_hands_the_counts_on(make_cfg):
    row = run.execute(make_cfg("loss=balanced_softmax", *SMOKE))
    assert row["state"] == "done", row["reason"]
    assert row["test_accuracy"] > 0.15
    total = make_cfg("loss=sum", "loss.terms=cross_entropy + 0.5 * balanced_softmax")
    assert run.execute(total)["state"] == "done"


def test_a_class_without_a_sample_is_one_sentence_and_leaves_no_row(make_cfg):
    cfg = make_cfg("loss=balanced_softmax", "recipe.batch_size=4", "recipe.train_limit=8")
    labels = ImageData(cfg, "class_index", (), CPU).train.target
    assert len(labels.unique()) < 10
    with pytest.raises(UserError, match="training images of every class, but of the 8 in use") as e:
        run.execute(cfg)
    names = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    absent = [name for k, name in enumerate(names) if k not in labels]
    assert f"none is of class {', '.join(absent)};" in str(e.value)
    assert results.load().empty


def test_a_fact_that_a_loss_refuses_is_one_sentence(make_cfg, own_loss):
    head = NEEDS.replace("self.counts = class_counts", "raise ValueError('counts must be even')")
    own_loss("choosy", COUNTING, head=head)
    with pytest.raises(UserError, match=r"^loss 'choosy': counts must be even$"):
        run.execute(make_cfg("loss=choosy"))
