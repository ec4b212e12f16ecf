"""What does bfloat16 do to the accuracy and to the time of a run?

    python scripts/study_bf16.py FOLDER LOSS ...    # ten runs a loss; goes on where it stopped

Recipe `quick`, clean, seeds 0 to 4, in turn in float32 and with recipe.precision=bf16-mixed. The
product computes in bfloat16 only on processors with instructions for it; this script asks any
processor, for which oneDNN then rounds to bfloat16 and sums in float32: the accuracy is that of
bfloat16, the time is not (twice that of float32 on an AVX-512 core without them). The last column
is CPU time of training in float32 over that in bfloat16, the median of the seeds, with the least
and the largest. The table is kept in docs/decisions.md.
"""

import statistics as middle
import sys

from lossatlas import cli, results
from lossatlas.analysis import statistics
from lossatlas.training import machine

SEEDS = range(5)
FULL, HALF = "32-true", "bf16-mixed"


def make(runs: str, loss: str, seed: int, precision: str) -> None:
    """Make one run; a finished one is only told."""
    sys.argv = [
        "lossatlas", "train", f"loss={loss}", f"seed={seed}", "recipe=quick", "accelerator=cpu",
        f"recipe.precision={precision}", f"runs={runs}",
    ]  # fmt: skip
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise


def main() -> None:
    runs, losses = sys.argv[1], sys.argv[2:]
    machine.BF16.add("avx2")
    for loss in losses:
        for seed in SEEDS:
            for precision in (FULL, HALF):
                make(runs, loss, seed, precision)
    table = results.load(runs)
    print(
        "| loss | float32, % | bf16-mixed, % | difference, seed by seed [95 %] | times faster |\n"
        "|---|---|---|---|---|"
    )
    for loss in losses:
        of = {
            precision: table[(table.loss == loss) & (table.precision == precision)]
            for precision in (FULL, HALF)
        }
        points = {
            key: dict(zip(rows.seed, rows.test_accuracy * 100, strict=True))
            for key, rows in of.items()
        }
        seconds = {key: rows.set_index("seed").cpu_s for key, rows in of.items()}
        faster = (seconds[FULL] / seconds[HALF]).tolist()
        full, half = (statistics.cell(list(points[key].values())) for key in (FULL, HALF))
        told = statistics.paired(points[HALF], points[FULL])
        print(
            f"| {loss} | {full.mean:.2f} ± {full.sd:.2f} | {half.mean:.2f} ± {half.sd:.2f} "
            f"| {told.mean:+.2f} [{told.low:+.2f}, {told.high:+.2f}] (n={told.n}) "
            f"| {middle.median(faster):.2f} ({min(faster):.2f} to {max(faster):.2f}) |"
        )


if __name__ == "__main__":
    main()
