"""What a store of 100,000 runs costs: seconds and peak memory of the commands that read all of it.

    python scripts/bench_store.py [--runs 100000] [--full]

A store is simulated in a temporary folder: up to 200 losses, 25 seeds and as many scenarios as that
takes, and a study of 100 runs. Each run has a row of its own with the fields of a real one; its
other files are hard links to files of the size that the quick recipe writes, so that all of them
can be read and few take space. Every command is a process of its own. --full adds the report of all
runs. With 100,000 runs it takes a few minutes and 1 GB, with --full half an hour more.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from lossatlas.losses import registry

# A process's peak of memory counts what its parent held when it started it: nothing large is
# imported in the process that measures.
LOSSES, SEEDS, STUDY = 200, 25, ("cross_entropy", "focal", "gce", "mae")
IMAGES, FEATURES = 10_000, 96  # test images, and as many of training; of airnet_s
EPOCH = {
    "test_accuracy": 0.7, "test_nll": 0.9, "test_score": 0.7, "train_loss": 1.1,
    "train_accuracy": 0.65, "lr": 0.2, "seconds": 21.337, "cpu_seconds": 21.001,
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "model": {
        "name": "airnet_s", "arch": "airnet", "widths": [24, 48, 96], "head_scale": 1 / 9,
        "stem_kernel": 3, "stem_stride": 2, "stem_pad": 1, "directions": 12,
        "pools": [True, True, False], "projector_width": 256, "projector_dim": 128,
    },
    "data": {"name": "cifar10", "n_train": 0, "n_test": 0},
    "recipe": {
        "name": "quick", "epochs": 3, "batch_size": 256, "lr": 0.375, "momentum": 0.85,
        "weight_decay": 0.0013, "norm_lr_factor": 16.0, "warmup": 0.23, "lr_start": 0.2,
        "lr_end": 0.02, "precision": "32-true", "train_limit": None, "test_limit": None,
    },
    "logger": {"name": "none", "project": "lossatlas"},
    "holdout": 0, "threads": 1, "accelerator": "auto", "runs": "runs", "progress": True,
}  # fmt: skip


def main() -> None:
    """Make the store, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--full", action="store_true", help="also the report of all runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs, templates = Path(folder) / "runs", Path(folder) / "templates"
        begun = time.perf_counter()
        maker = multiprocessing.get_context("spawn").Process(
            target=simulate, args=(runs, templates, arguments.runs)
        )
        maker.start()
        maker.join()
        print(f"{arguments.runs} runs, made in {time.perf_counter() - begun:.0f} s; of one run:")
        for path in sorted(next(runs.iterdir()).iterdir()):
            print(f"  {path.name:<20} {path.stat().st_size:>9,} bytes")
        print(f"\n{'':<44}{'seconds':>8}{'CPU s':>8}{'peak MiB':>10}")
        python, lossatlas = [sys.executable, "-c"], [sys.executable, "-m", "lossatlas"]
        load = [*python, "import sys; from lossatlas import results; results.load(sys.argv[1])"]
        report = [*lossatlas, "report", "--runs", str(runs), "-o", f"{folder}/report"]
        read = "import sys; from pathlib import Path; from lossatlas.report.build import read"
        start = [*python, f"{read}; read(Path(sys.argv[1]))", str(runs)]
        cache = runs / ".rows.parquet"
        measure("imports of results.load", [*python, "import lossatlas.results"])
        measure("results.load, without cache", [*load, str(runs)])
        print(f"{'':<4}(the cache has {cache.stat().st_size:,} bytes)" if cache.exists() else "")
        measure("results.load", [*load, str(runs)])
        cache.unlink(missing_ok=True)
        measure("lossatlas runs, without cache", [*lossatlas, "runs", "--runs", str(runs)])
        measure("lossatlas runs", [*lossatlas, "runs", "--runs", str(runs)])
        measure("lossatlas report, until it has its rows", start)
        measure("lossatlas report --only '*-study-*'", [*report, "--only", "*-study-*"])
        if arguments.full:
            measure("lossatlas report", report)
            size = sum(path.stat().st_size for path in Path(folder, "report").rglob("*"))
            print(f"{'':<4}(the pages have {size:,} bytes)")


