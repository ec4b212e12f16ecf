"""Rows and epochs as tidy tables of pandas, whose columns are the data below."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lossatlas.results import store, travel
from lossatlas.results.files import Damaged

# What each column of `load` holds; shares are between 0 and 1, and what a run does not have is NaN.
COLUMNS = {
    "run_id": "the run: what it is of, and a digest of its configuration and its loss's code",
    "machine": "the kind of machine that made it, as far as its row tells",
    "loss": "id of the loss; its hyperparameters are `loss.<name>`",
    "family": "room of the loss",
    "target": "type of y",
    "scenario": "what was done to the training data; its parameters are `scenario.<name>`",
    "recipe": "optimiser, schedule and epochs, by name",
    "model": "network, by name",
    "data": "images, by name",
    "seed": "of weights, order, augmentation and scenario",
    "state": "done, diverged or failed; of what has not ended running or interrupted",
    "reason": "why, of all that is not done",
    "test_accuracy": "share of test images, last epoch",
    "best_test_accuracy": "the same in the best epoch, chosen on the test images",
    "test_balanced_accuracy": "mean recall of the classes",
    "test_many_accuracy": "mean recall of the third of the classes with the most training images",
    "test_medium_accuracy": "of the third between",
    "test_few_accuracy": "of the third with the fewest",
    "test_nll": "mean negative log-likelihood, nats",
    "test_brier": "mean squared distance of the probabilities to the label, 0 to 2",
    "test_ece": "expected calibration error, share",
    "test_ece_floor": "the same of a perfectly calibrated model with these confidences",
    "test_ece_floor_sd": "its standard deviation over draws of labels",
    "test_ece_debiased": "the error minus its floor, not below 0",
    "test_ece_equal_mass": "the error in bins of equally many images",
    "test_ece_classwise": "mean over the classes of the error of their own probability",
    "test_aurc": "error rate, averaged over all shares of most confident images",
    "temperature": "that minimises the NLL of unused training images",
    "temperature_images": "how many of these it was fitted on",
    **{
        f"{name}_ts": f"`{name}` after scaling by that temperature"
        for name in (
            "test_nll", "test_brier", "test_ece", "test_ece_floor", "test_ece_floor_sd",
            "test_ece_debiased", "test_ece_equal_mass", "test_ece_classwise", "test_aurc",
        )
    },
    "knn_accuracy": "share of test images by nearest neighbours of frozen features",
    "knn_accuracy_untrained": "the same before training",
    "probe_accuracy": "share of test images by a linear probe of frozen features",
    "score": "of tuning: share of held-out training images",
    "epochs": "planned",
    "batch_size": "images in a step",
    "lr": "learning rate, its peak",
    "lr_source": "tuned (from a table), default (the recipe's) or given",
    "momentum": "of the optimiser",
    "weight_decay": "of the optimiser",
    "holdout": "training images held out, of tuning; else 0",
    "teacher": "run whose network the loss learns from",
    "train_size": "training images",
    "effective_noise": "share of targets that leave out the true class",
    "parameters": "of the network",
    "train_s": "seconds of training epochs",
    "wall_s": "seconds from start to end",
    "cpu_s": "processor seconds of training epochs",
    "started": "Unix time, seconds",
    "sweep": "that made it",
    "chosen_on": "seeds by whose results its loss was chosen for this run, if by any",
    "threads": "of a process",
    "device": "cpu or cuda",
    "precision": "in which it was computed: 32-true, bf16-mixed",
    "hardware": "name of the device",
    "cpu": "vendor, family, model and stepping of the processor",
    "cpu_capability": "vector instructions that torch used",
    "source": "digest of the loss's code",
    "behaviour": "what the loss computes at fixed points",
    "adopted_from": "earlier ids, if its loss was written anew",
    "weights_sha256": "digest of the trained weights",
}  # fmt: skip
# What each column of `load_epochs` holds; the first six tell whose epochs they are.
EPOCHS = {
    "run_id": "the run",
    "machine": "the kind of machine that made it",
    "started": "Unix time of the run's start, seconds",
    "loss": "id of the loss",
    "scenario": "by name",
    "seed": "of the run",
    "epoch": "from 1",
    "train_loss": "mean over the epoch's batches, while training",
    "train_accuracy": "share of augmented training images, while training",
    "test_accuracy": "share of test images after the epoch",
    "test_nll": "mean negative log-likelihood of test images, nats",
    "knn_accuracy": "share of test images by nearest neighbours of features",
    "lr": "learning rate of the last step",
    "seconds": "of training, without validation",
    "cpu_seconds": "the same of the processor",
}

WHOSE = ("run_id", "started", "loss", "scenario", "seed")


def load(path: str | Path | None = None) -> pd.DataFrame:
    """All runs of a run store, with what it has imported, or of a file of rows; a row a run.

    Args:
        path: the folder of runs, or a file that `lossatlas runs export` wrote; None means
            `LOSSATLAS_RUNS` or `runs`.

    Returns:
        The columns `COLUMNS`, then each hyperparameter as `loss.<name>`, each parameter of a
        scenario as `scenario.<name>`, and what else the rows hold. Runs in work have state
        "running", runs cut off "interrupted", both with a reason. Damaged runs and those of an
        earlier version are left out, with a warning. A run that several machines have made has as
        many rows.

    Raises:
        UserError: the file is none of rows.
    """
    place = store.runs_dir(path)
    if place.suffix == travel.SUFFIX and not place.is_dir():
        return _tidy(travel.frame(travel.read(place).runs))
    damaged: list[Mapping[str, Any]] = []
    table, brought = travel.with_imported(place, store.table(place, damaged))
    if (sentence := store.earlier(place)) is not None:
        warnings.warn(sentence, stacklevel=2)
    if damaged := [*damaged, *brought.damaged]:
        told = "; ".join(row["reason"] for row in damaged)
        warnings.warn(f"{len(damaged)} damaged runs are left out: {told}", stacklevel=2)
    return _tidy(table)


def load_epochs(path: str | Path | None = None) -> pd.DataFrame:
    """The epochs of the runs that `load` gives, a row an epoch; what is damaged is left out, with a
    warning.

    Returns:
        The columns `EPOCHS`, then what else the epochs hold. `run_id`, `machine` and `started`
        name the row of `load`.

    Raises:
        UserError: the file is none of rows.
    """
    place = store.runs_dir(path)
    found: list[dict[str, Any]] = []

    def take(row: Mapping[str, Any], epochs: list[dict[str, Any]]) -> None:
        whose: dict[str, Any] = {"machine": travel.machine(row)}
        whose |= {field: row.get(field) for field in WHOSE}
        found.extend(whose | epoch for epoch in epochs)

    if place.suffix == travel.SUFFIX and not place.is_dir():
        runs = travel.read(place).runs
    else:
        own = store.table(place, [])
        for row in own.to_dict("records"):
            try:
                folder = place / row["run_id"]
                if not folder.is_dir():
                    folder = place / store.RUNNING / row["run_id"]
                take(row, store.read_epochs(folder))
            except Damaged as error:
                warnings.warn(f"left out: {error}", stacklevel=2)
        runs = travel.imported(place, own).runs
    for one in runs:
        take(one.row, one.epochs)
    table = pd.DataFrame(found)
    return table.reindex(columns=[*EPOCHS, *(c for c in table if c not in EPOCHS)])


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    fields = ["hardware", "cpu", "cpu_capability", "device"]
    rows = table.reindex(columns=fields).to_dict("records")
    table = table.assign(machine=[travel.machine(row) for row in rows])
    return table.reindex(columns=[*COLUMNS, *sorted(c for c in table if c not in COLUMNS)])
