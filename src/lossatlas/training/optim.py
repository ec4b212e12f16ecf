"""The optimiser and schedule of a recipe, the same for every loss."""

from collections.abc import Iterable

import torch
from torch import nn

from lossatlas.training.config import RecipeConf


def build_optimiser(modules: Iterable[nn.Module], recipe: RecipeConf) -> torch.optim.SGD:
    """Nesterov SGD; batch-norm parameters get their own rate and decay.

    They learn `norm_lr_factor` times faster and decay as much slower, so that the decay per
    step is the same for all.
    """
    norm: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for module in modules:
        for part in module.modules():
            is_norm = isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
            group = norm if is_norm else other
            group += [p for p in part.parameters(recurse=False) if p.requires_grad]
    factor = recipe.norm_lr_factor
    return torch.optim.SGD(
        [
            {"params": other, "lr": recipe.lr, "weight_decay": recipe.weight_decay},
            {
                "params": norm,
                "lr": recipe.lr * factor,
                "weight_decay": recipe.weight_decay / factor,
            },
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
