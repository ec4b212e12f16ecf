"""Which loss of another library is which of ours: the table, and how its rows are computed.

`test_peers.py` verifies every row, `docs/peers.md` is made of them. Peers that are small are test
extras and called on the spot; of the others `stored.json` keeps inputs, values and gradients, which
`scripts/store_peers.py` wrote. Nothing here imports a peer before a row of it is computed.
"""

import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from lossatlas.adapters import from_module
from lossatlas.losses.registry import get_loss

STORED = Path(__file__).with_name("stored.json")
SIZES = ((6, 4, 3), (5, 7, 4))  # samples, classes, features: two, so that a factor in K shows


class Peer(NamedTuple):
    """A library: its version, and the lines that its calls stand behind."""

    version: str
    imports: str
    stored: str = ""  # why its values are stored


class Row(NamedTuple):
    """One loss of a peer beside one of ours. All but `peer` and `ours` is code.

    Attributes:
        call: in the peer's words; what it gives is fed as `fed` says, a key of `FEEDS`.
        ours: a loss of ours, as `get_loss` reads it.
        factor: theirs is so many times ours; in N and K.
        shows: what they compute where that is no multiple of ours, in terms of the batch, and of
            `ours`, our values per sample.
        why: how it differs, or what to look out for.
        facts: what our loss needs beforehand; in terms of K and D.
        moments: keyword arguments of our call; in terms of the batch.
        tolerance: of values and gradients, relative to the largest.
    """

    peer: str
    call: str
    ours: str
    fed: str = "module"
    factor: str = "1"
    shows: str = ""
    why: str = ""
    facts: str = "{}"
    moments: str = "{}"
    tolerance: float = 1e-9

    @property
    def outcome(self) -> str:
        """`agrees`, `scaled` or `differs`."""
        return "differs" if self.shows else "agrees" if self.factor == "1" else "scaled"


VISION = "imports torchvision"
PEERS = {
    "torch": Peer(
        "2.13.0", "import torch\nfrom torch import nn\nfrom torch.nn import functional as F"
    ),
    "scikit-learn": Peer("1.9.1", "from sklearn import metrics"),
    "entmax": Peer("1.3", "import entmax"),
    "kornia": Peer("0.9.0", "from kornia import losses"),
    "pytorch-metric-learning": Peer(
        "2.9.0", "import math\nfrom pytorch_metric_learning import losses, reducers"
    ),
    "monai": Peer("1.6.1", "from monai import losses", "takes 10 s to import"),
    "optax": Peer("0.2.8", "import jax\nfrom optax import losses", "needs JAX"),
    "timm": Peer("1.0.31", "from timm import loss", VISION),
    "lightly": Peer("1.6.0", "from lightly import loss", VISION),
    "torch-uncertainty": Peer(
        "0.13.0", "from torch_uncertainty import losses", "imports a second Lightning"
    ),
    "difftopk": Peer("0.2.0", "import difftopk"),
}

