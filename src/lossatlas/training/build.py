"""What a run is made with: the network with its loss, and the trainer."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import nn

from lossatlas.errors import UserError
from lossatlas.losses.base import Loss
from lossatlas.models import own
from lossatlas.models.airnet import AirNet
from lossatlas.models.parts import Sizes, assemble
from lossatlas.models.resnet import ResNet18
from lossatlas.seeds import derive
from lossatlas.training import machine, provide
from lossatlas.training.config import Config, ModelConf
from lossatlas.training.data import ImageData
from lossatlas.training.journal import Checkpoints
from lossatlas.training.modules import MODULES, LossModule


def build_backbone(conf: ModelConf, images: torch.Tensor) -> nn.Module:
    """The network of a configuration, its whitening stem (if any) set from `images`."""
    if own.is_own(conf.arch):
        return own.build(conf.arch, images)
    if conf.arch == "resnet18":
        return ResNet18(list(conf.widths))
    net = AirNet(
        list(conf.widths), conf.stem_kernel, conf.stem_stride, conf.stem_pad,
        conf.directions, list(conf.pools),
    )  # fmt: skip
    net.whiten(images)
    return net


def build_module(cfg: Config, loss: Loss, data: ImageData) -> LossModule:
    """Backbone, head and loss, initialised from the run's seed. Raises UserError."""
    provide.check_left(cfg.loss.name, loss, data.unused is not None)
    torch.manual_seed(derive(cfg.seed, "init"))
    backbone = build_backbone(cfg.model, data.stem_images().cpu())
    backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plan = provide.Plan(
        data, cfg.recipe.epochs, cfg.recipe.batch_size, int(backbone.feature_dim),
        cfg.model.projector_dim,
    )  # fmt: skip
    sizes = Sizes(
        len(data.classes), cfg.model.head_scale, cfg.model.projector_width, plan.projector_dim
    )
    try:
        with torch.random.fork_rng(devices=[]):  # what a loss draws leaves the network as it is
            torch.manual_seed(derive(cfg.seed, "loss"))
            loss.provide(**provide.facts(loss, plan))
        network = assemble(backbone, loss, sizes)
    except ValueError as error:
        raise UserError(f"loss {cfg.loss.name!r}: {error}") from None
    return MODULES[loss.kind.inputs](network, loss, cfg.recipe, cfg.seed, sizes.num_classes)


class Bar(RichProgressBar):
    """Lightning's, with epochs counted from 1 as everywhere here: it calls two of them 0/1, 1/1."""

    def _get_train_description(self, current_epoch: int) -> str:
        epoch = f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"
        return f"{epoch:{len(self.validation_description)}}"  # as wide, or the bar jumps


def build_trainer(cfg: Config, device: torch.device, **options: Any) -> pl.Trainer:
    """A Trainer that leaves files, seeds and output to us."""
    cuda = device.type == "cuda"
    return pl.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=1,
        max_epochs=cfg.recipe.epochs,
        precision=machine.precision(cfg.recipe.precision, device),  # type: ignore[arg-type]
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        # The first keeps Lightning's own SLURM handling out.
        plugins=[LightningEnvironment(), Checkpoints()],
        **options,
    )
