"""Of each image one class is named that it is not, drawn uniformly from the others: a loss on
complementary labels is told it, a loss on sets all classes but it, a loss on distributions equal
shares of these, a loss on class indices one of them at random.

Ishida et al. (2017, arXiv:1705.07541).
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from lossatlas.data.scenarios import lift
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.quantities import one_hot


def targets(labels: Tensor, kind: str, classes: Sequence[str], generator: Generator) -> Tensor:
    """The same class is named of an image for every kind of loss."""
    k = len(classes)
    wrong = (labels + torch.randint(1, k, labels.shape, generator=generator)) % k
    guess = (wrong + torch.randint(1, k, labels.shape, generator=generator)) % k
    if KINDS[kind].names == "wrong":
        return wrong
    return lift(~one_hot(wrong, k) if KINDS[kind].several else guess, kind, k)
