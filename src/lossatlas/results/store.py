"""The run store: one folder a run, which appears whole or not at all.

    runs/<run_id>/            a finished run: done, diverged or failed
        row.json              one flat mapping of scalars: the row
        config.yaml           the resolved configuration
        epochs.jsonl          one line an epoch
        bundle.safetensors    logits, features, labels and indices (absent if it failed)
    runs/.running/<run_id>/   the same, while it is being made, with last.ckpt and a lock

A run's id ends in a digest of its configuration (without paths, logging and devices) and of the
source of its loss, so the same experiment has the same folder however it was spelt.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from lossatlas.errors import UserError

# What may change without changing the experiment: where it is written, who watches, what computes.
VOLATILE = ("runs", "logger", "accelerator", "progress")
COLUMNS = (
    "run_id", "loss", "family", "target", "scenario", "recipe", "model", "data", "seed",
    "state", "reason", "test_accuracy", "best_test_accuracy", "test_nll", "test_brier", "test_ece",
    "test_ece_floor", "knn_accuracy", "probe_accuracy", "score", "epochs", "lr", "holdout",
    "train_s", "wall_s", "cpu_s",
)  # fmt: skip

HEADLINES = {
    "test_accuracy": "test accuracy (last epoch)",
    "knn_accuracy": "kNN accuracy",
    "probe_accuracy": "linear probe",
    "score": "held-out score",
}


def runs_dir() -> Path:
    """`LOSSATLAS_RUNS`, else `runs` in the working folder."""
    return Path(os.environ.get("LOSSATLAS_RUNS") or "runs").expanduser().resolve()


def run_id(config: dict[str, Any], source_digest: str) -> str:
    """`<loss>-<scenario>-<recipe>-s<seed>-<10 hex digits>` of a resolved configuration."""
    canonical = {key: value for key, value in config.items() if key not in VOLATILE}
    text = json.dumps([canonical, source_digest], sort_keys=True, separators=(",", ":"))
    tail = hashlib.sha256(text.encode()).hexdigest()[:10]
    names = (config[group]["name"] for group in ("loss", "scenario", "recipe"))
    return "-".join([*names, f"s{config['seed']}", tail])


def read_row(folder: Path) -> dict[str, Any] | None:
    """The row of a finished run, or None."""
    try:
        row = json.loads((folder / "row.json").read_text())
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{folder / 'row.json'}: is not JSON ({error}); delete that run's folder"
        ) from None
    return dict(row)


def is_finished(root: Path, run: str) -> bool:
    """Whether a run needs no more work: done, or diverged (which is a result). Failed runs do."""
    row = read_row(root / run)
    return row is not None and row["state"] in ("done", "diverged")


@contextmanager
def workshop(root: Path, run: str) -> Iterator[Path | None]:
    """The folder in which to make a run, locked; None when another process is making it."""
    folder = root / ".running" / run
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield None
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        lock.release()


def publish(root: Path, run: str, row: dict[str, Any]) -> None:
    """Write the row, drop the checkpoint, and move the run's folder into its place."""
    folder = root / ".running" / run
    for leftover in folder.glob("*.ckpt"):
        leftover.unlink()
    write_json(folder / "row.json", row)
    final = root / run
    if final.exists():  # an earlier failure, now made good
        shutil.rmtree(final)
    folder.rename(final)
    with suppress(OSError):
        folder.with_suffix(".lock").unlink()


def write_json(path: Path, value: Any) -> None:
    """Write JSON beside `path`, then rename, so that a reader never sees half of it."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1) + "\n")
    beside.replace(path)


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line and flush it to the disk."""
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def headline(row: Mapping[Any, Any]) -> str:
    """The main numbers of a row in words; empty when it has none."""
    held = ((words, row.get(key)) for key, words in HEADLINES.items())
    return ", ".join(f"{words} {100 * x:.2f} %" for words, x in held if x is not None and x == x)


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run in order; of an epoch made twice (after a kill) the later line counts."""
    by_epoch: dict[int, dict[str, Any]] = {}
    path = folder / "epochs.jsonl"
    for line in path.read_text().splitlines() if path.is_file() else []:
        with suppress(json.JSONDecodeError):  # the last line of a killed run may be cut
            record = json.loads(line)
            by_epoch[record["epoch"]] = record
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def load(path: str | Path | None = None) -> pd.DataFrame:
    """All runs of a run store as a table, one row a run.

    Args:
        path: the folder of runs; None means `LOSSATLAS_RUNS` or `runs`.

    Returns:
        At least the columns `COLUMNS` (accuracies and ECE as fractions, times in seconds), each
        hyperparameter as `loss.<name>`, and what else the rows hold. Runs in work have state
        "running"; runs cut off have state "failed" and a reason.
    """
    root = Path(path).resolve() if path is not None else runs_dir()
    rows = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        row = read_row(folder) if folder.is_dir() and not folder.name.startswith(".") else None
        if row is not None:
            rows.append(row)
    rows += [_unfinished(folder) for folder in sorted(root.glob(".running/*")) if folder.is_dir()]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)])


def _unfinished(folder: Path) -> dict[str, Any]:
    start = folder / "start.json"
    row: dict[str, Any] = {"run_id": folder.name}
    if start.is_file():
        row = json.loads(start.read_text())
    done = len(read_epochs(folder))
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        with lock.acquire(timeout=0):
            reason = f"cut off after {done} epochs; start it again to go on"
            return {**row, "state": "failed", "reason": reason}
    except Timeout:
        minutes = (time.time() - row.get("started", time.time())) / 60
        return {**row, "state": "running", "reason": f"{done} epochs after {minutes:.1f} min"}
