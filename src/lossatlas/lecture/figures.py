"""The chapter's figures, each drawn from the functions that its checks test."""

import math

import numpy as np
import torch
from torch import Tensor

from lossatlas.drawing import WIDTH, Axes, Figure, Picture, drawing, svg
from lossatlas.lecture.descent import descend
from lossatlas.lecture.label_sets import set_loss, uniform
from lossatlas.lecture.log_loss import sandwich
from lossatlas.lecture.sample import values
from lossatlas.losses import quantities

BLACK, BLUE, ORANGE, GREY = "#000000", "#0173b2", "#b35900", "#8a8a8a"
CLASSES = 10
HEIGHT = math.sqrt(3) / 2  # of the simplex drawn with sides of length 1
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]], dtype=torch.float64)
PETS = torch.tensor([[True, True, False]])
LEVELS = [0.2, 0.5, 1.0, 2.0]  # nats
STEPS = 600  # of descent
LABELS_AT = (0.36, 0.5, 0.5, 0.5)  # x of each level's label, off the paths of descent
STARTS = torch.tensor(
    [[0.27, 0.13, 0.60], [0.05, 0.10, 0.85], [0.72, 0.22, 0.06], [0.42, 0.53, 0.05],
     [0.12, 0.58, 0.30]], dtype=torch.float64,
).log()  # fmt: skip


def pictures() -> list[tuple[str, Picture]]:
    """The figures with the ids of the sections they belong to."""
    with drawing():
        return [
            ("smooth-maximum", smooth_maximum()),
            ("log-loss", margin_losses()),
            ("label-sets", ambiguous_label()),
        ]


def smooth_maximum() -> Picture:
    """LSE between its bounds for two scores, and its excess over the maximum for more classes."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    t = torch.linspace(-4, 4, 161, dtype=torch.float64)
    scores = torch.stack([t, torch.zeros_like(t)], 1)
    top, lse = scores.amax(1), quantities.logsumexp(scores)
    left.fill_between(t, top, top + math.log(2), color=GREY, alpha=0.25, linewidth=0)
    left.plot(t, top + math.log(2), ":", color=BLACK, linewidth=1.2, label="max + log 2")
    left.plot(t, lse, color=BLUE, linewidth=2, label="LSE")
    left.plot(t, top, "--", color=BLACK, linewidth=1.2, label="max")
    left.set(title="two scores, (t, 0)", xlabel="t", xlim=(-4, 4), ylim=(-0.2, 4.8))
    left.legend(loc="upper left", frameon=False)
    lead = torch.linspace(0, 10, 201, dtype=torch.float64)
    told = []
    for k, style in ((2, "-"), (10, "--"), (100, ":")):
        ahead = torch.cat([lead[:, None], torch.zeros(len(lead), k - 1).double()], 1)
        excess = quantities.logsumexp(ahead) - lead
        right.plot(lead, excess, style, color=BLUE, linewidth=2)
        right.plot(0, math.log(k), "o", color=BLACK, markersize=4, clip_on=False)
        right.annotate(f"K = {k}", (0.4, math.log(k)), fontsize=8, va="center")
        told.append(f"for {k} classes from {excess[0]:.3f} to {excess[-1]:.2g}")
    right.set(title="LSE − max", xlabel="lead of the best over tied others")
    right.set(xlim=(0, 10), ylim=(0, 5.2))
    caption = (
        "Left: log-sum-exp of the scores (t, 0) stays in the shaded band between the maximum and "
        "the maximum plus log 2, and touches its upper edge at the tie. Right: its excess over the "
        "maximum is log K (dots) when all K scores tie and vanishes as the best one takes the lead."
    )
    alt = (
        f"Log-sum-exp and maximum of (t, 0): at t = 0 they are {lse[80]:.3f} and 0, at t = 4 "
        f"{lse[-1]:.3f} and 4. Excess over the maximum for leads from 0 to 10: {'; '.join(told)}."
    )
    return Picture("smooth-maximum.svg", caption, alt, svg(figure))


def margin_losses() -> Picture:
    """0-1 loss, hinge, and the band of the log loss against the margin, with random scores."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    ax = figure.subplots()
    m = torch.linspace(-4, 7, 441, dtype=torch.float64)
    low, high = sandwich(m, CLASSES)
    name = f"log loss, K = {CLASSES}: possible values"
    ax.fill_between(m, low, high, color=BLUE, alpha=0.2, linewidth=0, label=name)
    ax.plot(m, high, color=BLUE, linewidth=1.2)
    ax.plot(m, low, color=BLUE, linewidth=2, label="its lower end, log(1 + exp(−m))")
    g = torch.Generator().manual_seed(0)
    scale = 0.3 + 3 * torch.rand(400, 1, generator=g).double()
    scores = scale * torch.randn(400, CLASSES, generator=g).double()
    label = scores.topk(2)[1][torch.arange(400), torch.randint(0, 2, (400,), generator=g)]
    margin, loss = quantities.margin(scores, label), values("cross_entropy", scores, label)
    shown = (margin > -4) & (margin < 7)
    dots = f"log loss of {int(shown.sum())} random scores"
    ax.plot(margin[shown], loss[shown], ".", color=BLACK, markersize=2.5, label=dots)
    ax.plot(m, (1 - m).relu(), "--", color=ORANGE, linewidth=1.8, label="hinge")
    ax.plot(m, (-m).relu(), ":", color=BLACK, linewidth=1.4, label="max(0, −m)")
    ax.plot([-4, 0, 0, 7], [1, 1, 0, 0], "-.", color=BLACK, linewidth=1.4, label="0-1 loss")
    ax.plot(0, math.log(2), "s", color=BLUE, markersize=6, markeredgecolor="white")
    ax.annotate(
        "log 2", (0, math.log(2)), xytext=(-1.2, 0.42), fontsize=8, ha="right",
        arrowprops={"arrowstyle": "-", "color": BLACK, "linewidth": 0.7},
    )  # fmt: skip
    ax.set(xlabel="margin m of the label", ylabel="loss", xlim=(-4, 7), ylim=(-0.15, 6.4))
    ax.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none")
    caption = (
        f"What {CLASSES} classes cost at a margin. Hinge and 0-1 loss are functions of the margin; "
        "the log loss can lie anywhere in the band, depending on the other rivals, and never below "
        "max(0, −m). At margin 0 its least value is log 2."
    )
    at = {x: sandwich(torch.tensor([float(x)]).double(), CLASSES) for x in (-2, 0, 2)}
    told = "; ".join(f"at {x} from {a.item():.3f} to {b.item():.3f}" for x, (a, b) in at.items())
    alt = (
        f"Losses against the margin. The log loss of {CLASSES} classes lies in a band, {told}; "
        "the hinge falls from 5 at −4 to 0 at 1; the 0-1 loss drops from 1 to 0 at 0."
    )
    return Picture("margin-losses.svg", caption, alt, svg(figure))


