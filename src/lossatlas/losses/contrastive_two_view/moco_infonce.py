"""InfoNCE against a queue of keys, the loss of MoCo."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.quantities import unit
from lossatlas.losses.registry import register


@register
class MocoInfoNCE(EmbeddingLoss):
    """MoCo (He et al., CVPR 2020, arXiv:1911.05722), eq. 1.

    Each query, view 1 of an image, has to pick out the twin's key of view 2 among the
    `queue_size` last keys of earlier batches, by cosine similarity; keys have no gradient. In
    training the keys of the batch then replace the oldest. With `symmetric` = 1 the views also
    change roles: both values are added, and the keys of view 1 and then of view 2 enter the queue.
    A zero vector has cosine 0 with every other. Labels are ignored.
    """

    target = "two_view"
    per = "sample"
    min_batch = 1
    parts = ("momentum_encoder",)
    gradient = "the twin's projections"
    queue: Tensor
    pointer: Tensor

    def __init__(
        self,
        temperature: float = 0.1,
        queue_size: float = 4096.0,
        twin_momentum: float = 0.99,
        symmetric: float = 0.0,
    ):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.queue_size = in_range("queue_size", queue_size, "whole [1, inf)")
        self.twin_momentum = in_range("twin_momentum", twin_momentum, "[0, 1]")
        self.symmetric = in_range("symmetric", symmetric, "whole [0, 1]")

    def setup(self, *, feature_dim: int) -> None:
        """Make the queue (K, D) of random unit vectors, and the pointer () to its oldest row."""
        self.register_buffer("queue", unit(torch.randn(int(self.queue_size), feature_dim)))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def twin_keeps(self, progress: float) -> float:
        """How much of itself the twin keeps at each step: `twin_momentum`."""
        return self.twin_momentum

    def per_sample(self, embeddings: Tensor, labels: Tensor | None, *, keys: Tensor) -> Tensor:
        """Values (N,) for projections (2, N, D) and those of the twin (2, N, D)."""
        q, k = unit(embeddings), unit(keys.detach())
        values = self._against_queue(q[0], k[1])
        if self.symmetric:
            values = values + self._against_queue(q[1], k[0])
        if self.training:
            self._enqueue(k.flatten(0, 1) if self.symmetric else k[1])
        return values

    def _against_queue(self, query: Tensor, key: Tensor) -> Tensor:
        mine = (query * key).sum(1, keepdim=True)
        logits = torch.cat([mine, query @ self.queue.to(query).T], 1) / self.temperature
        first = torch.zeros(len(query), dtype=torch.int64, device=query.device)
        return F.cross_entropy(logits, first, reduction="none")

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        size = len(self.queue)
        rows = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        # A new tensor: the backward pass still needs the old one. Keys beyond its size never enter.
        self.queue = self.queue.index_copy(0, rows[-size:], keys[-size:].to(self.queue))
        self.pointer = (self.pointer + len(keys)) % size