PML = "pytorch-metric-learning"
UNCERTAINTY = "torch-uncertainty"
MEANS = "takes the mean over classes too"
ENTROPY = "leaves out the target's own entropy; the gradients agree"
LEDGER: list[Row] = [
    Row("torch", "nn.CrossEntropyLoss()", "cross_entropy"),
    Row("torch", "nn.CrossEntropyLoss(label_smoothing=0.1)", "label_smoothing"),
    Row(
        "torch",
        "nn.CrossEntropyLoss()",
        "soft_target_kl",
        "shares",
        shows="ours.mean() - torch.xlogy(q, q).sum(1).mean()",
        why=f"with distributions as targets; {ENTROPY}",
    ),
    Row(
        "torch",
        "F.kl_div(s.log_softmax(1), q, reduction='batchmean')",
        "soft_target_kl",
        "value",
    ),
    Row(
        "torch",
        "F.kl_div(s.log_softmax(1), q)",
        "soft_target_kl",
        "value",
        factor="1 / K",
        why=MEANS,
    ),
    Row(
        "torch",
        "F.cross_entropy(s, y, weight=1 / counts)",
        "weighted_cross_entropy",
        "value",
        shows="(F.cross_entropy(s, y, reduction='none') / counts[y]).sum() / (1 / counts[y]).sum()",
        why="divides by the sum of the batch's weights, ours by the number of samples",
        facts="{'class_counts': counts}",
    ),
    Row("torch", "nn.MultiMarginLoss()", "weston_watkins_hinge", factor="1 / K"),
    Row("torch", "nn.MultiMarginLoss(p=2)", "weston_watkins_hinge(p=2)", factor="1 / K"),
    Row(
        "torch",
        "F.binary_cross_entropy_with_logits(s, one_hot)",
        "sigmoid_bce",
        "value",
        factor="1 / K",
        why=MEANS,
    ),
    Row(
        "torch", "F.multilabel_soft_margin_loss(s, one_hot)", "sigmoid_bce", "value", factor="1 / K"
    ),
    Row("torch", "F.mse_loss(s, one_hot)", "squared_error_logits", "value"),
    Row("torch", "F.mse_loss(p, one_hot)", "brier", "value", factor="1 / K", why=MEANS),
    Row("torch", "F.l1_loss(p, one_hot)", "mae", "value", factor="1 / K", why=MEANS),
    Row("torch", "F.cosine_embedding_loss(s, one_hot, torch.ones(len(s)))", "cosine_loss", "value"),
    Row("scikit-learn", "metrics.log_loss(y, p, labels=range(K))", "cross_entropy", "number"),
    Row(
        "scikit-learn",
        "metrics.brier_score_loss(y, p, labels=range(K))",
        "brier",
        "number",
    ),
    Row(
        "scikit-learn",
        "metrics.brier_score_loss(y, p, labels=range(K), scale_by_half=True)",
        "brier",
        "number",
        factor="1 / 2",
        why="the default of two classes",
    ),
    Row(
        "scikit-learn",
        "metrics.hinge_loss(y, s, labels=range(K))",
        "crammer_singer_hinge",
        "number",
    ),
    Row("entmax", "entmax.SparsemaxLoss()", "sparsemax_loss"),
    Row("entmax", "entmax.SparsemaxBisectLoss()", "sparsemax_loss"),
    Row("entmax", "entmax.Entmax15Loss()", "entmax15_loss"),
    Row("entmax", "entmax.EntmaxBisectLoss(alpha=1.25)", "entmax_loss(alpha=1.25)"),
    Row("entmax", "entmax.EntmaxBisectLoss(alpha=2.5)", "entmax_loss(alpha=2.5)"),
    Row(
        "kornia",
        "losses.FocalLoss(alpha=None, gamma=2.0, reduction='mean')",
        "focal",
        "batch",
        factor="1 / K",
        why=MEANS,
    ),
    Row(
        "kornia",
        "losses.FocalLoss(alpha=None, gamma=0.5, reduction='mean')",
        "focal(gamma=0.5)",
        "batch",
        factor="1 / K",
        why=MEANS,
    ),
    Row(
        PML,
        "losses.ArcFaceLoss(K, D)",
        "arcface(margin=0.49916416607037828, continuation=1)",
        "head",
        why="its margin is 28.6 degrees, ours by default 0.5 = 28.65 degrees",
    ),
    Row(PML, "losses.CosFaceLoss(K, D)", "cosface", "head"),
    Row(
        PML,
        "losses.SphereFaceLoss(K, D, margin=4, scale=1)",
        "sphereface(m=4, lam=0)",
        "head",
        moments="{'features': x}",
        why="it has no lam, ours by default 5",
    ),
    Row(
        PML,
        "losses.LargeMarginSoftmaxLoss(K, D, margin=2, scale=1)",
        "l_softmax",
        "dot",
        moments="{'features': x, 'head_weight': w}",
    ),
    Row(
        PML,
        "losses.NormalizedSoftmaxLoss(K, D, temperature=0.05)",
        "cosine_softmax",
        "head",
        why="it has no bias, where ours starts at 0",
        facts="{'num_classes': K}",
    ),
    Row(
        PML,
        "losses.NormalizedSoftmaxLoss(K, D, temperature=0.1)",
        "normface(scale=10)",
        "head",
        why="its temperature is fixed, our scale is learned from there",
    ),
    Row(
        PML,
        "losses.ProxyAnchorLoss(K, D)",
        "proxy_anchor",
        "proxies",
        facts="{'num_classes': K, 'feature_dim': D}",
    ),
    Row(
        PML,
        "losses.SupConLoss(temperature=0.1, reducer=reducers.MeanReducer())",
        "supcon_out",
        "labels",
    ),
    Row(
        PML,
        "losses.SupConLoss(temperature=0.01)",
        "supcon_out(temperature=0.01)",
        "labels",
        shows="ours.sum() / (ours > 0).sum()",
        why="by default anchors whose value is 0 leave the mean; ours keeps them",
    ),
    Row(
        PML,
        "losses.NTXentLoss(temperature=0.5)",
        "nt_xent",
        "images",
        why="adds the smallest normal number to the share in its logarithm",
    ),
    Row(
        "monai",
        "losses.FocalLoss(use_softmax=True, to_onehot_y=True, gamma=2.0)",
        "focal",
        "column",
        factor="1 / K",
        why=f"{MEANS}; target (N, 1), weights in float32",
        tolerance=1e-6,
    ),
    Row("monai", "losses.ContrastiveLoss(temperature=0.5)", "nt_xent", "pairs"),
    Row(
        "monai",
        "losses.BarlowTwinsLoss(lambd=0.005)",
        "barlow_twins(eps=0)",
        "pairs",
        shows="(lambda c: (1 - c.diagonal()).square().sum()"
        " + 0.005 * (c - c.diagonal().diag()).square().sum())"
        "((N - 1) / N * torch.corrcoef(z.transpose(1, 2).flatten(0, 1))[:D, D:])",
        tolerance=1e-5,
        why="divides by N - 1 in the variances and by N in the correlations: they stay below 1",
    ),
    Row(
        "optax", "losses.softmax_cross_entropy_with_integer_labels(s, y)", "cross_entropy", "value"
    ),
    Row(
        "optax",
        "losses.softmax_cross_entropy(s, losses.smooth_labels(one_hot, 0.1))",
        "label_smoothing",
        "value",
    ),
    Row(
        "optax",
        "losses.poly_loss_cross_entropy(s, one_hot, epsilon=2.0)",
        "poly1_cross_entropy",
        "value",
    ),
    Row("optax", "losses.multiclass_hinge_loss(s, y)", "crammer_singer_hinge", "value"),
    Row("optax", "losses.multiclass_perceptron_loss(s, y)", "perceptron_loss", "value"),
    Row("optax", "losses.multiclass_sparsemax_loss(s, y)", "sparsemax_loss", "value"),
    Row("optax", "losses.kl_divergence(jax.nn.log_softmax(s), q)", "soft_target_kl", "value"),
    Row("optax", "losses.cosine_distance(s, one_hot)", "cosine_loss", "value"),
    Row("optax", "losses.sigmoid_binary_cross_entropy(s, one_hot).sum(1)", "sigmoid_bce", "value"),
    Row(
        "optax",
        "losses.sigmoid_focal_loss(s, one_hot, gamma=2.0).sum(1)",
        "focal",
        "value",
        shows="(lambda t: -((1 - t.sigmoid()) ** 2 * F.logsigmoid(t)).sum(1).mean())"
        "(s * (2 * one_hot - 1))",
        why="one class against the rest by sigmoids, ours by the softmax",
    ),
    Row("timm", "loss.LabelSmoothingCrossEntropy(smoothing=0.1)", "label_smoothing"),
    Row(
        "timm",
        "loss.SoftTargetCrossEntropy()",
        "soft_target_kl",
        "shares",
        shows="ours.mean() - torch.xlogy(q, q).sum(1).mean()",
        why=ENTROPY,
    ),
    Row(
        "timm",
        "loss.AsymmetricLossSingleLabel(gamma_pos=1, gamma_neg=4, eps=0.1)",
        "asl_single_label(gamma_pos=1)",
    ),
    Row(
        "timm",
        "loss.PolyCrossEntropy(epsilon=2.0)",
        "poly1_cross_entropy",
        tolerance=1e-5,
        why="computed in float32",
    ),
    Row("lightly", "loss.NTXentLoss(temperature=0.5)", "nt_xent", "pairs"),
    Row("lightly", "loss.BarlowTwinsLoss(lambda_param=0.005)", "barlow_twins", "pairs"),
    Row(
        UNCERTAINTY,
        "losses.FocalLoss(gamma=2.0)",
        "focal",
    ),
    Row(
        UNCERTAINTY,
        "losses.CrossEntropyMaxSupLoss(max_sup=0.1)",
        "max_suppression(alpha_begin=0.1, alpha_end=0.1)",
        "batch",
        moments="{'progress': 0.0}",
        why="in the mean; its values per sample are others",
    ),
    Row(
        UNCERTAINTY,
        "losses.ConfidencePenaltyLoss(reg_weight=0.1, eps=0.0)",
        "confidence_penalty",
        shows="ours.mean() + 0.1 * math.log(K)",
        why="adds the constant reg_weight log K, in float32; the gradients agree",
        tolerance=1e-7,
    ),
    Row(
        UNCERTAINTY,
        "losses.DECLoss(loss_type='log', reg_weight=0.5)",
        "evidential_log",
        "batch",
        moments="{'epoch': 5}",
    ),
    Row(
        UNCERTAINTY,
        "losses.DECLoss(loss_type='digamma', reg_weight=0.5)",
        "evidential_log(variant=1)",
        "batch",
        moments="{'epoch': 5}",
    ),
    Row(
        UNCERTAINTY,
        "losses.DECLoss(loss_type='mse', reg_weight=0.5)",
        "evidential_log(variant=2)",
        "batch",
        moments="{'epoch': 5}",
    ),
    Row("difftopk", "difftopk.SmoothTopKLoss(K, k=2, tau=1.0)", "smooth_topk_svm(top_k=2)"),
    Row(
        "difftopk",
        "difftopk.TopKCrossEntropyLoss('softsort', 0.5, [0.5, 0.5], n=K)",
        "difftopk_ce(top_k=2)",
        tolerance=1e-5,
        why="adds 1e-7 to the share in its logarithm",
    ),
]


