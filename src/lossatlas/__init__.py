"""Loss Atlas: a survey of loss functions that runs."""

from lossatlas.losses.registry import get_card, get_loss, list_losses, register

__all__ = ["get_card", "get_loss", "list_losses", "register"]
__version__ = "0.1.0"
