"""ResNet-18 (He et al., 2016) with the usual stem for 32x32 images."""

import torch.nn.functional as F
from torch import Tensor, nn


class ResNet18(nn.Module):
    """Images (N, 3, 32, 32) to features (N, widths[-1]): a 3x3 stem, no max pool, two blocks a
    stage, the first stage at full resolution."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            blocks += [_Block(before, width, 1 if stage == 0 else 2), _Block(width, width, 1)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.feature_dim = widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Mean over the last map."""
        return self.blocks(self.stem(images)).mean((2, 3))


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.skip = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.skip(x))
