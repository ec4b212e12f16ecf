"""Figures of one run, drawn from its evaluation bundle.

Each is a matplotlib Figure of its own; pyplot, which would keep it and open windows, is not asked.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.drawing import MANY, Figure, sns, styled
from lossatlas.evaluation import metrics
from lossatlas.evaluation.bundle import Outputs

POINTS = 2000  # of a scatter plot; more only cover each other
STYLE: dict[Any, Any] = {"font.size": 9, "axes.titlesize": 10, "legend.fontsize": 8}


def draw(outputs: Outputs) -> dict[str, Figure]:
    """The figures that a model's outputs allow, by name; embedders have no logits to judge."""
    with styled(STYLE):
        if outputs.logits is None:
            return {"features": features(outputs)}
        return {
            "confusion": confusion(outputs.logits, outputs.labels, outputs.classes),
            "reliability": reliability(outputs.logits, outputs.labels),
        }


def confusion(logits: Tensor, labels: Tensor, class_names: tuple[str, ...] = ()) -> Figure:
    """Confusion matrix of logits (N, K): of each true class the shares predicted as each, in %.

    The shares of more than `MANY` classes are not written into it.
    """
    classes = logits.shape[1]
    pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    counts = pairs.reshape(classes, classes).double()
    shares = (100 * counts / counts.sum(1, keepdim=True)).numpy()  # NaN: a class without images
    names = (class_names if classes <= MANY else ()) or "auto"  # numbers
    words = np.where(shares >= 0.5, np.char.mod("%.0f", shares), "") if classes <= MANY else None
    figure = Figure(figsize=(5.6, 5.4), dpi=120, layout="constrained")
    ax = figure.subplots()
    sns.heatmap(
        shares, ax=ax, annot=words, fmt="", annot_kws={"fontsize": 8}, square=True, cbar=False,
        linewidths=0.5 * (classes <= MANY), cmap="Blues", vmin=0, vmax=100,
        xticklabels=names, yticklabels=names,
    )  # fmt: skip
    ax.tick_params(axis="x", rotation=60)
    ax.tick_params(axis="y", rotation=0)
    accuracy = 100 * metrics.accuracy(logits, labels)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.set_title(f"share of each true class, %  (accuracy {accuracy:.2f} %, n = {len(labels):,})")
    return figure


def reliability(logits: Tensor, labels: Tensor) -> Figure:
    """Accuracy against confidence in the bins of the ECE, and how many images each bin holds."""
    bins = metrics.reliability(logits, labels)
    figure = Figure(figsize=(5, 5.4), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    filled = bins.counts > 0
    above.plot(bins.confidence[filled], bins.accuracy[filled], "o-", markersize=4, clip_on=False)
    above.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="accuracy")
    above.set_title(f"ECE {100 * metrics.ece(logits, labels):.2f} %  (n = {len(labels):,})")
    shares = (100 * bins.counts / bins.counts.sum()).numpy()
    below.bar(bins.edges[:-1].numpy(), shares, 1 / metrics.BINS, align="edge")
    below.set(xlabel="confidence", ylabel="images, %")
    return figure


def features(outputs: Outputs) -> Figure:
    """The first two principal components of features (N, D) of length 1, as the kNN sees them.

    More than `MANY` classes have no legend.
    """
    labels, classes = outputs.labels, int(outputs.labels.max()) + 1
    names = outputs.classes or tuple(map(str, range(classes)))
    points = F.normalize(outputs.features.double(), dim=1)
    points = points - points.mean(0)
    variances, axes = torch.linalg.eigh(points.T @ points)
    share = 100 * variances.flip(0) / variances.sum()
    first, second = (points[:POINTS] @ axes.flip(1)[:, :2]).T
    figure = Figure(figsize=(6.4, 5), dpi=120, layout="constrained")
    ax = figure.subplots()
    colours = sns.color_palette("tab10" if len(names) <= 10 else "husl", len(names))
    for k, (name, colour) in enumerate(zip(names, colours, strict=True)):
        mine = labels[:POINTS] == k
        ax.plot(first[mine], second[mine], ".", color=colour, markersize=4, alpha=0.7, label=name)
    ax.set_aspect("equal", "datalim")
    ax.set(xlabel=f"component 1 ({share[0]:.0f} % of the variance)", title="features by class")
    ax.set_ylabel(f"component 2 ({share[1]:.0f} %)")
    if len(names) <= MANY:
        figure.legend(loc="outside right center", frameon=False, markerscale=3)
    return figure