def simulate(runs: Path, templates: Path, count: int) -> None:
    """Write the store; the last 100 runs are the study."""
    names = registry.list_losses()
    names += [f"loss_{i}" for i in range(len(names), LOSSES)]
    r = random.Random(0)
    for i in range(count):
        loss, scenario = names[i // SEEDS % LOSSES], f"scenario_{i // SEEDS // LOSSES}"
        if count - i <= SEEDS * len(STUDY):
            loss, scenario = STUDY[(count - i - 1) // SEEDS], "study"
        seed = i % SEEDS
        tail = hashlib.sha256(str(i).encode()).hexdigest()
        run = f"{loss}-{scenario}-quick-s{seed}-{tail[:10]}"
        accuracy = 0.7 + 0.003 * r.gauss(0, 1) + 0.01 * (len(loss) % 5)
        start = {
            "run_id": run, "loss": loss, "family": "likelihood", "target": "class_index",
            "scenario": scenario, "recipe": "quick", "model": "airnet_s", "data": "cifar10",
            "seed": seed, "epochs": 3, "batch_size": 256, "lr": 0.375, "lr_source": "tuned",
            "momentum": 0.85, "weight_decay": 0.0013, "holdout": 0, "threads": 1, "device": "cpu",
            "sweep": "study-1a2b3c",
            "hardware": "a processor, 2 cores", "torch": "2.13.0+cpu", "lightning": "2.6.6",
            "lossatlas": "0.1.0", "python": "3.11.7", "started": 1_790_000_000 + i,
        }  # fmt: skip
        row = start | {
            "state": "done", "reason": None, "parameters": 168_192, "weights_sha256": tail,
            "train_size": 50_000, "effective_noise": 0.36,
            "test_accuracy": accuracy, "test_nll": r.random(), "test_brier": r.random(),
            "test_ece": 0.1 * r.random(), "test_ece_floor": 0.02 + 0.01 * r.random(),
            "test_ece_floor_sd": 0.002 + 0.001 * r.random(), "wall_s": 70 + round(r.random(), 2),
            "best_test_accuracy": accuracy + 0.001, "train_s": 60 + round(r.random(), 2),
            "cpu_s": 60 + round(r.random(), 2),
        }  # fmt: skip
        folder = runs / run
        folder.mkdir(parents=True)
        (folder / "row.json").write_text(json.dumps(row, indent=1) + "\n")
        shared = templates / f"{scenario}-{seed}"
        if not shared.is_dir():
            template(shared, scenario, seed, start)
        for path in shared.iterdir():
            os.link(path, folder / path.name)


def template(folder: Path, scenario: str, seed: int, start: dict[str, Any]) -> None:
    """The files of a run beside its row; the bundles of all scenarios are links to one a seed."""
    import torch

    from lossatlas.evaluation import bundle

    folder.mkdir(parents=True)
    (folder / "start.json").write_text(json.dumps(start, indent=1) + "\n")
    config = {"loss": {"name": "cross_entropy"}, "scenario": {"name": scenario, "probability": 0.0}}
    text = yaml.safe_dump(config | CONFIG | {"seed": seed}, sort_keys=False)
    (folder / "config.yaml").write_text(text)
    lines = [json.dumps({"epoch": epoch} | EPOCH) + "\n" for epoch in (1, 2, 3)]
    (folder / "epochs.jsonl").write_text("".join(lines))
    first = next(folder.parent.glob(f"*-{seed}/bundle.safetensors"), None)
    if first is not None:
        os.link(first, folder / "bundle.safetensors")
        return
    generator = torch.Generator().manual_seed(seed)
    labels, indices = torch.arange(IMAGES) % 10, torch.arange(IMAGES)
    logits = torch.randn(IMAGES, 10, generator=generator)
    logits[indices, labels] += 2.0
    outputs = bundle.Outputs(logits, torch.zeros(IMAGES, FEATURES), labels, indices)
    train = bundle.Outputs(*(tensor.clone() for tensor in outputs))
    bundle.save(folder / "bundle.safetensors", {"test": outputs, "train": train})


def measure(name: str, command: list[str]) -> None:
    """Run a command in a process of its own; print its seconds and its peak of resident memory."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024  # ru_maxrss is in KiB
    print(f"{name:<44}{seconds:>8.1f}{cpu:>8.1f}{peak:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
