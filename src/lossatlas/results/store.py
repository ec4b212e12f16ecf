"""The run store: one folder a run, which appears whole or not at all.

    runs/<run_id>/            a finished run: done, diverged or failed
        row.json              one flat mapping of scalars: the row
        config.yaml           the resolved configuration
        epochs.jsonl          one line an epoch
        bundle.safetensors    logits, features, labels and indices (absent if it failed)
        loss.py               the loss's file; beside it loss_<name>.py, what its digest covers too
    runs/.running/<run_id>/   the same, while it is being made, with a checkpoint and a lease
    runs/.sweeps/<name>/      a sweep: its plan, its file, the logs of its workers
    runs/.imported/           rows that were made elsewhere, as `results.travel` keeps them

A run's id ends in a digest of its configuration (without paths, logging and devices) and of its
loss's code, so the same experiment has the same folder however it was spelt. The form of the id is
the store's version: runs whose ids have another form are named, and left alone.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from lossatlas.errors import UserError
from lossatlas.results import files
from lossatlas.results.disk import FULL
from lossatlas.results.files import Damaged
from lossatlas.results.lease import Lease, Lost, acquire, holder
from lossatlas.results.table import collect, damaged_row, is_earlier, read_row
from lossatlas.terminal import printable
from lossatlas.writing import write

# What may change without changing the experiment: where it is written, who watches, what computes.
VOLATILE = ("runs", "logger", "launcher", "accelerator", "progress", "data.path")
RUNNING = ".running"
TUNED = ".tuned"  # tables of learning rates
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


def runs_dir(path: str | Path | None = None) -> Path:
    """`path`, else `LOSSATLAS_RUNS`, else `runs` in the working folder; absolute."""
    if path is None:
        path = os.path.expanduser(os.environ.get("LOSSATLAS_RUNS") or "runs")
    return Path(os.path.realpath(path))  # a loop of links, at which Path.resolve raises, stays one


def check_folder(root: Path) -> None:
    """Raise UserError unless there is a folder of runs."""
    if not root.is_dir():
        raise UserError(f"{root}: there is no such folder of runs; 'lossatlas train' makes runs")


def earlier(root: Path) -> str | None:
    """A sentence on the runs of an earlier version of the store below `root`, if there are any."""
    n = sum(is_earlier(name) for folder in (root, root / RUNNING) for name in names(folder))
    if not n:
        return None
    what = "1 run of an earlier version is" if n == 1 else f"{n} runs of an earlier version are"
    return f"{root}: {what} left alone, as ids covered less then; delete or move what is of no use"


def tell_earlier(root: Path) -> None:
    """Print that sentence to stderr, if there is one."""
    if (sentence := earlier(root)) is not None:
        print(printable(f"lossatlas: {sentence}"), file=sys.stderr)


def is_finished(root: Path, run: str) -> bool:
    """Whether a run needs no more work: done, or diverged (which is a result). Failed runs do.

    Raises:
        Damaged: in the place of the run is something else.
    """
    row = read_row(root / run)
    if row is None and os.path.lexists(root / run):
        row = read_row(root / run)  # it may have been published between these two looks
        if row is None:
            raise Damaged(f"{root / run}: is in the way, and no run with a row; move it elsewhere")
    return row is not None and row["state"] in ("done", "diverged")


def remove(root: Path, run: str) -> None:
    """Remove a finished run; others see the whole of it, or nothing."""
    aside = root / f".removed-{run}-{os.getpid()}"
    with suppress(FileNotFoundError):
        (root / run).rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


class Unusable(UserError):
    """What stands where a run is made cannot be used for it."""


@contextmanager
def workshop(root: Path, run: str) -> Iterator[Lease | None]:
    """The lease of a run and, at `lease.folder`, the folder to make it in.

    None when another process is making the run.

    Raises:
        UserError: something stands where the run's folder belongs.
        Unusable: the folder cannot be made or written.
    """
    _check_place(root / run)
    folder = root / RUNNING / run
    try:
        lease = acquire(folder, epochs=epochs_made(folder))
    except OSError as error:
        if error.errno in FULL:
            raise
        raise Unusable(f"{folder}: cannot be used as the run's folder ({error.strerror})") from None
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()


def publish(root: Path, lease: Lease, row: dict[str, Any]) -> None:
    """Write the row, drop checkpoint and lease, and move the run's folder into its place.

    A process killed in here leaves a whole row in the working folder, for the next one to move.

    Raises:
        Lost: another process took the run over.
        UserError: the run cannot be moved, or in its place is something that is no failed run; it
            stays whole where it is.
    """
    lease.check()
    if isinstance(row.get("reason"), str):  # of an exception: it may hold halves of characters
        row = row | {"reason": row["reason"].encode("utf-8", "backslashreplace").decode()}
    write_json(lease.folder / "row.json", row)
    for pattern in ("*.ckpt", "*.part"):
        for leftover in lease.folder.glob(pattern):
            leftover.unlink()
    sync(lease.folder)  # before it is called finished
    final = root / lease.folder.name
    _check_place(final)
    lease.release()
    if is_finished(root, final.name):
        raise Lost(f"{final.name} was made by another process")
    try:
        _replace(final, lease.folder)
    except FileNotFoundError:
        raise Lost(f"{final.name} was taken over by another process") from None
    except OSError as error:
        raise UserError(f"{final}: the run cannot be moved there ({error.strerror})") from None
    for late in final.glob("lease.*"):  # of a process that came while we moved, and is lost
        late.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Wait until the files of a folder are on the disk."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def fail(root: Path, row: dict[str, Any]) -> None:
    """Put the row of a run that could not be begun into its place, if nothing is there."""
    beside = root / f".{row['run_id']}.{os.getpid()}"
    beside.mkdir()
    try:
        write_json(beside / "row.json", row)
        with suppress(OSError):
            beside.rename(root / row["run_id"])
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_place(final: Path) -> None:
    if final.is_symlink() or (final.exists() and not final.is_dir()):
        what = "a link" if final.is_symlink() else "a file"
        raise UserError(f"{final}: {what} stands where the run's folder belongs; move it away")


def _replace(final: Path, folder: Path) -> None:
    """Move a folder to its place; an earlier failure there is deleted once that is done."""
    aside = final.with_name(f".{final.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if final.exists():
        final.rename(aside)
    try:
        folder.rename(final)
    except OSError:
        if aside.exists():
            aside.rename(final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, whole or not at all."""
    write(path, json.dumps(value, indent=1) + "\n")


