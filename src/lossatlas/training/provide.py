"""What the runner provides to losses: three tables, a line a need (see `losses.needs`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lossatlas.data.batches import PlainBatches
from lossatlas.errors import UserError
from lossatlas.losses import needs
from lossatlas.losses.base import Loss
from lossatlas.losses.quantities import one_hot
from lossatlas.seeds import derive

if TYPE_CHECKING:
    from lossatlas.data.batches import Batch
    from lossatlas.training.data import ImageData
    from lossatlas.training.modules import LossModule


class Plan(NamedTuple):
    """What is known of a run before its first step."""

    data: "ImageData"
    epochs: int
    batch_size: int
    feature_dim: int  # of the backbone
    projector_dim: int


class Step(NamedTuple):
    """One training step: features (N, D) (of all views), and what the head made of them."""

    module: "LossModule"
    batch: "Batch"
    features: Tensor
    outputs: Tensor


def transition(data: "ImageData") -> Tensor:
    """P(observed | true label), (K, K) float64: as it came out in the training labels in use."""
    k = len(data.classes)
    observed = data.train.target
    shares = observed if observed.ndim == 2 else one_hot(observed, k)
    table = one_hot(data.train.labels, k).double().T @ shares.double()
    return table / table.sum(1, keepdim=True)


def _keys(step: Step) -> Tensor:
    """Projections (V, N, D) of the views: the twin's without gradient, else the network's own."""
    views = step.batch.inputs
    twin = step.module.network.twin
    if twin is None:
        return step.outputs.unflatten(0, (-1, len(step.batch.target)))
    with torch.no_grad():
        keys: Tensor = twin(views)
    return keys.unflatten(0, (-1, len(step.batch.target)))


def _randomness(step: Step) -> torch.Generator:
    seed = derive(step.module.seed, "moment", step.module.trainer.global_step)
    return torch.Generator(step.batch.inputs.device).manual_seed(seed)


@torch.no_grad()
def _held_out(module: "LossModule") -> tuple[Tensor, Tensor]:
    """Logits (M, K) float32 of the data's plain `unused` images, and their targets."""
    images = module.trainer.datamodule.unused  # type: ignore[attr-defined]
    network = module.network.eval()
    logits = [network.head(network.backbone(batch)).float() for batch, *_ in PlainBatches(images)]
    network.train()
    return torch.cat(logits), images.target


FACTS: dict[str, Callable[[Plan, Loss], Any]] = {
    "num_classes": lambda plan, _: len(plan.data.classes),
    "num_samples": lambda plan, _: len(plan.data.train.labels),
    "feature_dim": lambda plan, loss: (
        plan.projector_dim if loss.kind.on_embeddings else plan.feature_dim
    ),
    "class_counts": lambda plan, _: plan.data.class_counts(),
    "transition": lambda plan, _: transition(plan.data),
    "steps": lambda plan, _: plan.epochs * (len(plan.data.train.labels) // plan.batch_size),
    "epochs": lambda plan, _: plan.epochs,
}
MOMENTS: dict[str, Callable[[Step], Any]] = {
    "progress": lambda step: step.module.progress(),
    "epoch": lambda step: step.module.current_epoch,
    "indices": lambda step: step.batch.indices,
    "keys": _keys,
    "features": lambda step: step.features,
    "head_weight": lambda step: step.module.network.head.weight,
    "teacher_logits": lambda step: step.module.teacher_logits[step.batch.indices],
    "randomness": _randomness,
}
EPOCHS: dict[str, Callable[["LossModule"], Any]] = {
    "epoch": lambda module: module.current_epoch,
    "held_out": _held_out,
}


def facts(loss: Loss, plan: Plan) -> dict[str, Any]:
    """The facts that a loss needs."""
    return {word: FACTS[word](plan, loss) for word in loss.requires if word in FACTS}


def moments(loss: Loss, step: Step) -> dict[str, Any]:
    """The moments that a loss needs at this step."""
    return {word: MOMENTS[word](step) for word in loss.moment_names}


def between_epochs(module: "LossModule") -> dict[str, Any]:
    """What the module's loss needs now that an epoch has ended: facts, and moments of epochs."""
    return {
        word: EPOCHS[word](module) if word in EPOCHS else module.loss.facts[word]
        for word in _between_epochs(module.loss)
    }


def _between_epochs(loss: Loss) -> tuple[str, ...]:
    """What a loss, or a part of it, names there."""
    parts = [part for part in loss.modules() if isinstance(part, Loss)]
    return tuple(dict.fromkeys(w for part in parts for w in needs.keywords(part.end_epoch)))


def lacking(loss: Loss) -> list[str]:
    """What a loss needs and the runner does not provide."""
    found = [w for w in loss.moment_names if w not in MOMENTS]
    found += [w for w in _between_epochs(loss) if w not in (*FACTS, *EPOCHS, *found)]
    # A head that a loss of logits speaks of: an embedding loss has a projector.
    if loss.kind.on_embeddings:
        found += [w for w in ("head_weight", "features", "held_out") if w in loss.requires]
    return found


def check_left(name: str, loss: Loss, left: bool) -> None:
    """Raise UserError if the loss wants held-out images and none are `left`."""
    if "held_out" in loss.requires and not left:
        raise UserError(
            f"loss {name!r} learns from images that the run does not train on, and there are none; "
            "set recipe.train_limit to fewer images than there are, for instance 45000 of CIFAR-10"
        )
