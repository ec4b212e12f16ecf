"""Scenarios in a run: which images are trained on, which stay untouched, what the row says."""

import pytest
import torch

from lossatlas import list_losses, results
from lossatlas.data import cifar10, scenarios
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.training import run
from lossatlas.training.config import resolve
from lossatlas.training.data import ImageData

ALL = ("recipe.train_limit=null", "data.n_train=2000", "data.n_test=500")  # 200 a class
TAIL = (*ALL, "scenario=long_tail", "scenario.imbalance=10")
SIZES = [200, 154, 119, 92, 71, 55, 43, 33, 25, 20]
CIFAR10 = ("data=cifar10",)
CPU = torch.device("cpu")


def data(cfg, kind="class_index"):
    resolve(cfg)
    return ImageData(cfg, kind, (), CPU)


@pytest.mark.parametrize("kind", ["class_index", "distribution", "label_set", "two_view"])
def test_every_type_of_loss_trains_on_the_same_tail(kind, make_cfg):
    found = data(make_cfg(*TAIL), kind)
    assert torch.bincount(found.train.labels).tolist() == SIZES
    assert torch.equal(found.train.indices, data(make_cfg(*TAIL)).train.indices)
    assert len(found.padded) == sum(SIZES)
    batches = found.train_dataloader()
    assert sum(len(target) for _, target, _ in batches) == sum(SIZES) // 64 * 64
    assert torch.bincount(found.scored.labels).tolist() == [50] * 10
    assert found.effective_noise() == 0


def test_the_tail_is_another_at_another_seed(make_cfg):
    one, other = (data(make_cfg(*TAIL, f"seed={seed}")).train.indices for seed in (0, 1))
    assert not torch.equal(one, other)


def test_held_out_images_have_no_tail(make_cfg):
    held = data(make_cfg(*ALL, "holdout=400")).scored
    found = data(make_cfg(*TAIL, "holdout=400"))
    assert torch.equal(found.scored.indices, held.indices)
    assert not set(found.train.indices.tolist()) & set(held.indices.tolist())
    left = 200 - torch.bincount(held.labels)
    wanted = [int(left.max() * 10 ** (-k / 9)) for k in range(10)]
    assert torch.bincount(found.train.labels).tolist() == [
        min(a, b) for a, b in zip(wanted, left.tolist(), strict=True)
    ]


def test_held_out_labels_are_as_noisy_as_the_rest(make_cfg):
    scored = data(make_cfg(*ALL, "scenario=symmetric_noise", "holdout=1000")).scored
    assert abs((scored.target != scored.labels).double().mean() - 0.4) < 0.06  # sd 0.011
    scored = data(make_cfg(*ALL, "scenario=symmetric_noise")).scored
    assert torch.equal(scored.target, scored.labels)  # the test images


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjustment", "ldam"])
def test_losses_that_count_are_told_the_sizes_of_the_tail(name, make_cfg, monkeypatch):
    told = []
    provide = registry.get_class(name).provide
    monkeypatch.setattr(
        registry.get_class(name),
        "provide",
        lambda self, **given: (told.append(given["class_counts"]), provide(self, **given))[1],
    )
    row = run.execute(make_cfg(*TAIL, f"loss={name}", "recipe.lr=0.01", "recipe.epochs=1"))
    assert row["state"] == "done", row["reason"]
    assert told[0].tolist() == SIZES


@pytest.mark.parametrize(
    ("scenario", "loss", "noise"),
    [
        ("clean", "cross_entropy", 0.0),
        ("symmetric_noise", "cross_entropy", 0.4),
        ("symmetric_noise", "set_margin_hinge", 0.4),
        ("symmetric_noise", "soft_target_kl", 0.4),
        ("asymmetric_noise", "cross_entropy", 0.2),
        ("long_tail", "cross_entropy", 0.0),
        ("long_tail", "nt_xent", 0.0),
    ],
)
def test_a_run_of_each_scenario_says_what_was_done(scenario, loss, noise, make_cfg):
    row = run.execute(make_cfg(*ALL, f"scenario={scenario}", f"loss={loss}", "recipe.epochs=1"))
    assert row["state"] == "done", row["reason"]
    assert row["scenario"] == scenario
    assert row["effective_noise"] == pytest.approx(noise, abs=1e-12)
    assert row["train_size"] == (492 if scenario == "long_tail" else 2000)
    assert results.load().loc[0, "train_size"] == row["train_size"]


def test_a_set_that_holds_the_true_class_is_no_noise(make_cfg):
    cfg = make_cfg(*ALL, "scenario=ambiguous_pets")
    assert data(cfg, "label_set").effective_noise() == 0
    assert data(cfg, "distribution").effective_noise() == 0
    assert 0.02 < data(cfg).effective_noise() < 0.08  # half of half of two classes


@pytest.mark.parametrize("scenario", scenarios.names())
def test_labels_and_images_do_not_depend_on_the_loss(scenario, make_cfg):
    known = [
        (found.train.indices, found.train.target)
        for name in list_losses(target="class_index")[:3]
        for found in [data(make_cfg(*ALL, f"loss={name}", f"scenario={scenario}"))]
    ]
    for other in known[1:]:
        assert all(map(torch.equal, known[0], other))


def test_real_cifar10_has_the_published_sizes(make_cfg):
    assert cifar10.fetch().is_dir()
    found = data(make_cfg(ALL[0], *CIFAR10, "scenario=long_tail", "recipe.test_limit=null"))
    assert torch.bincount(found.train.labels).tolist() == [
        5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50,
    ]  # fmt: skip
    assert len(found.scored.labels) == 10_000


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("scenario=long_tail", "scenario.imbalance=0.5"),
            "imbalance must be a number in .1, 1e6., not 0.5",
        ),
        ((*TAIL, "scenario.imbalance=1e4"), "imbalance 10000 leaves no image of class"),
        (
            (*TAIL, "recipe.batch_size=1000"),
            "only 812 training images are left .data synthetic, long_",
        ),
    ],
)
def test_an_illegal_tail_is_one_sentence_and_leaves_no_row(overrides, said, make_cfg):
    with pytest.raises(UserError, match=said):
        run.execute(make_cfg(*overrides))
    assert results.load().empty
