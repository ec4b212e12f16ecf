"""The life of one run: a resolved configuration becomes a folder with one row."""

import logging
import shutil
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lossatlas.errors import UserError
from lossatlas.losses import behaviour, process, registry, source
from lossatlas.losses.base import Loss
from lossatlas.results import disk, store
from lossatlas.results.disk import NoSpace
from lossatlas.results.lease import MAX_DEATHS, Lease, Lost
from lossatlas.training import machine, mirrors, row, stop, teacher
from lossatlas.training.build import Bar, build_module, build_trainer
from lossatlas.training.config import Config, resolve
from lossatlas.training.data import ImageData
from lossatlas.training.evaluate import evaluate
from lossatlas.training.identity import build_loss, place
from lossatlas.training.journal import Journal, usable
from lossatlas.training.modules import Diverged
from lossatlas.training.stop import Interrupted

warnings.filterwarnings("ignore", message=".*LeafSpec.*")
warnings.filterwarnings("ignore", message="The number of training batches")  # we log by epoch
warnings.filterwarnings("ignore", message="The `srun` command is available")  # and not needed
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


class Killed(RuntimeError):
    """Every process that tried to make the run was killed, or ended without a word."""


class _Job(NamedTuple):
    """A run that is to be made: what it is, what makes it, where, and how its row begins."""

    cfg: Config
    config: dict[str, Any]
    loss: Loss
    device: torch.device
    root: Path
    start: dict[str, Any]


@disk.room()
@stop.listening()
def execute(
    cfg: Config,
    lr_source: str = "given",
    sweep: str | None = None,
    chosen_on: str | None = None,
) -> dict[str, Any]:
    """Make the run that `cfg` describes, unless it is made already; return its row.

    A diverged run is a result; an exception, be it SystemExit, becomes a row of state "failed" with
    its reason and a traceback in the run's folder. A run that another process is making gives state
    "running".
    In a sweep (named `sweep`) a mistake that only this run shows is a failed run as well. What
    `lr_source` and `chosen_on` say goes into the row.

    Raises:
        UserError: the configuration names a loss, device or data set that cannot be used, or the
            run's folder cannot be.
        Interrupted: on SIGINT and SIGTERM.
        NoSpace: the disk is full.
        Lost: another process took the run over.
    """
    config = resolve(cfg)
    loss = build_loss(config["loss"])
    root, run = place(config, loss)
    if sweep is None:
        store.tell_earlier(root)
    if store.is_finished(root, run):
        return store.read_row(root / run) or {}
    machine.one_process()
    device = machine.pick_device(cfg.accelerator)
    teacher.check(config, root)
    mirrors.check(cfg.logger.name)
    start = row.begun(run, cfg, config, loss, device, lr_source, sweep, chosen_on)
    try:
        with store.workshop(root, run) as lease:
            return _make(_Job(cfg, config, loss, device, root, start), lease)
    except store.Unusable as error:
        if sweep is None:
            raise
        failed = start | {"state": "failed", "reason": str(error)}
        store.fail(root, failed)
        return failed


def _make(job: _Job, lease: Lease | None) -> dict[str, Any]:
    """Make the run and publish it, if the lease is ours."""
    root, run = job.root, job.start["run_id"]
    if lease is None:
        return {"run_id": run, "state": "running", "reason": "another process is making it"}
    folder = lease.folder
    if store.is_finished(root, run):  # it was finished just before we came
        shutil.rmtree(folder)
        return store.read_row(root / run) or {}
    if (there := store.read_row(folder)) is not None:  # all but moved into its place
        store.publish(root, lease, there)
        return there
    if job.start["sweep"] is not None:
        print(f"{run}: begun", flush=True)
    usable(folder)  # what no checkpoint confirms is made again, and its time with it
    made = store.read_epochs(folder)
    if made:  # perhaps on another machine
        job = job._replace(start=machine.joined(store.unfinished(folder) or {}, job.start))
    begun = time.perf_counter() - sum(e["seconds"] for e in made)
    try:
        with mirrors.mirrored(job.cfg, folder, job.start) as mirror:
            found = job.start | _attempt(job, lease, mirror)
            if found["state"] != "failed":  # afterwards: a loss may remember that it was called
                found["behaviour"] = behaviour.of(job.config["loss"])
            found["wall_s"] = round(time.perf_counter() - begun, 2)
            found |= row.from_epochs(folder, job.cfg)
            if mirror:
                mirrors.complete(mirror, folder, job.start, found)
    except UserError:
        if not store.epochs_made(folder):  # nothing was made: leave no trace of a mistake
            shutil.rmtree(folder)
        raise
    store.publish(root, lease, found)
    return store.read_row(root / run) or {}