def keep_source(folder: Path, files: Sequence[Path]) -> None:
    """Copy the files of a loss into the folder of its run: the first as `loss.py`."""
    kept: dict[str, Path] = {}
    for i, file in enumerate(files):
        name = f"loss_{file.stem}.py" if i else "loss.py"
        kept[name if name not in kept else f"loss_{file.stem}_{i}.py"] = file
    for name, file in kept.items():
        (folder / name).write_bytes(file.read_bytes())


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line and flush it to the disk."""
    with path.open("a+b") as file:
        if file.tell():  # a writer that was cut off may have left half a line
            file.seek(-1, os.SEEK_END)
            file.write(b"" if file.read() == b"\n" else b"\n")
        file.write(json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def headline(row: Mapping[Any, Any]) -> str:
    """The main numbers of a row in words; empty when it has none, or is that of no finished run."""
    shown = HEADLINES if row.get("state") == "done" else {}
    held = ((words, row.get(key)) for key, words in shown.items())
    return ", ".join(f"{words} {100 * x:.2f} %" for words, x in held if x is not None and x == x)


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run from the first; of one made twice (after a kill) the later line counts.

    Raises:
        Damaged: a line is none of ours, or an epoch is missing.
    """
    path = folder / "epochs.jsonl"
    try:
        lines = files.text(path).split("\n")
    except FileNotFoundError:
        return []
    by_epoch: dict[int, dict[str, Any]] = {}
    cut: str | None = None
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            record = files.parsed(line, files.Epoch, f"{path}: line {number}")
            by_epoch[record["epoch"]] = record
        except Damaged as error:  # a writer that was killed leaves half a line
            if not line.startswith('{"epoch": '[: len(line)]) or line.endswith("}"):
                raise
            cut = str(error)
    for epoch, made in enumerate(sorted(by_epoch), 1):
        if epoch != made:
            raise Damaged(cut or f"{path}: epoch {epoch} is missing")
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def keep_epochs(folder: Path, epochs: list[dict[str, Any]]) -> None:
    """Let `epochs.jsonl` hold these and nothing else."""
    path = folder / "epochs.jsonl"
    if epochs:
        write(path, "".join(json.dumps(epoch) + "\n" for epoch in epochs))
    else:
        delete(path)


