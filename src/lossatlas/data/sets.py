"""The data sets by name: their fields in a configuration, their classes, their images."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossatlas.data import arrays, cifar10
from lossatlas.data.cifar10 import Dataset
from lossatlas.data.synthetic import synthetic
from lossatlas.errors import UserError
from lossatlas.legal import check, choice, is_digest, is_line, legal_if, number


@dataclass
class Cifar10:
    name: str = choice("cifar10", default="cifar10")


@dataclass
class Synthetic:  # ten made-up classes; for tests and machines without a network
    name: str = choice("synthetic", default="synthetic")
    n_train: int = number("[1, 50000]", 2000)
    n_test: int = number("[1, 10000]", 500)


@dataclass
class Arrays:  # what stands below the path is read from the file
    name: str = choice("arrays", default="arrays")
    path: str = legal_if("the path of a .npz file", is_line)
    digest: str | None = legal_if("16 hexadecimal digits", is_digest, None)
    n_train: int | None = number(f"[1, {arrays.MOST_IMAGES}]", None)
    n_test: int | None = number(f"[1, {arrays.MOST_IMAGES}]", None)
    num_classes: int | None = number(f"[2, {arrays.MOST_CLASSES}]", None)


SCHEMAS: dict[str, Any] = {"cifar10": Cifar10, "synthetic": Synthetic, "arrays": Arrays}


def completed(conf: dict[str, Any]) -> dict[str, Any]:
    """A configuration of the data, checked, with what a file of arrays says of itself.

    Raises:
        UserError: a field is not legal, or the file's content is not what a plan names.
    """
    if conf["name"] not in SCHEMAS:
        raise UserError(f"there is no data {conf['name']!r}; legal: {', '.join(SCHEMAS)}")
    check(SCHEMAS[conf["name"]], conf, "data.")
    if conf["name"] != "arrays":
        return conf
    (train, test, classes, _), digest = arrays.read(conf["path"])
    said = {
        "digest": digest, "n_train": len(train.labels), "n_test": len(test.labels),
        "num_classes": len(classes),
    }  # fmt: skip
    for key, value in said.items():
        if conf[key] not in (None, value):
            raise UserError(f"data.{key} is {conf[key]}, but of {conf['path']} it is {value}")
    return conf | said | {"path": str(Path(os.path.expanduser(conf["path"])).absolute())}


def classes(conf: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes; raises UserError as `arrays.read` does."""
    return arrays.read(conf["path"]).data.classes if conf["name"] == "arrays" else cifar10.CLASSES


def load(conf: Mapping[str, Any]) -> Dataset:
    """The data; CIFAR-10 is fetched first if need be.

    Raises:
        UserError: as `cifar10.load` and `arrays.read` do.
    """
    if conf["name"] == "arrays":
        return arrays.read(conf["path"]).data
    if conf["name"] == "synthetic":
        return synthetic(conf["n_train"], conf["n_test"])
    return cifar10.load()