def ambiguous_label() -> Picture:
    """The simplex of dog, cat, other: contours of KL to (1/2, 1/2, 0) and of the set's log loss."""
    figure = Figure(figsize=(WIDTH, 2.75), layout="constrained")
    axes = figure.subplots(1, 2)
    told = []
    kinds = (
        ("KL to the soft target", lambda s: values("soft_target_kl", s, _like(uniform(PETS), s))),
        ("log loss of the set", lambda s: set_loss(s, _like(PETS, s))),
    )
    for ax, (title, loss) in zip(axes, kinds, strict=True):
        x, y, p = _triangle()
        contours = ax.tricontour(
            x, y, loss(p.log()).numpy(), LEVELS, colors=BLACK, linewidths=0.8
        )  # fmt: skip
        heights = [(1 - math.exp(-level)) * HEIGHT for level in LEVELS]
        spots = list(zip(LABELS_AT, heights, strict=True))
        ax.clabel(contours, fmt="%g", fontsize=7, inline_spacing=2, manual=spots)
        path = quantities.softmax(descend(loss, STARTS, STEPS, 0.2).flatten(0, 1))
        path = path.reshape(-1, len(STARTS), 3)
        for way in path.unbind(1):
            drawn = (way @ CORNERS).numpy()
            ax.plot(*drawn.T, color=BLUE, linewidth=1.4)
            ax.plot(*drawn[0], "o", color="white", markeredgecolor=BLUE, markersize=5)
            ax.plot(*drawn[-1], "D", color=BLUE, markersize=5, markeredgecolor="white", zorder=6)
        _frame(ax, title)
        share = path[-1, :, 0]
        told.append(
            f"{title}: five descents end with p of dog from {share.min():.2f} to {share.max():.2f}"
        )
    axes[0].plot(0.5, 0, "*", color=ORANGE, markersize=18, clip_on=False, zorder=5)
    axes[1].plot([0, 1], [0, 0], color=ORANGE, linewidth=4, solid_capstyle="butt", zorder=2)
    caption = (
        "An image of a dog and a cat; corners are certain predictions, lines are levels of the "
        "loss in nats. Orange: where it is smallest. The soft target has one best prediction, "
        "halfway; for the set every point of the edge is as good. Blue: gradient descent on the "
        f"scores from the same five starts (circles) to where {STEPS} steps led (diamonds)."
    )
    alt = f"Two triangles of probabilities with level lines. {'. '.join(told)}."
    return Picture("ambiguous-label.svg", caption, alt, svg(figure))


def _like(target: Tensor, scores: Tensor) -> Tensor:
    return target.expand(len(scores), -1)


def _triangle(steps: int = 90) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Points x, y of a grid inside the simplex and their probabilities (N, 3), none of them 0."""
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    p = torch.tensor(grid, dtype=torch.float64).clamp_min(1e-3)
    p = p / p.sum(1, keepdim=True)
    x, y = (p @ CORNERS).numpy().T
    return x, y, p


def _frame(ax: Axes, title: str) -> None:
    outline = torch.cat([CORNERS, CORNERS[:1]]).numpy()
    ax.plot(*outline.T, color=BLACK, linewidth=1)
    for name, (x, y), up in zip(
        ("dog", "cat", "other"), CORNERS.tolist(), (False, False, True), strict=True
    ):
        ax.annotate(
            name, (x, y), xytext=(0, 4 if up else -7), textcoords="offset points",
            ha="center", va="bottom" if up else "top",
        )  # fmt: skip
    ax.set(title=title, xlim=(-0.1, 1.1), ylim=(-0.14, HEIGHT + 0.12), aspect="equal")
    ax.axis("off")
