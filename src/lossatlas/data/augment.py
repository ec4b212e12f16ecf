"""Batched augmentation of uint8 images on their own device: no workers, no PIL.

Images are kept as (N, H, W, 3); batches leave as (N, 3, 32, 32) float32 in channels-last memory,
normalised by the channel statistics of a training set.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from lossatlas.data.cifar10 import Statistics

PAD = 2
SIDE = 32


def normalise(images: Tensor, statistics: Statistics) -> Tensor:
    """uint8 (N, H, W, 3) to normalised float32 (N, 3, H, W), channels-last."""
    mean = torch.tensor(statistics.mean, device=images.device) * 255
    scale = 1 / (torch.tensor(statistics.std, device=images.device) * 255)
    return ((images.float() - mean) * scale).permute(0, 3, 1, 2)


def pad(images: Tensor) -> Tensor:
    """Reflect-pad uint8 (N, 32, 32, 3) by 2 pixels on each side, without leaving uint8."""
    at = torch.arange(-PAD, SIDE + PAD, device=images.device).abs()
    at = torch.where(at >= SIDE, 2 * SIDE - 2 - at, at)
    return images[:, at][:, :, at]


def crop_and_flip(padded: Tensor, rows: Tensor, flip: Tensor, generator: Generator) -> Tensor:
    """Random 32x32 crops of the chosen rows of `padded`, mirrored where `flip` (N,) says so.

    Both in one gather; returns uint8 (N, 32, 32, 3).
    """
    n, device = len(rows), padded.device
    side = padded.shape[1]
    offset = torch.randint(0, side - SIDE + 1, (2, n, 1), generator=generator).to(device)
    along = torch.arange(SIDE, device=device)
    across = torch.where(flip[:, None], SIDE - 1 - along, along)
    index = ((along + offset[0]) * side)[:, :, None] + (across + offset[1])[:, None, :]
    flat = padded.view(len(padded), side * side, 3)
    return flat[rows[:, None], index.view(n, -1)].view(n, SIDE, SIDE, 3)


def alternating_flip(n: int, seed: int, epoch: int) -> Tensor:
    """Bool (n,): each image is mirrored or not at random once, then the other way each epoch."""
    first = torch.rand(n, generator=Generator().manual_seed(seed)) < 0.5
    return first ^ bool(epoch % 2)


def simclr_view(images: Tensor, generator: Generator, statistics: Statistics) -> Tensor:
    """One random view of uint8 (N, 32, 32, 3) as SimCLR makes it for CIFAR-10 (arXiv:2002.05709).

    Resized crop of 20-100 % of the area, mirror, colour jitter (0.4, 0.4, 0.4, hue 0.1) with
    probability 0.8, grey with probability 0.2, no blur. Hue turns in YIQ space and the jitters
    come in one fixed order; both differ from the PIL pipeline. Returns float32 (N, 3, 32, 32).
    """
    n, device = len(images), images.device

    def uniform(low: float, high: float, size: int = n) -> Tensor:
        return torch.rand(size, generator=generator).to(device) * (high - low) + low

    area, ratio = uniform(0.2, 1.0), torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    zero = torch.zeros(n, device=device)
    theta = torch.stack(
        [
            torch.stack([width * mirror, zero, uniform(-1, 1) * (1 - width)], 1),
            torch.stack([zero, height, uniform(-1, 1) * (1 - height)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 3, SIDE, SIDE], align_corners=False)
    x = images.permute(0, 3, 1, 2).float() / 255
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    jitter = uniform(0, 1) < 0.8
    x = torch.where(jitter[:, None, None, None], _brightness_contrast(x, uniform), x)
    grey = uniform(0, 1) < 0.2
    matrix = _saturation_hue(
        torch.where(grey, zero, torch.where(jitter, uniform(0.6, 1.4), zero + 1)),
        torch.where(jitter, uniform(-0.1, 0.1), zero) * 2 * math.pi,
    )
    x = torch.einsum("nij,njhw->nihw", matrix, x).clamp(0, 1)
    mean = torch.tensor(statistics.mean, device=device)[:, None, None]
    std = torch.tensor(statistics.std, device=device)[:, None, None]
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def _brightness_contrast(x: Tensor, uniform) -> Tensor:  # type: ignore[no-untyped-def]
    x = (x * uniform(0.6, 1.4)[:, None, None, None]).clamp(0, 1)
    level = x.mean((1, 2, 3), keepdim=True)
    return ((x - level) * uniform(0.6, 1.4)[:, None, None, None] + level).clamp(0, 1)


# NTSC luma and the two chroma axes; a hue shift is a rotation of the chroma plane.
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def _saturation_hue(saturation: Tensor, angle: Tensor) -> Tensor:
    """Colour matrices (N, 3, 3) in RGB for a chroma gain and a chroma rotation per sample."""
    cos, sin = saturation * angle.cos(), saturation * angle.sin()
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    rotation = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    to_yiq = _TO_YIQ.to(angle.device)
    return torch.linalg.inv(to_yiq) @ rotation @ to_yiq
