"""What losses of logits cost, forward and backward, in units of torch's cross-entropy.

    python scripts/bench_losses.py [NAMES ...] [--rounds 7] [--threads 1] [-o docs/speed.md]

For N x K logits in float32, cosines or minus distances where a loss wants these, and stand-ins for
what it needs beside them; in training mode. In each round a loss and
`torch.nn.functional.cross_entropy` take turns; printed is the median over the
rounds of the ratio of their CPU times, with the least and the largest. `peer` is the same for what
torch itself, entmax or kornia has for the formula, on the larger problem. `checks` is what the
values of targets cost to check, as outside of the runner, in shares of the loss's own time. Losses
are sorted by the larger problem. With -o the table is written to a file, as Markdown. Freed memory
is kept: whether a round gave it back and got it anew moved ratios up to fourfold.
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import entmax
import torch
import torch.nn.functional as F
from kornia import losses as kornia
from torch import Tensor

from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import labelled

KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}  # read by glibc at start
SMALL, LARGE = (512, 10), (4096, 1000)
CALLS = {SMALL: 30, LARGE: 1}  # of which one time is taken
Function = Callable[[Tensor, Tensor], Tensor]
# What others have for the formula of a loss at its defaults, up to a factor.
PEERS: dict[str, Function] = {
    "brier": lambda logits, y: F.mse_loss(logits.softmax(1), one_hot(logits, y)),
    "cross_entropy": F.cross_entropy,
    "entmax15_loss": entmax.Entmax15Loss(),
    "entmax_loss": entmax.EntmaxBisectLoss(alpha=1.5),
    "focal": lambda logits, y: kornia.focal_loss(logits, y, None, 2.0, "mean"),
    "label_smoothing": lambda logits, y: F.cross_entropy(logits, y, label_smoothing=0.1),
    "mae": lambda logits, y: F.l1_loss(logits.softmax(1), one_hot(logits, y)),
    "sigmoid_bce": lambda logits, y: F.binary_cross_entropy_with_logits(logits, one_hot(logits, y)),
    "sparsemax_loss": entmax.SparsemaxLoss(),
    "squared_error_logits": lambda logits, y: F.mse_loss(logits, one_hot(logits, y)),
    "soft_target_kl": lambda logits, q: F.kl_div(
        F.log_softmax(logits, 1), q.to(logits), reduction="batchmean"
    ),
    "weston_watkins_hinge": F.multi_margin_loss,
}

PAGE = """# What losses cost

Written by `{command} -o docs/speed.md`, {date}: {machine}; torch {torch}, threads: {threads},
rounds: {rounds}. The machine was shared with other work.

CPU time of forward and backward of each loss of logits, with freed memory kept, in units of
`torch.nn.functional.cross_entropy` on as many samples and classes, N x K: the median over the
rounds, in which the two took turns, with the least and the largest. *peer*: what torch, entmax
(which looks at the 100 largest scores first) or kornia has for the same formula, up to a factor, on
the larger problem, in the same units. *checks*: what it costs to check the values of targets, on
the smaller problem, in shares of the loss's own time; the runner checks its whole data set once and
each step nothing.

The card of each loss that takes over four on the larger problem says why under Traps.

{table}
"""


def one_hot(logits: Tensor, target: Tensor) -> Tensor:
    """The labels (N,) as shares (N, K) in the precision of the logits."""
    return F.one_hot(target, logits.shape[1]).to(logits)


def seconds(calls: int, function: Function, logits: Tensor, target: Tensor) -> float:
    """CPU seconds of some calls, with the gradient in the logits."""
    begun = time.process_time()
    for _ in range(calls):
        logits.grad = None
        function(logits, target).backward()
    return time.process_time() - begun


def scores(parts: tuple[str, ...], n: int, k: int) -> Tensor:
    """Scores (n, k) as the head among the `parts` gives them: cosines, minus distances, logits."""
    drawn = torch.randn(n, k, generator=torch.Generator().manual_seed(0))
    if "cosine_head" in parts or "fixed_prototypes" in parts:
        drawn = drawn / drawn.abs().max()
    elif "distance_head" in parts:
        drawn = -drawn.abs()
    return drawn.requires_grad_()


def measured(name: str, n: int, k: int, rounds: int) -> dict[str, list[float]]:
    """Of a loss on n x k scores, one a round: `ratio`; on the small problem `checks`; `peer`."""
    loss, checked = ready(name, k), ready(name, k)
    for each in (loss, checked):
        each.reduction, each.validate = "mean", each is checked
        each.train()
    logits = scores(loss.requires, n, k + loss.extra_outputs)
    calls = CALLS[n, k]
    plain, labels = scores((), n, k), torch.arange(n) % k
    target = labelled(loss.target, labels, k)
    lanes: dict[str, tuple[Function, Tensor, Tensor]] = {
        "ratio": (loss, logits, target),
        "unit": (F.cross_entropy, plain, labels),
    }
    if (n, k) == SMALL:
        lanes["checks"] = (checked, logits, target)
    if name in PEERS:
        lanes["peer"] = (PEERS[name], logits, target)
    for lane in lanes.values():  # the first call pays for what later ones share
        seconds(calls, *lane)
    found: dict[str, list[float]] = {key: [] for key in lanes if key != "unit"}
    for _ in range(rounds):
        took = {key: seconds(calls, *lane) for key, lane in lanes.items()}
        for key in found:
            unit = took["ratio" if key == "checks" else "unit"]
            found[key].append(took[key] / unit - (key == "checks"))
    return found


def cell(values: list[float] | None) -> str:
    """Median, least and largest: `2.31 (2.20-2.45)`."""
    if not values:
        return ""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def machine() -> str:
    """The processor, as its vendor and family tell it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def main() -> None:
    """Print a line a loss, or write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if not KEPT.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEPT)
    torch.set_num_threads(given.threads)
    rows = []
    for name in given.names or registry.list_losses():
        if not KINDS[registry.get_class(name).target].on_embeddings:
            small, large = (measured(name, n, k, given.rounds) for n, k in (SMALL, LARGE))
            rows.append((name, small["ratio"], large["ratio"], large.get("peer"), small["checks"]))
    rows.sort(key=lambda row: statistics.median(row[2]), reverse=True)
    heads = ["loss", *(f"{n} x {k}" for n, k in (SMALL, LARGE)), "peer", "checks"]
    lines = [[f"`{name}`", *map(cell, cells)] for name, *cells in rows]
    table = [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines)]
    if given.output is None:
        print("\n".join(table))
        return
    command = f"python scripts/bench_losses.py --rounds {given.rounds} --threads {given.threads}"
    text = PAGE.format(
        command=command, machine=machine(), torch=torch.__version__, rounds=given.rounds,
        threads=given.threads, date=datetime.date.today().isoformat(), table="\n".join(table),
    )  # fmt: skip
    given.output.write_text(text)


if __name__ == "__main__":
    main()
