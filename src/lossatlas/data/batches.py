"""Batches cut from tensors that already lie on the device: the whole data path of a run.

All randomness of an epoch comes from (seed, epoch), so that an epoch can be made again exactly.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lossatlas.data import augment
from lossatlas.data.cifar10 import Statistics
from lossatlas.seeds import derive


class Images(NamedTuple):
    """Images of one split: pixels uint8 (N, 32, 32, 3), what the loss sees, the true labels, their
    places in the data set, and what normalises them."""

    pixels: Tensor
    target: Tensor
    labels: Tensor
    indices: Tensor
    statistics: Statistics

    def to(self, device: torch.device) -> "Images":
        """The same on `device`."""
        pixels, target, labels, indices = (tensor.to(device) for tensor in self[:4])
        return Images(pixels, target, labels, indices, self.statistics)

    def take(self, rows: Tensor) -> "Images":
        """The chosen rows."""
        pixels, target, labels, indices = (tensor[rows] for tensor in self[:4])
        return Images(pixels, target, labels, indices, self.statistics)


class Batch(NamedTuple):
    """Images (B, 3, 32, 32), or V views of them (V B, 3, 32, 32), one below the other; what the
    loss sees; and which of the training samples in use they are, (B,) int64 from 0."""

    inputs: Tensor
    target: Tensor
    indices: Tensor


class TrainBatches:
    """One epoch of batches; rows in a random order, whole batches.

    With `views` = V > 0 the images are V independent SimCLR views, one below the other,
    (V B, 3, 32, 32). The target is the scenario's, wrong labels included, for every loss.
    """

    def __init__(
        self,
        images: Images,
        padded: Tensor,
        batch_size: int,
        seed: int,
        epoch: int,
        views: int,
    ):
        self.images, self.padded, self.views = images, padded, views
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch

    def __len__(self) -> int:
        return len(self.images.pixels) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        n, device = len(self.images.pixels), self.images.pixels.device
        generator = Generator().manual_seed(derive(self.seed, "order", self.epoch))
        order = torch.randperm(n, generator=generator).to(device)
        flip = augment.alternating_flip(n, derive(self.seed, "flip"), self.epoch).to(device)
        statistics = self.images.statistics
        for i in range(len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            target = self.images.target[rows]
            if self.views:
                pixels = self.images.pixels[rows]
                views = [
                    augment.simclr_view(pixels, generator, statistics) for _ in range(self.views)
                ]
                yield Batch(torch.cat(views), target, rows)
            else:
                crops = augment.crop_and_flip(self.padded, rows, flip[rows], generator)
                yield Batch(augment.normalise(crops, statistics), target, rows)


class PlainBatches:
    """All rows in order, normalised, not augmented: (images, target, labels)."""

    def __init__(self, images: Images, batch_size: int = 500):
        self.images, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return -(-len(self.images.pixels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for pixels, target, labels in zip(
            *(t.split(self.batch_size) for t in self.images[:3]), strict=True
        ):
            yield augment.normalise(pixels, self.images.statistics), target, labels
