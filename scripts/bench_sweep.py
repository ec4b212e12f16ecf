"""Runs an hour of a sweep, against starting one process a run in a shell loop.

    python scripts/bench_sweep.py [--recipe smoke] [--runs 8] [--rounds 3]

The arms are run in turn (A B C A B C ...), each from nothing in a store of its own, start-up
included; printed are the medians over the rounds and the medians of the ratios round by round.

    loop 1 x 2     python -m lossatlas train threads=2, one run after the other
    loop 1 x 1     the same with threads=1
    sweep 1 x 2    lossatlas train -m, one worker with two threads
    sweep 2 x 1    lossatlas train -m, two workers with one thread: the default on two cores
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

LOSSATLAS = [sys.executable, "-m", "lossatlas", "train"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="smoke")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--arms", help="only these beside the last, as in 'loop 1 x 2,loop 1 x 1'")
    options = parser.parse_args()
    common = [f"recipe={options.recipe}", f"data={options.data}", "loss=cross_entropy"]
    arms = {
        "loop 1 x 2": lambda: loop([*common, "threads=2"], options.runs),
        "loop 1 x 1": lambda: loop([*common, "threads=1"], options.runs),
        "sweep 1 x 2": lambda: sweep([*common, "threads=2"], options.runs, workers=1),
        "sweep 2 x 1": lambda: sweep([*common, "threads=1"], options.runs, workers=2),
    }
    chosen = options.arms.split(",") if options.arms else list(arms)[:-1]
    arms = {name: arm for name, arm in arms.items() if name in (*chosen, "sweep 2 x 1")}
    hourly: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(options.rounds):
        for name, arm in arms.items():
            begun = time.perf_counter()
            arm()
            hourly[name].append(3600 * options.runs / (time.perf_counter() - begun))
            print(f"{name:<12} {hourly[name][-1]:8.1f} runs/h", file=sys.stderr, flush=True)
    print(f"{options.recipe}, {options.runs} runs, {options.rounds} rounds, {os.cpu_count()} cores")
    for name, values in hourly.items():
        spread = f"({min(values):.1f} to {max(values):.1f})"
        print(f"{name:<12} {statistics.median(values):8.1f} runs/h {spread}")
    for base in list(arms)[:-1]:
        ratios = [b / a for a, b in zip(hourly[base], hourly["sweep 2 x 1"], strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"sweep 2 x 1 / {base}: median {statistics.median(ratios):.2f} {spread}")


def loop(overrides: list[str], runs: int) -> None:
    """One process a run, one after the other."""
    with tempfile.TemporaryDirectory() as store:
        for seed in range(runs):
            start([*overrides, f"seed={seed}", "progress=false"], store)


def sweep(overrides: list[str], runs: int, workers: int) -> None:
    """All runs as one sweep."""
    with tempfile.TemporaryDirectory() as store:
        seeds = ",".join(map(str, range(runs)))
        start(["-m", *overrides, f"seed={seeds}", f"launcher.workers={workers}"], store)


def start(arguments: list[str], store: str) -> None:
    """Run the command line; raises CalledProcessError when a run fails."""
    env = os.environ | {"LOSSATLAS_RUNS": store}
    subprocess.run([*LOSSATLAS, *arguments], env=env, check=True, capture_output=True)


if __name__ == "__main__":
    main()
