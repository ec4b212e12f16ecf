"""The optimiser and schedule of a recipe, the same for every loss."""

import torch
from torch import nn

from lossatlas.losses.base import Loss
from lossatlas.training.config import RecipeConf


def build_optimiser(network: nn.Module, loss: Loss, recipe: RecipeConf) -> torch.optim.SGD:
    """Nesterov SGD; batch-norm parameters get their own rate and decay.

    They learn `norm_lr_factor` times faster and decay as much slower, so that the decay per
    step is the same for all. So do a loss's own parameters with the factor `lr_factor`.
    """
    norm: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for part in network.modules():
        is_norm = isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
        group = norm if is_norm else other
        group += [p for p in part.parameters(recurse=False) if p.requires_grad]
    own = [p for p in loss.parameters() if p.requires_grad]
    groups = [
        (other, 1.0),
        (norm, recipe.norm_lr_factor),
        *([(own, loss.lr_factor)] if own else []),
    ]
    return torch.optim.SGD(
        [
            {
                "params": parameters,
                "lr": recipe.lr * factor,
                "weight_decay": recipe.weight_decay / factor,
            }
            for parameters, factor in groups
        ],
        momentum=recipe.momentum,
        nesterov=True,
    )


def triangle(step: int, steps: int, recipe: RecipeConf) -> float:
    """Multiplier of the learning rate: linear from `lr_start` to 1 in the first `warmup` share of
    the steps, then linear to `lr_end`."""
    peak = recipe.warmup * steps
    if step < peak:
        return recipe.lr_start + (1 - recipe.lr_start) * step / peak
    return 1 + (recipe.lr_end - 1) * (step - peak) / (steps - peak)
