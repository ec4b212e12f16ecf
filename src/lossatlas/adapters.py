"""Both ways between our losses and other people's code."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.base import Composite, LogitLoss, Loss

AGREE = 1e-4  # relative; a float32 mean of a batch is closer to the mean of its samples
GIVEN = {"num_classes", "epochs", "epoch", "progress"}  # what a benchmark's `config` says


class Adapted(LogitLoss):
    """Another library's `module(logits, target)` as a loss of ours.

    In a file of the registry it is the base of a class with the decorator `@register`, whose
    constructor hands the module on: `super().__init__(TheirLoss(gamma))`.

    Args:
        module: takes logits (N, K) and class indices (N,); gives N values or their mean. A string
            attribute `reduction` is set to "none" on a copy, and what a sample then has more than
            one value of (one a class, say) is reduced as it was; without one it is called for
            each sample by itself, which is slow.

    Raises:
        ValueError: at a call, if it gives something else; if its value for a batch is not the mean
            over samples, for which a subclass says `per = "batch"`.
    """

    target = "class_index"

    def __init__(self, module: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        module, self.reduced = copy.deepcopy(module), getattr(module, "reduction", None)
        if self.per == "sample" and isinstance(self.reduced, str):
            module.reduction = "none"  # type: ignore[attr-defined]
        self.module = module

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,), or one of the batch, for logits (N, K) and class indices (N,)."""
        found = self.module(logits, target)
        n = len(logits)
        if self.per == "batch":
            return found.squeeze()
        if found.shape == (n,):
            return found
        if found.ndim > 1 and len(found) == n and self.reduced in ("mean", "sum", "batchmean"):
            rest = found.flatten(1)
            return rest.mean(1) if self.reduced == "mean" else rest.sum(1)
        name = " ".join(str(self.module).split())
        if found.numel() != 1:
            raise ValueError(f"{name} gives shape {tuple(found.shape)} for {n} samples")
        rows = [self.module(logits[i : i + 1], target[i : i + 1]).reshape(()) for i in range(n)]
        values = torch.stack(rows)
        if not torch.allclose(values.mean(), found.squeeze(), rtol=AGREE, equal_nan=True):
            raise ValueError(
                f"{name} gives {found.item():.6g} for a batch and {values.mean():.6g} as "
                "the mean over its samples; say per='batch' if its value belongs to the batch"
            )
        return values


def from_module(module: Callable[[Tensor, Tensor], Tensor], per: str = "sample") -> Adapted:
    """Any `loss(logits, target)` of another library as a loss that can be checked and compared.

    Args:
        module: see `Adapted`.
        per: "sample", or "batch" where the value is no mean over samples.

    Raises:
        UserError: `module` cannot be called, or `per` is neither of the two.
    """
    if not callable(module):
        raise UserError(f"module must be a function or torch module, not {module!r:.80}")
    kinds = {"sample": Adapted, "batch": _OfBatches}
    if per not in kinds:
        raise UserError(f"per must be sample or batch, not {per!r}")
    return kinds[per](module)


class _OfBatches(Adapted):
    per = "batch"


def compute_loss(name: str, **hyperparameters: Any) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """A loss of ours as the function `compute_loss(logits, targets, config)` of MLS-Bench.

    Args:
        name: id or expression of a loss of logits with class indices.
        hyperparameters: of a loss given by its id.

    Returns:
        A function of logits (N, K), class indices (N,) and a mapping or namespace with
        `num_classes`, `epoch` (from 0) and `total_epochs`; it gives the mean, a scalar.

    Raises:
        UserError: there is no such loss, or it needs what a `config` does not say.
    """

    def moves(part: Any) -> bool:
        own = isinstance(part, Loss) and not isinstance(part, Composite)
        return own and type(part).end_epoch is not Loss.end_epoch

    loss = registry.get_loss(name, **hyperparameters)
    if loss.target != "class_index":
        raise UserError(f"{name}: takes {loss.target}, and compute_loss has class indices")
    if any(moves(part) for part in loss.modules()):
        raise UserError(f"{name}: moves between epochs, of which compute_loss is not told")
    if missing := [need for need in loss.requires if need not in GIVEN]:
        raise UserError(f"{name}: needs {', '.join(missing)}, which no config of compute_loss says")

    def compute(logits: Tensor, targets: Tensor, config: Any) -> Tensor:
        said = config if isinstance(config, Mapping) else vars(config)
        now, epochs = said.get("epoch"), said.get("total_epochs")
        if loss.missing_facts():
            loss.provide(num_classes=said.get("num_classes"), epochs=epochs)
        moments = {"epoch": now, "progress": now / epochs} if now is not None and epochs else {}
        return loss.to(logits.device)(logits, targets, **moments)

    return compute
