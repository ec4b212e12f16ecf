"""A small convolutional net with a whitening stem, made for minutes on a CPU.

After the published airbench design (Jordan, 2024, arXiv:2404.00498): a frozen PCA-whitening
convolution, then groups that start near the identity. A strided stem is what makes it cheap.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AirNet(nn.Module):
    """Images (N, 3, 32, 32) to features (N, widths[-1]).

    Args:
        widths: channels of the groups.
        stem_kernel, stem_stride, stem_pad: geometry of the whitening convolution.
        directions: how many principal directions of the patches to keep; each is used with both
            signs, so the stem has twice as many channels.
        pools: whether each group halves its map.
    """

    def __init__(
        self, widths: list[int], stem_kernel: int, stem_stride: int, stem_pad: int,
        directions: int, pools: list[bool],
    ):  # fmt: skip
        super().__init__()
        self.stem = nn.Conv2d(3, 2 * directions, stem_kernel, stem_stride, stem_pad)
        self.stem.weight.requires_grad = False
        nn.init.zeros_(self.stem.bias)  # type: ignore[arg-type]
        channels = [2 * directions, *widths]
        self.groups = nn.Sequential(
            *(_Group(a, b, p) for a, b, p in zip(channels[:-1], widths, pools, strict=True))
        )
        self.feature_dim = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Global maximum over the last map."""
        return self.groups(F.relu(self.stem(images))).amax((2, 3))

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Set the stem so that patches of these normalised images (N, 3, 32, 32) come out white."""
        k, m = self.stem.kernel_size[0], self.stem.out_channels // 2
        patches = F.unfold(images, k).transpose(1, 2)  # 27 numbers a pixel: copied once
        patches = patches.to(torch.float64, memory_format=torch.contiguous_format).flatten(0, 1)
        patches -= patches.mean(0)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        scaled = vectors / (values + 5e-4).sqrt()
        top = scaled.T.flip(0)[:m].reshape(m, 3, k, k).float()
        # The sign of an eigenvector is arbitrary; fix it, so that every LAPACK gives one net.
        top = top * top.flatten(1).sum(1).sign()[:, None, None, None]
        self.stem.weight.copy_(torch.cat([top, -top]))


class _Group(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, pool: bool):
        super().__init__()
        self.conv1 = _near_identity(channels_in, channels_out)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.norm1 = _BiasNorm(channels_out)
        self.conv2 = _near_identity(channels_out, channels_out)
        self.norm2 = _BiasNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.pool(self.conv1(x))))
        return F.relu(self.norm2(self.conv2(x)))


class _BiasNorm(nn.BatchNorm2d):
    """Batch norm with a trained bias and no trained scale."""

    def __init__(self, channels: int):
        super().__init__(channels, momentum=0.4)
        self.weight.requires_grad = False


def _near_identity(channels_in: int, channels_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight.data[:channels_in])
    return conv
