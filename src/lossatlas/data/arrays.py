"""Any set of small images, from a .npz file that the user has.

The file holds `train_images` and `test_images`, uint8 (N, 32, 32, 3), `train_labels` and
`test_labels`, whole numbers (N,) from 0 to K - 1 of which the training set has every one, and
perhaps `class_names`, text (K,). Nothing is unpickled, and no array is unpacked before its header
says that it is one of these.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lossatlas.data.cifar10 import Dataset, ImageSet, Statistics
from lossatlas.errors import UserError

MOST_IMAGES, MOST_CLASSES, LONGEST_NAME = 1_000_000, 10_000, 100  # 1,000,000 images are 3 GB
MOST_HEADER = 10_000  # bytes of the text that tells an array's shape and type
SIDE = 32


class Arrays(NamedTuple):
    """A file's data, and a digest of its images, labels and names, however they are packed."""

    data: Dataset
    digest: str


def read(path: str) -> Arrays:
    """The data in a file; kept until another file is read.

    Raises:
        UserError: it cannot be read, or an array is missing or not as the module says.
    """
    file = Path(os.path.expanduser(path)).absolute()
    try:
        found = file.stat()
    except OSError as error:
        raise UserError(f"data.path {file}: cannot be read ({error.strerror})") from None
    return _read(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1)
def _read(file: Path, _changed: int, _size: int) -> Arrays:
    try:
        if not file.is_file():
            raise ValueError("is no plain file")
        with zipfile.ZipFile(file) as packed:
            names = [member.filename for member in packed.infolist()]
            train, test = (_images(packed, split) for split in ("train", "test"))
            classes = _classes(train.labels, test.labels)
            if "class_names.npy" in names:
                classes = _names(packed, len(classes))
    except ValueError as error:
        raise UserError(f"data.path {file}: {error}") from None
    except (
        zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError
    ) as error:  # fmt: skip
        raise UserError(f"data.path {file}: is no whole .npz file ({error})") from None
    digest = hashlib.sha256(repr([classes, len(train.labels)]).encode())
    for images, labels in (train, test):
        digest.update(np.moveaxis(images, 1, 3).data)
        digest.update(labels.data)
    statistics = _statistics(np.moveaxis(train.images, 1, 3), file)
    return Arrays(Dataset(train, test, classes, statistics), digest.hexdigest()[:16])


def _images(packed: zipfile.ZipFile, split: str) -> ImageSet:
    def is_images(shape: tuple[int, ...], dtype: Any) -> bool:
        return dtype == np.uint8 and len(shape) == 4 and shape[1:] == (SIDE, SIDE, 3)

    def is_labels(shape: tuple[int, ...], dtype: Any) -> bool:
        return dtype.kind in "iu" and shape == (len(images),)

    words = f"uint8 of shape (N, {SIDE}, {SIDE}, 3), N at most {MOST_IMAGES:,}"
    images = np.ascontiguousarray(_array(packed, f"{split}_images", words, is_images))
    words = f"whole numbers of shape ({len(images)},), a label for each image"
    labels = _array(packed, f"{split}_labels", words, is_labels)
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        bad = labels[(labels < 0) | (labels >= MOST_CLASSES)][0]
        raise ValueError(f"{split}_labels holds {bad}; labels are 0 to K - 1, K <= {MOST_CLASSES}")
    found = ImageSet(np.moveaxis(images, 3, 1), labels.astype(np.int64))
    for array in found:
        array.setflags(write=False)
    return found


def _array(
    packed: zipfile.ZipFile, key: str, words: str, fits: Callable[[tuple[int, ...], Any], bool]
) -> np.ndarray:
    """An array of the file, unpacked only if its header fits."""
    members = [m for m in packed.infolist() if m.filename == f"{key}.npy"]
    if len(members) != 1:
        raise ValueError(f"has {'no' if not members else 'several'} {key}")
    if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{key} is packed in a way that NumPy does not use")
    with packed.open(members[0]) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):  # no header of ours needs any other
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream, max_header_size=MOST_HEADER)
        except Exception:  # of the tokenizer too, and the whole header is in its message
            raise ValueError(f"{key} has no header of NumPy that can be read") from None
        if not (fits(shape, dtype) and 0 < shape[0] <= MOST_IMAGES):
            raise ValueError(f"{key} is {dtype} of shape {shape}, and must be {words}")
        if members[0].file_size - stream.tell() != dtype.itemsize * int(np.prod(shape)):
            raise ValueError(f"{key} is not as long as its shape {shape} says")
    with packed.open(members[0]) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _classes(train: np.ndarray, test: np.ndarray) -> tuple[str, ...]:
    """Numbers as the names of the classes."""
    k = int(train.max()) + 1
    if k < 2:
        raise ValueError("train_labels has one class only, and 2 are needed")
    if missing := np.flatnonzero(np.bincount(train, minlength=k) == 0).tolist():
        raise ValueError(
            f"train_labels has no {missing[0]}, but a {k - 1}; labels are 0 to K - 1, without a gap"
        )
    if test.max() >= k:
        raise ValueError(f"test_labels holds {test.max()}, but train_labels only 0 to {k - 1}")
    return tuple(map(str, range(k)))


def _names(packed: zipfile.ZipFile, k: int) -> tuple[str, ...]:
    def is_names(shape: tuple[int, ...], dtype: Any) -> bool:
        return dtype.kind == "U" and shape == (k,) and dtype.itemsize <= 4 * LONGEST_NAME

    words = f"text of shape ({k},), a name of at most {LONGEST_NAME} characters for each class"
    names = tuple(_array(packed, "class_names", words, is_names).tolist())
    for name in names:
        if not name or not name.isprintable():
            raise ValueError(f"class_names holds {name!r}, which cannot be printed")
    if len(set(names)) < k:
        raise ValueError("class_names has a name twice")
    return names


def _statistics(images: np.ndarray, file: Path) -> Statistics:
    """Mean and standard deviation of each channel of uint8 (N, H, W, 3), from exact counts."""
    counts = np.zeros((3, 256))
    for part in np.array_split(images, -(-len(images) // 1000)):
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(3)]
    shares, levels = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = shares @ levels
    std = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(1))
    if not std.all():
        raise UserError(f"data.path {file}: train_images has a channel that is the same everywhere")
    return Statistics(tuple(mean.tolist()), tuple(std.tolist()))
