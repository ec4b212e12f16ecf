"""Does the scale of the logits favour some losses, once the learning rate is chosen for it?

    python scripts/study_head_scale.py FOLDER    # 200 short runs, some 30 CPU minutes; goes on

Each loss is trained with each scale of the head: one epoch of 10,000 images in batches of 64, the
short stage of the rule for rates. The rate is the best of a lattice that grows until the best has
both neighbours, by the score on 5,000 held-out images in seed 0; the table gives mean and standard
deviation of that score in seeds 1 to 3, and the rate. It is kept in docs/decisions.md.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import yaml

from lossatlas import results
from lossatlas.analysis import choice
from lossatlas.training.rates import rate

LOSSES = (
    "cross_entropy", "label_smoothing", "focal", "brier", "gce", "mae", "crammer_singer_hinge",
)  # fmt: skip
SCALES = {"1/27": 1 / 27, "1/9": 1 / 9, "1/3": 1 / 3, "1": 1.0}
PROTOCOL = (
    "recipe=quick scenario=clean recipe.epochs=1 recipe.batch_size=64 recipe.train_limit=10000 "
    "holdout=5000 keep_train=1"
)
FIRST, NEW_SEEDS = (-1, 0, 1), (1, 2, 3)
Trial = tuple[str, float, int]  # loss, rate, seed


def scores(runs: Path) -> dict[Trial, float | None]:
    """What the finished trials of one scale scored; None where one diverged."""
    table = results.load(runs) if runs.is_dir() else pd.DataFrame()
    return {
        (row.loss, row.lr, row.seed): row.score if row.state == "done" else None
        for row in table.itertuples()
        if row.state in ("done", "diverged")
    }


def make(runs: Path, scale: float, trials: Iterable[Trial]) -> None:
    """Make trials of one scale, those that are missing."""
    lines = [
        f"{PROTOCOL} loss={loss} model.head_scale={scale!r} recipe.lr={lr} seed={seed}"
        for loss, lr, seed in trials
    ]
    sweep = runs.with_suffix(".yaml")
    sweep.write_text(yaml.safe_dump({"grids": lines}))
    command = [sys.executable, "-m", "lossatlas", "train", "-m", f"sweep={sweep}", f"runs={runs}"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode not in (0, 1):
        sys.exit("the trials could not be made")


def study(runs: Path, scale: float) -> dict[str, str]:
    """A cell of the table for each loss."""
    while True:
        found = scores(runs)
        tried = {
            loss: {
                step: found[loss, rate(step), 0]
                for step in range(-choice.REACH, choice.REACH + 1)
                if (loss, rate(step), 0) in found
            }
            for loss in LOSSES
        }
        asked = [
            (loss, rate(step), 0) for loss in LOSSES for step in choice.ask(tried[loss], FIRST)
        ]
        if not asked:
            break
        make(runs, scale, asked)
    best = {loss: rate(step) for loss in LOSSES if (step := choice.best(tried[loss])) is not None}
    make(runs, scale, [(loss, lr, seed) for loss, lr in best.items() for seed in NEW_SEEDS])
    found = scores(runs)
    cells = {}
    for loss, lr in best.items():
        points = pd.Series([found[loss, lr, seed] for seed in NEW_SEEDS], dtype=float) * 100
        cells[loss] = f"{points.mean():.1f} ± {points.std():.1f} at {lr:g} (n={points.count()})"
    return cells


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        name: study(folder / f"scale-{name.replace('/', '_')}", scale)
        for name, scale in SCALES.items()
    }
    print(f"| loss | {' | '.join(SCALES)} |\n|---|{'---|' * len(SCALES)}")
    for loss in LOSSES:
        print(f"| {loss} | {' | '.join(columns[name].get(loss, 'diverged') for name in SCALES)} |")


if __name__ == "__main__":
    main()
