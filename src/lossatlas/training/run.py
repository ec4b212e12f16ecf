"""One run: a resolved configuration becomes a folder with one row."""

import hashlib
import logging
import os
import platform
import shutil
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import nn

import lossatlas
from lossatlas.errors import UserError
from lossatlas.evaluation import bundle, metrics
from lossatlas.evaluation.probes import knn_accuracy, linear_probe_accuracy
from lossatlas.losses import behaviour, expression, process, registry, source
from lossatlas.losses.base import EmbeddingLoss, Loss
from lossatlas.models import own
from lossatlas.models.airnet import AirNet
from lossatlas.models.parts import Sizes, assemble
from lossatlas.models.resnet import ResNet18
from lossatlas.names import label
from lossatlas.results import disk, store
from lossatlas.results.disk import NoSpace
from lossatlas.results.lease import MAX_DEATHS, Lease, Lost
from lossatlas.seeds import derive
from lossatlas.training import machine, mirrors, provide, stop, teacher
from lossatlas.training.config import Config, ModelConf, resolve
from lossatlas.training.data import ImageData
from lossatlas.training.identity import build_loss, place
from lossatlas.training.journal import Checkpoints, Journal, usable
from lossatlas.training.modules import Classifier, Diverged, Embedder, LossModule
from lossatlas.training.stop import Interrupted

warnings.filterwarnings("ignore", message=".*LeafSpec.*")
warnings.filterwarnings("ignore", message="The number of training batches")  # we log by epoch
warnings.filterwarnings("ignore", message="The `srun` command is available")  # and not needed
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


class Killed(RuntimeError):
    """Every process that tried to make the run was killed, or ended without a word."""


def execute(cfg: Config, lr_source: str = "given", sweep: str | None = None) -> dict[str, Any]:
    """Make the run that `cfg` describes, unless it is made already; return its row.

    A diverged run is a result; an exception, be it SystemExit, becomes a row of state "failed" with
    its reason and a traceback in the run's folder. A run that another process is making gives state
    "running".
    In a sweep (named `sweep`) a mistake that only this run shows is a failed run as well.

    Raises:
        UserError: the configuration names a loss, device or data set that cannot be used, or the
            run's folder cannot be.
        Interrupted: on SIGINT and SIGTERM.
        NoSpace: the disk is full.
        Lost: another process took the run over.
    """
    with disk.room(), stop.listening():
        return _execute(cfg, lr_source, sweep)


def _execute(cfg: Config, lr_source: str, sweep: str | None) -> dict[str, Any]:
    config = resolve(cfg)
    loss = build_loss(config["loss"])
    root, run = place(config)
    if sweep is None:
        store.tell_earlier(root)
    if store.is_finished(root, run):
        return store.read_row(root / run) or {}
    one_process()
    device = pick_device(cfg.accelerator)
    teacher.check(config, root)
    mirrors.check(cfg.logger.name)
    start = _start_row(run, cfg, config, loss, device, lr_source, sweep)
    try:
        with store.workshop(root, run) as lease:
            return _make(cfg, config, loss, lease, device, start, root)
    except store.Unusable as error:
        if sweep is None:
            raise
        row = start | {"state": "failed", "reason": str(error)}
        store.fail(root, row)
        return row


def _make(
    cfg: Config,
    config: dict[str, Any],
    loss: Loss,
    lease: Lease | None,
    device: torch.device,
    start: dict[str, Any],
    root: Path,
) -> dict[str, Any]:
    """Make the run whose row begins with `start` and publish it, if the lease is ours."""
    run = start["run_id"]
    if lease is None:
        return {"run_id": run, "state": "running", "reason": "another process is making it"}
    folder = lease.folder
    if store.is_finished(root, run):  # it was finished just before we came
        shutil.rmtree(folder)
        return store.read_row(root / run) or {}
    if (row := store.read_row(folder)) is not None:  # all but moved into its place
        store.publish(root, lease, row)
        return row
    if start["sweep"] is not None:
        print(f"{run}: begun", flush=True)
    usable(folder)  # what no checkpoint confirms is made again, and its time with it
    made = store.read_epochs(folder)
    if made:  # perhaps on another machine
        start = machine.joined(store.unfinished(folder) or {}, start)
    begun = time.perf_counter() - sum(e["seconds"] for e in made)
    try:
        with mirrors.mirrored(cfg, folder, start) as mirror:
            row = start | _attempt(cfg, config, loss, lease, device, start, mirror)
            if row["state"] != "failed":  # afterwards: a loss may remember that it was called
                row["behaviour"] = behaviour.of(config["loss"])
            row["wall_s"] = round(time.perf_counter() - begun, 2)
            row |= _from_epochs(folder, cfg)
            if mirror:
                mirrors.complete(mirror, folder, start, row)
    except UserError:
        if not store.epochs_made(folder):  # nothing was made: leave no trace of a mistake
            shutil.rmtree(folder)
        raise
    store.publish(root, lease, row)
    return store.read_row(root / run) or {}