def batch(size: tuple[int, int, int], seed: int) -> dict[str, Tensor]:
    """Scores s, labels y and shares q; features x and class weights w; two views z."""
    n, k, d = size
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    y = torch.arange(n) * 2 % k
    q = draw(n, k).softmax(1)
    return {
        "s": 2 * draw(n, k),
        "y": y,
        "q": q,
        "x": draw(n, d),
        "w": draw(k, d),
        "z": draw(2, n, d),
    }


def words(b: dict[str, Tensor]) -> dict[str, Any]:
    """What the code of rows may name."""
    (n, k), d = b["s"].shape, b["x"].shape[1]
    more = {
        "one_hot": F.one_hot(b["y"], k).to(b["s"]),
        "p": b["s"].softmax(1),
        "counts": 3 * torch.arange(1, k + 1, dtype=torch.float64),
    }
    return {**b, **more, "N": n, "K": k, "D": d, "torch": torch, "F": F, "math": math}


@cache
def imported(peer: str) -> dict[str, Any]:
    """The names that a peer's calls stand behind."""
    names: dict[str, Any] = {}
    exec(PEERS[peer].imports, names)
    return names


Found = tuple[Tensor, list[Tensor] | None]  # values, per sample or one; gradients of their mean


# How what a call gives is fed, and what ours is given. W and the proxies of a module are the w of
# the batch, so that gradients in them can be compared.
Given = dict[str, Any]


