"""The images of a run, on their device, cut into batches for Lightning."""

from contextlib import suppress

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Generator, Tensor

from lossatlas.data import augment, scenarios, sets
from lossatlas.data.batches import Images, PlainBatches, TrainBatches
from lossatlas.data.cifar10 import Dataset
from lossatlas.errors import UserError
from lossatlas.evaluation.metrics import hits
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.quantities import one_hot
from lossatlas.seeds import derive
from lossatlas.training.config import Config

UNUSED = 5000  # at most so many of the images that `recipe.train_limit` leaves fit a temperature


class ImageData(pl.LightningDataModule):
    """Training images with the scenario's targets, and the images that the run is scored on.

    Those are the test images, or with `holdout` that many training images, set apart by one
    fixed permutation; then the test images are not looked at. A scenario thins out what is left
    for training, under `recipe.train_limit` too; the held-out images stay as they are.
    `unused` are up to 5,000 that the limit left over, thinned out and labelled as the scenario does
    it (wrong labels stay wrong), or None where there are none.
    After training the network is asked about what is `predicted`: the scored images as "test", some
    that it was trained on as "train", and for logits without `holdout` those "unused".
    `kind` is the target type of the loss, `views` the strength of each augmented view of an image
    that it takes at once (none: it takes logits of single images), `samples_per_class` what its
    batches are made of (see `TrainBatches`).
    """

    def __init__(
        self, cfg: Config, kind: str, views: tuple[str, ...], device: torch.device,
        samples_per_class: int = 1,
    ):  # fmt: skip
        super().__init__()
        self.cfg, self.kind, self.views = cfg, kind, views
        self.samples_per_class = samples_per_class
        if cfg.recipe.batch_size % samples_per_class:
            raise UserError(
                f"recipe.batch_size is {cfg.recipe.batch_size}, but batches of loss "
                f"{cfg.loss.name!r} are made of groups of {samples_per_class} samples of a class; "
                "give a multiple of that"
            )
        source = sets.load(cfg.data)
        self.classes = source.classes
        pool = self._images(source, "train", device)
        order = torch.randperm(len(pool.pixels), generator=Generator().manual_seed(0)).to(device)
        held, rest = order[: cfg.holdout], order[cfg.holdout :]
        limit = len(rest) if cfg.recipe.train_limit is None else cfg.recipe.train_limit
        self.unused = self._unused(pool, rest[limit:][:UNUSED])
        rest = rest[:limit].sort().values
        rest = self._left(pool, rest)
        if len(rest) < cfg.recipe.batch_size:
            raise UserError(
                f"recipe.batch_size is {cfg.recipe.batch_size}, but only {len(rest)} training "
                f"images are left (data {cfg.data.name}, {cfg.scenario.name}, "
                f"holdout {cfg.holdout})"
            )
        self.train = pool.take(rest)
        self.subset = self.train.take(torch.arange(min(cfg.keep_train, len(rest)), device=device))
        self.scored = pool.take(held) if cfg.holdout else self._images(source, "test", device)
        if cfg.holdout and KINDS[kind].names == "wrong":  # what it leaves is the target's support
            left = ~one_hot(self.scored.target, len(self.classes))
            self.scored = self.scored._replace(target=left)
        if cfg.recipe.test_limit is not None and not cfg.holdout:
            few = min(cfg.recipe.test_limit, len(self.scored.labels))
            self.scored = self.scored.take(torch.arange(few, device=device))
        self.padded = augment.pad(self.train.pixels)
        self.predicted = {"test": self.scored, "train": self.subset}
        fitting = not KINDS[kind].on_embeddings and KINDS[kind].names == "right"
        if self.unused is not None and not cfg.holdout and fitting:
            self.predicted["unused"] = self.unused

    def _unused(self, pool: Images, rows: Tensor) -> Images | None:
        with suppress(UserError):  # too few for the scenario
            left = self._left(pool, rows)
            return pool.take(left) if len(left) else None
        return None

    def _left(self, pool: Images, rows: Tensor) -> Tensor:
        """Which of some rows (N,) of the training images the scenario leaves, (M,) int64."""
        labels = pool.labels[rows].cpu()
        kept = scenarios.rows(self.cfg.scenario, labels, self.classes, self.cfg.seed)
        return rows[kept.to(rows.device)]

    def _images(self, source: Dataset, split: str, device: torch.device) -> Images:
        images = getattr(source, split)
        labels = torch.from_numpy(np.array(images.labels))
        scenario = self.cfg.scenario if split == "train" else {"name": "clean"}
        # Of test images it is told what they are, whatever the loss is told in training.
        kind = self.kind if split == "train" or KINDS[self.kind].names != "wrong" else "class_index"
        target = scenarios.targets(scenario, labels, kind, self.classes, self.cfg.seed)
        pixels = torch.from_numpy(np.array(np.moveaxis(images.images, 1, 3), order="C"))
        indices = torch.arange(len(labels))
        return Images(pixels, target, labels, indices, source.statistics).to(device)

    def effective_noise(self) -> float:
        """Share of the training targets that leave the true class out."""
        true = one_hot(self.train.labels, len(self.classes)).float()
        wrong = KINDS[self.kind].names == "wrong"
        return (~hits(true, self.train.target, wrong)).double().mean().item()

    def class_sizes(self) -> Tensor:
        """Training images of each class by their true labels, (K,) int64 on the CPU."""
        return torch.bincount(self.train.labels, minlength=len(self.classes)).cpu()

    def class_counts(self) -> Tensor:
        """Training samples of each class, (K,) float64, as the loss's own targets have it.

        A sample with several classes counts in equal or given shares for each.

        Raises:
            UserError: a class has no sample.
        """
        target = self.train.target
        shares = (target if target.ndim == 2 else one_hot(target, len(self.classes))).double()
        counts = (shares / shares.sum(1, keepdim=True)).sum(0)
        if (counts == 0).any():
            empty = [self.classes[k] for k in (counts == 0).nonzero().flatten().tolist()]
            raise UserError(
                f"the loss needs training images of every class, but of the {len(target)} in use "
                f"none is of class {scenarios.some(empty)}; raise recipe.train_limit or lower "
                "holdout"
            )
        return counts

    def stem_images(self) -> torch.Tensor:
        """The first 5,000 training images, normalised: what a whitening stem looks at."""
        return augment.normalise(self.train.pixels[:5000], self.train.statistics)

    def train_dataloader(self) -> TrainBatches:
        """The batches of the trainer's current epoch (Lightning asks anew each epoch)."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        torch.manual_seed(derive(self.cfg.seed, "epoch", epoch))  # for losses that draw numbers
        size = self.cfg.recipe.batch_size
        return TrainBatches(
            self.train, self.padded, size, self.cfg.seed, epoch, self.views, self.samples_per_class
        )

    def val_dataloader(self) -> list[PlainBatches]:
        """The scored images; for embedders the training subset before them."""
        scored = PlainBatches(self.scored)
        return [PlainBatches(self.subset), scored] if self.views else [scored]

    def predict_dataloader(self) -> list[PlainBatches]:
        """What is `predicted`, in that order."""
        return [PlainBatches(images) for images in self.predicted.values()]
