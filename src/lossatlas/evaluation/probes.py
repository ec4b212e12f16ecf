"""How good frozen features are: k nearest neighbours and a linear probe."""

import torch
import torch.nn.functional as F
from torch import Tensor


def knn_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor,
    k: int = 200, temperature: float = 0.07,
) -> float:  # fmt: skip
    """Accuracy of a weighted k-nearest-neighbour vote on features (N, D) by cosine similarity.

    Each of the k nearest training rows votes for its label with weight exp(cos / temperature)
    (Wu et al., 2018, arXiv:1805.01978).
    """
    train, test = F.normalize(train.float(), dim=1), F.normalize(test.float(), dim=1)
    k = min(k, len(train))
    classes = int(train_labels.max()) + 1
    hits = 0
    for rows, labels in zip(test.split(1000), test_labels.split(1000), strict=True):
        similarity, nearest = (rows @ train.T).topk(k, dim=1)
        weights = ((similarity - 1) / temperature).exp()
        votes = torch.zeros(len(rows), classes, device=rows.device)
        votes.scatter_add_(1, train_labels[nearest], weights)
        hits += int((votes.argmax(1) == labels).sum())
    return hits / len(test)


def linear_probe_accuracy(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, l2: float = 1e-3
) -> float:
    """Accuracy of multinomial logistic regression on standardised frozen features (N, D).

    Minimises mean cross-entropy + l2/2 |W|^2 (bias free) by L-BFGS from zero: a convex problem,
    so the result has no seed.
    """
    mean, std = train.double().mean(0), train.double().std(0).clamp_min(1e-6)
    x, z = (train.double() - mean) / std, (test.double() - mean) / std
    classes = int(train_labels.max()) + 1
    weight = torch.zeros(x.shape[1], classes, dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ weight + bias, train_labels) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return ((z @ weight + bias).argmax(1) == test_labels).double().mean().item()