def _attempt(
    cfg: Config,
    config: dict[str, Any],
    loss: Loss,
    lease: Lease,
    device: torch.device,
    start: dict[str, Any],
    mirror: "mirrors.Mirror | None",
) -> dict[str, Any]:
    """How the run ended: its state, the reason, and what `_train` measured."""
    try:
        with disk.room():
            store.write_json(lease.folder / "start.json", start)
            text = OmegaConf.to_yaml(OmegaConf.create(config))
            (lease.folder / "config.yaml").write_text(text, encoding="utf-8")
            store.keep_source(lease.folder, source.files(loss))
        torch.set_num_threads(cfg.threads)
        with process.undisturbed(registry.changes(loss)):
            return {"state": "done", "reason": None} | _train(cfg, loss, lease, device, mirror)
    except (Lost, NoSpace, Interrupted):
        raise
    except BaseException as error:
        stop.check()
        if isinstance(error, SIGTERMException):  # where somebody else answers the signal
            raise Interrupted(143) from None
        if isinstance(error, Diverged):
            return {"state": "diverged", "reason": str(error)}
        if isinstance(error, UserError):
            if start["sweep"] is None:
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


def build_backbone(conf: ModelConf, images: torch.Tensor) -> nn.Module:
    """The network of a configuration, its whitening stem (if any) set from `images`."""
    if own.is_own(conf.arch):
        return own.build(conf.arch, images)
    if conf.arch == "resnet18":
        return ResNet18(list(conf.widths))
    net = AirNet(
        list(conf.widths), conf.stem_kernel, conf.stem_stride, conf.stem_pad,
        conf.directions, list(conf.pools),
    )  # fmt: skip
    net.whiten(images)
    return net


def build_module(cfg: Config, loss: Loss, data: ImageData) -> LossModule:
    """Backbone, head and loss, initialised from the run's seed."""
    torch.manual_seed(derive(cfg.seed, "init"))
    backbone = build_backbone(cfg.model, data.stem_images().cpu())
    backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plan = provide.Plan(
        data, cfg.recipe.epochs, cfg.recipe.batch_size, int(backbone.feature_dim),
        cfg.model.projector_dim,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):  # what a loss draws leaves the network as it is
        torch.manual_seed(derive(cfg.seed, "loss"))
        loss.provide(**provide.facts(loss, plan))
    sizes = Sizes(
        len(data.classes), cfg.model.head_scale, cfg.model.projector_width, plan.projector_dim
    )
    try:
        network = assemble(backbone, loss, sizes)
    except ValueError as error:
        raise UserError(f"loss {cfg.loss.name!r}: {error}") from None
    kind = Embedder if isinstance(loss, EmbeddingLoss) else Classifier
    return kind(network, loss, cfg.recipe, cfg.seed, sizes.num_classes)


def one_process() -> None:
    """Raise UserError in one of several processes that would share a batch.

    A loss of batches sees whole ones here: its value is no mean over the parts of a batch.
    """
    shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    told = os.environ.get("WORLD_SIZE", "1")
    world = str(torch.distributed.get_world_size()) if shared else told
    if world not in ("", "1"):
        raise UserError(
            f"WORLD_SIZE is {world}, but a run is trained by one process on one device; start it "
            "without torchrun (a sweep has workers of its own: launcher.workers=N)"
        )


def pick_device(accelerator: str) -> torch.device:
    """The device of `cpu`, `gpu` or `auto`; raises UserError when there is no such GPU."""
    if accelerator not in ("auto", "cpu", "gpu"):
        raise UserError(f"accelerator must be auto, cpu or gpu, not {accelerator!r}")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("accelerator is gpu, but torch sees no CUDA device; use accelerator=cpu")
    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def build_trainer(cfg: Config, device: torch.device, **options: Any) -> pl.Trainer:
    """A Trainer that leaves files, seeds and output to us."""
    cuda = device.type == "cuda"
    return pl.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=1,
        max_epochs=cfg.recipe.epochs,
        precision=cfg.recipe.precision if cuda else "32-true",  # type: ignore[arg-type]
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        # The first keeps Lightning's own SLURM handling out.
        plugins=[LightningEnvironment(), Checkpoints()],
        **options,
    )


