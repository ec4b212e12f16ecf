"""Losses of several views: how they are related, and what is held fixed in their gradients."""

import torch

from lossatlas.losses.registry import get_loss


def views(seed=0, n=6, d=5):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_supcon_with_a_class_an_image_is_nt_xent():
    z = views()
    ours = get_loss("supcon_out", "none", temperature=0.3)(z, torch.arange(6))
    theirs = get_loss("nt_xent", "none", temperature=0.3)(z)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