def _attempt(job: _Job, lease: Lease, mirror: "mirrors.Mirror | None") -> dict[str, Any]:
    """How the run ended: its state, the reason, and what `_train` measured."""
    try:
        with disk.room():
            store.write_json(lease.folder / "start.json", job.start)
            text = OmegaConf.to_yaml(OmegaConf.create(job.config))
            (lease.folder / "config.yaml").write_text(text, encoding="utf-8")
            store.keep_source(lease.folder, source.files(job.loss))
        torch.set_num_threads(job.cfg.threads)
        with process.undisturbed(registry.changes(job.loss)):
            return {"state": "done", "reason": None} | _train(job, lease, mirror)
    except (Lost, NoSpace, Interrupted):
        raise
    except BaseException as error:
        stop.check()
        if isinstance(error, SIGTERMException):  # where somebody else answers the signal
            raise Interrupted(143) from None
        if isinstance(error, Diverged):
            return {"state": "diverged", "reason": str(error)}
        if isinstance(error, UserError):
            if job.start["sweep"] is None:
                raise
            return {"state": "failed", "reason": str(error)}
        lease.check()  # what fails after another took the run over is no failure of the run
        told = traceback.format_exc()
        (lease.folder / "error.txt").write_text(told, encoding="utf-8", errors="backslashreplace")
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            error = error.__context__  # Lightning makes the one of the other
        return {"state": "failed", "reason": described(error)}


def described(error: BaseException) -> str:
    """An exception in one line: its type, and its message if it has one."""
    try:
        words = " ".join(str(error).split())
    except Exception:
        words = "its message cannot be read"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _train(job: _Job, lease: Lease, mirror: "mirrors.Mirror | None") -> dict[str, Any]:
    if lease.deaths >= MAX_DEATHS:
        raise Killed(
            f"its process was killed {lease.deaths} times in a row before it made one more epoch; "
            "perhaps the memory ran out, or its loss ends the process"
        )
    cfg, loss, device, folder = job.cfg, job.loss, job.device, lease.folder
    with disk.room():
        views = loss.strengths or ("strong",) * loss.views
        data = ImageData(cfg, loss.target, views, device, loss.samples_per_class)
    module = build_module(cfg, loss, data).to(device)
    if cfg.teacher is not None:
        said = teacher.logits(cfg.teacher, job.root, data.train.indices)
        module.teacher_logits = said.to(device)
    extra: dict[str, Any] = {"parameters": sum(p.numel() for p in module.parameters())}
    extra |= {"effective_noise": data.effective_noise(), "train_size": len(data.train.labels)}
    extra["num_classes"] = len(data.classes)
    loss.validate = False  # the scenario's targets were built here, once, and are legal
    trainer = build_trainer(
        cfg, device, logger=mirror or False, enable_progress_bar=cfg.progress,
        callbacks=[Journal(folder, lease.check), *([Bar()] if cfg.progress else [])],
    )  # fmt: skip
    extra |= module.untrained(trainer, data)
    trainer.fit(module, data, ckpt_path=usable(folder), weights_only=True)
    return extra | evaluate(cfg, module, data, trainer, folder)
