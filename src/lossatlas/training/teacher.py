"""A finished run as another run's teacher: its logits on the training images, from its bundle.

They are those of the plain images, once and for all: the teacher does not see what augmentation
made of them. `keep_train` says for how many images a run keeps them.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossatlas import yamls
from lossatlas.errors import UserError
from lossatlas.evaluation import bundle
from lossatlas.losses.base import Loss
from lossatlas.results import store
from lossatlas.results.files import Damaged
from lossatlas.training.config import KEPT

WANTED = "teacher_logits"


def check_named(config: dict[str, Any], loss: Loss) -> None:
    """Raise UserError unless a teacher is named exactly where the loss learns from one.

    An embedder, which has no logits, keeps none.
    """
    name, wants = config.get("teacher"), WANTED in loss.requires
    if loss.kind.on_embeddings and config.get("keep_train", KEPT) != KEPT:
        raise UserError(
            f"keep_train is {config['keep_train']}, but loss {config['loss']['name']!r} trains no "
            f"classifier, whose logits could be kept; leave it at {KEPT}"
        )
    if wants and name is None:
        raise UserError(
            f"loss {config['loss']['name']!r} learns from another network: name a finished run "
            "with teacher=RUN_ID"
        )
    if name is not None and not wants:
        raise UserError(
            f"teacher is {name!r}, but loss {config['loss']['name']!r} learns from no other network"
        )


def check(config: dict[str, Any], root: Path) -> None:
    """Raise UserError unless the teacher, if there is one, is a finished run on the same images,
    with logits."""
    name = config["teacher"]
    if name is None:
        return
    row = store.read_row(root / name)
    if row is None:
        raise UserError(f"teacher {name!r}: there is no such run in {root}")
    if row["state"] != "done":
        raise UserError(f"teacher {name!r} is {row['state']}, not done")
    theirs = yamls.read(root / name / "config.yaml")
    data = theirs.get("data") if isinstance(theirs, dict) else None
    if data != config["data"]:
        raise UserError(f"teacher {name!r} was trained on data {data}, not {config['data']}")
    if row["holdout"]:
        raise UserError(
            f"teacher {name!r} was scored on held-out images (holdout {row['holdout']:g}), and "
            "such runs keep no logits; name one with holdout 0"
        )
    _read(name, root)


def logits(name: str, root: Path, indices: Tensor) -> Tensor:
    """What the teacher said of these images, (N, K) float32.

    Args:
        name: the teacher's run.
        root: the run store.
        indices: (N,) int64, the training images, as rows of the data set.

    Raises:
        UserError: its bundle has not the logits of all of them.
    """
    said, known = _read(name, root)
    row_of = {image: row for row, image in enumerate(known.tolist())}
    wanted = indices.tolist()
    if missing := sum(image not in row_of for image in wanted):
        raise UserError(
            f"teacher {name!r} kept the logits of {len(known)} training images, and {missing} of "
            f"the {len(wanted)} of this run are not among them; make a teacher with the same "
            "recipe.train_limit, and keep_train as large as its training set"
        )
    return said[torch.tensor([row_of[image] for image in wanted])]


def _read(name: str, root: Path) -> tuple[Tensor, Tensor]:
    """Logits (N, K) float32 and indices (N,) of the training images that a run kept."""
    try:
        kept = bundle.load(root / name / "bundle.safetensors", "train")
    except (FileNotFoundError, Damaged) as error:
        raise UserError(f"teacher {name!r} has no bundle that can be read ({error})") from None
    if kept.logits is None:
        raise UserError(f"teacher {name!r} is an embedder: its bundle holds no logits")
    return kept.logits, kept.indices
