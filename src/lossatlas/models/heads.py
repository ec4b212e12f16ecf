"""What stands on the features: a linear classifier, or the projector of contrastive learning."""

from torch import Tensor, nn


class LinearHead(nn.Module):
    """Features (N, D) to logits (N, K): no bias, scaled by a constant of the model."""

    def __init__(self, feature_dim: int, num_classes: int, scale: float):
        super().__init__()
        self.linear = nn.Linear(feature_dim, num_classes, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features) * self.scale

    @property
    def weight(self) -> Tensor:
        """The class weights as they count, (K, D): logits are their products with features."""
        return self.linear.weight * self.scale


def projector(feature_dim: int, width: int, out_dim: int) -> nn.Sequential:
    """The two-layer projector of SimCLR, with batch norm: (N, D) to (N, out_dim)."""
    return nn.Sequential(
        nn.Linear(feature_dim, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, out_dim, bias=False),
    )