def _train(
    cfg: Config,
    loss: Loss,
    lease: Lease,
    device: torch.device,
    mirror: "mirrors.Mirror | None",
) -> dict[str, Any]:
    if lease.deaths >= MAX_DEATHS:
        raise Killed(
            f"its process was killed {lease.deaths} times in a row before it made one more epoch; "
            "perhaps the memory ran out, or its loss ends the process"
        )
    folder = lease.folder
    views = loss.views if isinstance(loss, EmbeddingLoss) else 0
    with disk.room():
        data = ImageData(cfg, loss.target, views, device)
    module = build_module(cfg, loss, data).to(device)
    if cfg.teacher is not None:
        root = folder.parents[1]
        module.teacher_logits = teacher.logits(cfg.teacher, root, data.train.indices).to(device)
    extra: dict[str, Any] = {"parameters": sum(p.numel() for p in module.parameters())}
    extra |= {"effective_noise": data.effective_noise(), "train_size": len(data.train.labels)}
    extra["num_classes"] = len(data.classes)
    loss.validate = False  # the scenario's targets were built here, once, and are legal
    embedder = isinstance(module, Embedder)
    trainer = build_trainer(
        cfg, device, logger=mirror or False, enable_progress_bar=cfg.progress,
        callbacks=[Journal(folder, lease.check)],
    )  # fmt: skip
    if embedder:  # how good are the features of an untrained net? The zero line of the table.
        trainer.validate(module, data, verbose=False)
        extra["knn_accuracy_untrained"] = module.results["knn_accuracy"]
    trainer.fit(module, data, ckpt_path=usable(folder), weights_only=True)
    return extra | _evaluate(cfg, module, data, trainer, folder)


def _evaluate(
    cfg: Config, module: LossModule, data: ImageData, trainer: pl.Trainer, folder: Path
) -> dict[str, Any]:
    sets = {}
    for name, images, parts in zip(
        ("test", "train"),
        (data.scored, data.subset),
        trainer.predict(module, data.predict_dataloader()) or [],
        strict=True,
    ):
        features, outputs = (torch.cat([part[i].float().cpu() for part in parts]) for i in (0, 1))
        logits = None if isinstance(module, Embedder) else outputs
        sets[name] = bundle.Outputs(
            logits, features, images.labels.cpu(), images.indices.cpu(), data.classes
        )
    test, train = sets["test"], sets["train"]
    if test.logits is not None and not torch.isfinite(test.logits).all():
        raise Diverged("the trained model's logits are not finite")
    probe = (train.features, train.labels, test.features, test.labels)
    if cfg.holdout:  # scored on held-out training images: none of its numbers is a test number
        if test.logits is None:
            return {"score": knn_accuracy(*probe)}
        return {"score": metrics.hits(test.logits, data.scored.target.cpu()).double().mean().item()}
    with disk.room():
        bundle.save(folder / "bundle.safetensors", sets)
    numbers: dict[str, Any] = {"weights_sha256": _digest(module)}
    if test.logits is None:
        numbers["knn_accuracy"] = knn_accuracy(*probe)
        numbers["probe_accuracy"] = linear_probe_accuracy(*probe)
        return numbers
    return numbers | metrics.summary(test.logits, test.labels)


def _digest(module: nn.Module) -> str:
    """SHA-256 of all weights and buffers: equal digests mean models of equal bits."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _start_row(
    run: str,
    cfg: Config,
    config: dict[str, Any],
    loss: Loss,
    device: torch.device,
    lr_source: str,
    sweep: str | None,
) -> dict[str, Any]:
    """What is known before training."""
    parameters = {
        f"{group}.{key}": value
        for group in ("loss", "scenario")
        for key, value in config[group].items()
        if key != "name"
    }
    return {
        "run_id": run,
        "loss": cfg.loss.name,
        "family": _family(config["loss"]),
        "target": loss.target,
        "scenario": cfg.scenario.name,
        "recipe": cfg.recipe.name,
        "model": label(config["model"]),
        "data": label(config["data"]),
        "seed": cfg.seed,
        **parameters,
        "epochs": cfg.recipe.epochs,
        "batch_size": cfg.recipe.batch_size,
        "lr": cfg.recipe.lr,
        "lr_source": lr_source,
        **({"teacher": cfg.teacher} if cfg.teacher else {}),
        "source": source.digest(loss),
        "sweep": sweep,
        "momentum": cfg.recipe.momentum,
        "weight_decay": cfg.recipe.weight_decay,
        "holdout": cfg.holdout,
        "threads": cfg.threads,
        "device": device.type,
        **machine.describe(device),
        "torch": torch.__version__,
        "lightning": pl.__version__,
        "lossatlas": lossatlas.__version__,
        "python": platform.python_version(),
        "started": round(time.time()),
    }


def _family(conf: dict[str, Any]) -> str:
    """The family of a loss; of a sum, the families of its terms."""
    names = [conf["name"]]
    if conf["name"] == registry.SUM:
        names = [term.name for term in expression.parse(conf["terms"])]
    return " + ".join(dict.fromkeys(registry.find(name).family for name in names))


def _from_epochs(folder: Path, cfg: Config) -> dict[str, Any]:
    """The part of the row that the epochs say."""
    epochs = store.read_epochs(folder)
    accuracies = [e["test_accuracy"] for e in epochs if "test_accuracy" in e]
    return {
        "best_test_accuracy": max(accuracies) if accuracies and not cfg.holdout else None,
        "train_s": round(sum(e["seconds"] for e in epochs), 2),
        "cpu_s": round(sum(e["cpu_seconds"] for e in epochs), 2),
    }