def _alone(module: Any, b: Given) -> Tensor:
    loss = from_module(module)
    loss.reduction = "none"
    return loss(b["s"], b["y"])


def _with(module: Any, name: str, weights: Tensor, b: Given) -> Tensor:
    return functional_call(module, {name: weights}, (b["x"], b["y"]))


class Feed(NamedTuple):
    """In which tensors gradients are taken, what theirs is fed with, and what ours."""

    leaves: str
    theirs: Callable[[Any, Given], Tensor]
    ours: Callable[[Given], Tensor]


FEEDS = {
    # A function of logits and class indices: a value per sample, or one of the batch.
    "module": Feed("s", _alone, lambda b: b["s"]),
    "batch": Feed("s", lambda m, b: from_module(m, "batch")(b["s"], b["y"]), lambda b: b["s"]),
    "column": Feed("s", lambda m, b: m(b["s"], b["y"][:, None]), lambda b: b["s"]),
    "shares": Feed("s", lambda m, b: m(b["s"], b["q"]), lambda b: b["s"]),
    # The value itself, in terms of the batch: of tensors, or of NumPy's arrays, without gradients.
    "value": Feed("s", lambda m, b: m, lambda b: b["s"]),
    "number": Feed("", lambda m, b: torch.tensor(float(m), dtype=torch.float64), lambda b: b["s"]),
    # A module with class weights W (D, K), or proxies (K, D), of features (N, D).
    "head": Feed(
        "xw",
        lambda m, b: _with(m, "W", b["w"].T, b),
        lambda b: F.normalize(b["x"]) @ F.normalize(b["w"]).T,
    ),
    "dot": Feed("xw", lambda m, b: _with(m, "W", b["w"].T, b), lambda b: b["x"] @ b["w"].T),
    "proxies": Feed("xw", lambda m, b: _with(m, "proxies", b["w"], b), lambda b: b["x"][None]),
    # Of embeddings (2N, D) and a class for each, the image or the label; or of two views (N, D).
    "images": Feed(
        "z",
        lambda m, b: m(b["z"].flatten(0, 1), torch.arange(b["N"]).repeat(2)),
        lambda b: b["z"],
    ),
    "labels": Feed("z", lambda m, b: m(b["z"].flatten(0, 1), b["y"].repeat(2)), lambda b: b["z"]),
    "pairs": Feed("z", lambda m, b: m(b["z"][0], b["z"][1]), lambda b: b["z"]),
}


