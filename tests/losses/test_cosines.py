"""Losses of cosines: what they are without a margin, and at the ends of the range."""

import math

import torch
import torch.nn.functional as F

from lossatlas.losses.registry import get_loss


def test_arcface_without_margin_is_cross_entropy_of_scaled_cosines():
    cosines = torch.rand(50, 7, dtype=torch.float64) * 2 - 1
    target = torch.arange(50) % 7
    ours = get_loss("arcface", "none", scale=9, margin=0)(cosines, target)
    theirs = F.cross_entropy(9 * cosines, target, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_arcface_has_the_slope_of_cos_m_at_the_ends():
    cosines = torch.tensor([[1.0, 0.3], [-1.0, 0.3]], requires_grad=True)
    loss = get_loss("arcface", "none", scale=4)
    values = loss(cosines, torch.tensor([0, 0]))
    (slope,) = torch.autograd.grad(values.sum(), cosines)
    wrong = 1 - torch.exp(-values.detach())
    torch.testing.assert_close(slope[:, 1], 4 * wrong)
    torch.testing.assert_close(slope[:, 0], -4 * wrong * math.cos(0.5))
