"""What stands between the backbone and the loss: heads, a predictor, a momentum twin.

`assemble` puts together what a loss names in `parts`; a part more costs a line in `HEADS`, or here.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.losses.base import Loss
from lossatlas.losses.quantities import unit
from lossatlas.models.heads import LinearHead, projector


class CosineHead(nn.Module):
    """Cosines (N, K) of features (N, D) with class weights; 0 for a feature of zeros."""

    def __init__(self, feature_dim: int, num_classes: int):
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(feature_dim, num_classes, bias=False).weight.detach())

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(unit(features.float()), unit(self.weight.float()))


class DistanceHead(nn.Module):
    """Minus the Euclidean distances (N, K) of features (N, D) to learned prototypes.

    The prototypes start at 0, or drawn as the weights of a linear layer are.
    """

    def __init__(self, feature_dim: int, num_classes: int, drawn: bool):
        super().__init__()
        start = nn.Linear(feature_dim, num_classes, bias=False).weight.detach()
        self.weight = nn.Parameter(start if drawn else torch.zeros_like(start))

    def forward(self, features: Tensor) -> Tensor:
        apart = features.float()[:, None] - self.weight.float()
        square = apart.square().sum(2)
        # The slope of a distance is 1 everywhere but at the prototype itself, where it is taken 0.
        return -torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


class FixedPrototypes(nn.Module):
    """Cosines (N, K) of features (N, D) with the K corners of a simplex, which stay as they are."""

    weight: Tensor

    def __init__(self, feature_dim: int, num_classes: int):
        super().__init__()
        if feature_dim < num_classes:
            raise ValueError(
                f"fixed_prototypes need features of at least {num_classes} numbers, one a class; "
                f"the network has {feature_dim}"
            )
        axes = torch.linalg.qr(torch.randn(feature_dim, num_classes)).Q.T
        self.register_buffer("weight", unit(axes - axes.mean(0)))

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(unit(features.float()), self.weight.float())


HEADS: dict[str, Callable[[Loss, int, int], nn.Module]] = {
    "cosine_head": lambda _, dim, k: CosineHead(dim, k),
    "distance_head": lambda loss, dim, k: DistanceHead(dim, k, drawn=loss.prototypes == "drawn"),
    "fixed_prototypes": lambda _, dim, k: FixedPrototypes(dim, k),
}
PARTS = (*HEADS, "extra_output", "predictor", "momentum_encoder")


class Sizes(NamedTuple):
    """What the heads of a network are made for."""

    num_classes: int
    head_scale: float
    projector_width: int
    projector_dim: int


class Network(nn.Module):
    """Backbone, head, and whatever else a loss needs of a network.

    Attributes:
        backbone: images (N, 3, 32, 32) to features (N, D).
        head: features to logits, or to projections.
        predictor: projections to embeddings of the same size, or None.
        twin: backbone and head as a running mean of the others, or None.
    """

    def __init__(
        self, backbone: nn.Module, head: nn.Module, predictor: nn.Module | None, twin: bool
    ):
        super().__init__()
        self.backbone, self.head, self.predictor = backbone, head, predictor
        self.twin: nn.Module | None = None
        if twin:
            self.twin = copy.deepcopy(nn.Sequential(backbone, head)).requires_grad_(False)

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the twin's weights: `momentum` of themselves, the rest of the network's."""
        if self.twin is None:
            return
        ours = [*self.backbone.parameters(), *self.head.parameters()]
        for mine, theirs in zip(self.twin.parameters(), ours, strict=True):
            mine.lerp_(theirs.detach(), 1 - momentum)


def assemble(backbone: nn.Module, loss: Loss, sizes: Sizes) -> Network:
    """The network that a loss needs.

    Args:
        backbone: maps images to features (N, D); has D as `feature_dim`.

    Raises:
        ValueError: the loss names parts that exclude one another, or the features are too few.
    """
    dim, k = cast(int, backbone.feature_dim), sizes.num_classes
    heads = [word for word in HEADS if word in loss.requires]
    if len(heads) > 1 or (heads and loss.kind.on_embeddings):
        raise ValueError(f"a network has one head; the loss needs {' and '.join(heads)}")
    if heads:
        head = HEADS[heads[0]](loss, dim, k)
    elif loss.kind.on_embeddings:
        head = projector(dim, sizes.projector_width, sizes.projector_dim)
    else:
        head = LinearHead(dim, k + loss.extra_outputs, sizes.head_scale)
    predictor = None
    if "predictor" in loss.requires:
        predictor = projector(sizes.projector_dim, sizes.projector_width, sizes.projector_dim)
    return Network(backbone, head, predictor, "momentum_encoder" in loss.requires)