def evaluated(row: Row, code: str, b: Given) -> Any:
    return eval(code, imported(row.peer), b)


def found(value: Tensor, b: Given, leaves: str) -> Found:
    """A value, and the gradients of its mean."""
    return value.detach(), list(torch.autograd.grad(value.mean(), [b[leaf] for leaf in leaves]))


def theirs(row: Row, b: dict[str, Tensor]) -> Found:
    """The peer's value, and its gradients, computed here and now."""
    feed = FEEDS[row.fed]
    if not feed.leaves:
        arrays = {key: x.numpy() if isinstance(x, Tensor) else x for key, x in words(b).items()}
        return feed.theirs(evaluated(row, row.call, arrays), arrays), None
    b = {key: x.clone().requires_grad_(key in feed.leaves) for key, x in b.items()}
    given = words(b)
    return found(feed.theirs(evaluated(row, row.call, given), given), b, feed.leaves)


def ours(row: Row, b: dict[str, Tensor], then: str = "") -> Found:
    """Our values and the gradients of their mean; or of what is made of them, `then`."""
    feed = FEEDS[row.fed]
    leaves = feed.leaves or "s"
    b = {key: x.clone().requires_grad_(key in leaves) for key, x in b.items()}
    given = words(b)
    loss = get_loss(row.ours, "none").provide(**eval(row.facts, given)).eval()
    target = b["q"] if loss.target == "distribution" else b["y"]
    held = {"proxies": b["w"]} if row.fed == "proxies" else {}
    moments = eval(row.moments, given)
    value = functional_call(loss, held, (feed.ours(given), target), moments)
    if then:
        value = eval(then, {**given, "ours": value})
    return found(value, b, leaves)


@cache
def stored() -> dict[str, Any]:
    """The `batches`, as lists, and `rows`: values and gradients for each batch, by key."""
    return json.loads(STORED.read_text())


def key(row: Row) -> str:
    """What a row's values are stored under: peer, version and call."""
    return f"{row.peer}=={PEERS[row.peer].version} {row.call}"


