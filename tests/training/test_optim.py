"""The schedule and the parameter groups of a recipe."""

import pytest
import torch
from torch import nn

from lossatlas.training.config import RecipeConf
from lossatlas.training.optim import build_optimiser, triangle

RECIPE = RecipeConf(
    name="r", epochs=1, batch_size=2, lr=0.5, momentum=0.9, weight_decay=0.01,
    norm_lr_factor=16, warmup=0.2, lr_start=0.2, lr_end=0.02,
)  # fmt: skip


def test_the_rate_climbs_to_its_peak_and_falls():
    values = [triangle(step, 100, RECIPE) for step in range(101)]
    assert values[0] == pytest.approx(0.2)
    assert values[10] == pytest.approx(0.6)
    assert values[20] == pytest.approx(1.0)
    assert values[60] == pytest.approx(0.51)
    assert values[100] == pytest.approx(0.02)
    assert max(values) == values[20]


def test_norms_learn_faster_with_the_same_decay_per_step():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    net[0].bias.requires_grad = False
    loss = nn.Module()
    loss.centers = nn.Parameter(torch.zeros(2))
    loss.lr_factor = 100.0
    other, norm, own = build_optimiser(net, loss, RECIPE).param_groups
    assert [tuple(p.shape) for p in norm["params"]] == [(4,), (4,)]
    assert len(other["params"]) == 3  # conv weight, linear weight and bias
    assert own["params"] == [loss.centers]
    assert own["lr"] == 50.0
    assert own["lr"] * own["weight_decay"] == pytest.approx(other["lr"] * other["weight_decay"])
    assert norm["lr"] == 16 * other["lr"] == 8.0
    assert norm["lr"] * norm["weight_decay"] == pytest.approx(other["lr"] * other["weight_decay"])
