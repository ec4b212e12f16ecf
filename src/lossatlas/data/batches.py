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


def grouped(order: Tensor, classes: Tensor, size: int, generator: Generator) -> Tensor:
    """Rows in the order given, rearranged into groups of `size` rows of one class, (G * size,).

    The groups are in random order. No row is left out; a class whose rows make no whole number of
    groups has some of them twice.

    Args:
        order: (N,) int64 rows.
        classes: (N,) int64, the class of each row from 0 to N - 1.
    """
    of, groups = classes[order], []
    for c in classes.unique():
        rows = order[of == c]
        filled = torch.arange(-(-len(rows) // size) * size, device=rows.device) % len(rows)
        groups.append(rows[filled].view(-1, size))
    every = torch.cat(groups)
    return every[torch.randperm(len(every), generator=generator).to(order.device)].flatten()


class TrainBatches:
    """One epoch of batches; rows in a random order, whole batches.

    With `views`, V names of `VIEWS`, the images are V independent views, one below the other,
    (V B, 3, 32, 32). With `samples_per_class` above 1, a batch is made of groups of so many samples
    of one class, by the targets (N,); the batch size must be a multiple of it. The target is the
    scenario's, wrong labels included, for every loss.
    """

    def __init__(
        self,
        images: Images,
        padded: Tensor,
        batch_size: int,
        seed: int,
        epoch: int,
        views: tuple[str, ...] = (),
        samples_per_class: int = 1,
    ):
        self.images, self.padded, self.views = images, padded, views
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch
        self.samples_per_class = samples_per_class

    def __len__(self) -> int:
        return len(self.images.pixels) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        n, device = len(self.images.pixels), self.images.pixels.device
        generator = Generator().manual_seed(derive(self.seed, "order", self.epoch))
        order = torch.randperm(n, generator=generator).to(device)
        if self.samples_per_class > 1:
            order = grouped(order, self.images.target, self.samples_per_class, generator)
        flip = augment.alternating_flip(n, derive(self.seed, "flip"), self.epoch).to(device)
        statistics = self.images.statistics
        for i in range(len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            target = self.images.target[rows]
            if self.views:
                views = [VIEWS[name](self, rows, generator) for name in self.views]
                yield Batch(torch.cat(views), target, rows)
            else:
                crops = augment.crop_and_flip(self.padded, rows, flip[rows], generator)
                yield Batch(augment.normalise(crops, statistics), target, rows)


def _strong(batches: TrainBatches, rows: Tensor, generator: Generator) -> Tensor:
    """A view as SimCLR makes it."""
    images = batches.images
    return augment.simclr_view(images.pixels[rows], generator, images.statistics)


def _weak(batches: TrainBatches, rows: Tensor, generator: Generator) -> Tensor:
    """A view as classifiers see it: moved by up to 2 pixels, mirrored or not."""
    flip = (torch.rand(len(rows), generator=generator) < 0.5).to(rows.device)
    crops = augment.crop_and_flip(batches.padded, rows, flip, generator)
    return augment.normalise(crops, batches.images.statistics)


VIEWS = {"weak": _weak, "strong": _strong}


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