def _tensor(x: Any) -> Tensor:
    return torch.tensor(x, dtype=torch.float64)


def witnesses(row: Row) -> list[tuple[dict[str, Tensor], Found]]:
    """Batches, each with the peer's value and gradients."""
    if not PEERS[row.peer].stored:
        batches = [batch(size, seed) for seed, size in enumerate(SIZES)]
        return [(b, theirs(row, b)) for b in batches]
    pairs = zip(stored()["batches"], stored()["rows"][key(row)], strict=True)
    return [
        (
            {name: _tensor(x).long() if name == "y" else _tensor(x) for name, x in b.items()},
            (_tensor(kept["value"]), [_tensor(x) for x in kept["gradients"]]),
        )
        for b, kept in pairs
    ]


def gap(them: Found, us: Found, factor: float) -> float:
    """How far theirs is from `factor` times ours: relative to the largest, in value or gradient."""

    def far(a: Tensor, b: Tensor) -> float:
        if a.shape != b.shape:
            a, b = a.mean(), b.mean()
        b = factor * b
        return float((a - b).abs().max() / (1e-300 + max(a.abs().max(), b.abs().max())))

    gaps = [far(them[0], us[0])]
    if them[1] is not None:
        gaps += [far(a, b) for a, b in zip(them[1], us[1], strict=True)]
    return max(gaps, key=lambda x: (math.isnan(x), x))


def verify(row: Row) -> None:
    """Assert that a row is true.

    Where theirs differs, it is what `shows` says, and no multiple of ours.
    """
    multiples = []
    for b, them in witnesses(row):
        us = ours(row, b)
        what = f"{row.peer}, {row.call}"
        if row.shows:
            shown = gap(them, ours(row, b, row.shows), 1.0)
            assert shown <= row.tolerance, f"{what} is not what the row shows: {shown:.2g}"
            multiples.append((them, us))
        else:
            n, k = b["s"].shape
            off = gap(them, us, eval(row.factor, {"N": n, "K": k}))
            assert off <= row.tolerance, f"{what} is not {row.factor} times {row.ours}: {off:.2g}"
    if multiples:
        them, us = multiples[0]
        factor = float(them[0].mean() / us[0].mean())
        nearest = max(gap(*pair, factor) for pair in multiples)
        assert nearest > 1e-4, f"{what} is {factor:.6g} times {row.ours}"


def relation(row: Row) -> str:
    """The outcome in words."""
    said = {
        "agrees": "agrees",
        "scaled": f"ours times {row.factor.replace(' ', '')}",
        "differs": "differs",
    }[row.outcome]
    said += f" (to {row.tolerance:g})".replace("e-0", "e-") if row.tolerance > 1e-9 else ""
    said += " (value; it has no gradient)" if row.fed == "number" else ""
    return f"{said}: {row.why}" if row.why else said


def tables() -> str:
    """The ledger as Markdown: by loss of ours, then by peer."""
    found: dict[str, dict[str, set[str]]] = {}
    for row in sorted(LEDGER, key=lambda row: (row.ours, row.peer)):
        name = re.match(r"\w+", row.ours)[0]
        found.setdefault(name, {}).setdefault(row.peer, set()).add(row.outcome)
    lines = ["| our loss | is also in |", "|---|---|"]
    for name, peers in found.items():
        told = [peer + " (differs)" * (how == {"differs"}) for peer, how in peers.items()]
        lines.append(f"| `{name}` | {', '.join(told)} |")
    for name, peer in PEERS.items():
        how = (
            f"its values are stored, as it {peer.stored}" if peer.stored else "called by the tests"
        )
        lines += ["", f"## {name} {peer.version}", "", f"After `{peer.imports}`; {how}."]
        lines[-1] = lines[-1].replace("\n", "; ")
        lines += ["", "| theirs | ours | theirs is |", "|---|---|---|"]
        mine = [row for row in LEDGER if row.peer == name]
        lines += [f"| `{row.call}` | `{row.ours}` | {relation(row)} |" for row in mine]
    return "\n".join(lines)