def delete(path: Path) -> None:
    """Delete whatever is at `path`; a link, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def epochs_made(folder: Path) -> int:
    """How many epochs a run has made; none if they are damaged."""
    with suppress(Damaged):
        return len(read_epochs(folder))
    return 0


def table(
    path: str | Path | None = None, left_out: list[Mapping[str, Any]] | None = None
) -> pd.DataFrame:
    """The runs of a store, without what it has imported: at least the columns `COLUMNS`. Damaged
    runs have their id, state "damaged" and the reason, and are put into the list `left_out`
    instead, if that is given.
    """
    root = runs_dir(path)
    published: list[str] = []
    # Listed before the finished runs are, and looked at after them: a run that is published
    # meanwhile is seen at least once.
    going = sorted(name for name in names(root / RUNNING) if not is_earlier(name))
    found = collect(root, _going(root, going, published), left_out)
    found = found.reindex(columns=[*COLUMNS, *(c for c in found.columns if c not in COLUMNS)])
    twice = found["run_id"].isin(published) & found["run_id"].duplicated(keep="last")
    return found[~twice].reset_index(drop=True) if twice.any() else found


def _going(root: Path, going: list[str], published: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of runs in work; of those that are published by now, whose names are noted."""
    for name in going:
        row = unfinished(root / RUNNING / name)
        if row is None:
            published.append(name)
            with suppress(Damaged):  # then it was found damaged among the finished
                row = read_row(root / name)
        if row is not None:
            yield row


def names(folder: Path) -> list[str]:
    """The names in a folder; none if there is no such folder."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def unfinished(folder: Path) -> dict[str, Any] | None:
    """The row of a run that has not ended: what is known, its state, reason and `epochs_made`.

    None if the folder is gone: the run was published while we looked. What is left of a run that
    is finished, and what is no folder, is damaged.
    """
    row: dict[str, Any] = {"run_id": printable(folder.name)}
    made, wrong, root = 0, None, folder.parents[1]
    if os.path.lexists(folder) and not folder.is_dir():
        return damaged_row(root, folder.name, f"{folder}: is no folder of a run")
    try:
        made = len(read_epochs(folder))
        start = files.mapping(folder / "start.json", files.Start)
        if start["run_id"] != folder.name:
            raise Damaged(f"{folder / 'start.json'}: field 'run_id' is {start['run_id']!r}")
        row = start
    except FileNotFoundError:
        pass
    except Damaged as error:
        wrong = error
    row = {**row, "epochs_made": made}
    by = holder(folder)
    finished = os.path.lexists(root / folder.name / "row.json")
    if not folder.is_dir():
        return None
    if by is not None:
        minutes = (time.time() - row.get("started", time.time())) / 60
        who = f"process {by['pid']} on {by['host']}" if by else "a process whose lease is damaged"
        reason = f"{made} epochs after {minutes:.1f} min, {who}"
        return {**row, "state": "running", "reason": reason}
    reason = f"cut off after {made} epochs; start it again to go on"
    if wrong is not None:
        what = str(wrong).replace(f"{root}/", "")
        reason = printable(f"damaged: {what}; start it again, and it goes on from what is whole")
    if finished and not _failed(folder):
        left = wrong or f"{folder}: left over"
        return damaged_row(
            root, folder.name, f"{left}; the run itself is finished, delete this folder"
        )
    return {**row, "state": "interrupted", "reason": reason}


def _failed(folder: Path) -> bool:
    """Whether the run in work at `folder` has failed before."""
    with suppress(Damaged):
        row = read_row(folder.parents[1] / folder.name)
        return row is None or row["state"] == "failed"
    return True
