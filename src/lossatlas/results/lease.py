"""The right to make a run: held by one process at a time, and lost with it.

A run in work is a folder. Whoever makes it has created `lease.<n>` there, with n above every lease
before; creating a file that must not exist is atomic, on NFS too, so that of several processes one
wins. A holder that finds a higher number than its own has been given up for dead and must stop.

A holder is dead when

- on the same machine, the kernel has released its lock (`flock`) on the lease;
- on another machine, its heartbeat, the lease's time of change, has stood still for `PATIENCE`
  seconds of the observer's own clock. No two clocks are ever compared.
"""

import errno
import fcntl
import json
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lossatlas.results import files

BEAT = 10.0  # seconds between heartbeats
MAX_DEATHS = 10  # of holders in a row, without one more epoch: then the run has failed
PATIENCE = 120.0  # more than NFS clients cache attributes (60 s) and a few missed heartbeats

_seen: dict[Path, tuple[int, float]] = {}  # heartbeat of a lease, and when it was first seen


class Lost(RuntimeError):
    """Another process took the run over, or made it."""


class Lease:
    """A held lease of the run in `folder`.

    `deaths` counts the holders in a row that died before they made one more epoch.
    """

    def __init__(self, folder: Path, number: int, file: int, deaths: int):
        self.folder, self.number, self.deaths = folder, number, deaths
        self._file, self._stop = file, threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with suppress(OSError):
                os.utime(self._file)

    def check(self) -> None:
        """Raise Lost unless this is still the folder's last lease."""
        if _numbers(self.folder)[-1:] != [self.number]:
            raise Lost(f"{self.folder.name} was taken over by another process")

    def release(self) -> None:
        """Give the lease up, once."""
        if self._stop.is_set():
            return
        self._stop.set()
        _path(self.folder, self.number).unlink(missing_ok=True)
        os.close(self._file)


def acquire(folder: Path, epochs: int) -> Lease | None:
    """The lease of the run in `folder`, which has made that many epochs; None if it is held."""
    folder.mkdir(parents=True, exist_ok=True)
    before = _numbers(folder)
    deaths = 0
    if before:
        last = _path(folder, before[-1])
        if is_held(last):
            return None
        holder = _read(last)
        deaths = holder.get("deaths", 0) + 1 if holder.get("epochs") == epochs else 0
    number = before[-1] + 1 if before else 0
    try:
        file = os.open(_path(folder, number), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    except (FileExistsError, FileNotFoundError):
        return None
    # A lease without content is not locked yet; observers take it for a living one.
    with suppress(OSError):  # a file system without locks has the heartbeat
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    about = {
        "machine": machine(), "host": platform.node(), "pid": os.getpid(),
        "epochs": epochs, "deaths": deaths,
    }  # fmt: skip
    os.write(file, json.dumps(about).encode())
    lease = Lease(folder, number, file, deaths)
    if _numbers(folder)[-1:] != [number]:  # somebody else was faster by a whole lease
        lease.release()
        return None
    for old in before:
        with suppress(OSError):
            _path(folder, old).unlink()
    return lease


def holder(folder: Path) -> dict[str, Any] | None:
    """Who makes the run in `folder`: host and pid; None if nobody does.

    For show only: a lease of another machine is judged by its age on this machine's clock.
    """
    numbers = _numbers(folder)
    if not numbers:
        return None
    last = _path(folder, numbers[-1])
    locked, beat = _look(last)
    if locked is None:
        locked = time.time() - beat / 1e9 < PATIENCE
    return _read(last) if locked else None


def is_held(path: Path) -> bool:
    """Whether the holder of a lease lives, as far as this process can tell by now."""
    locked, beat = _look(path)
    if locked is not None:
        return locked
    now = time.monotonic()
    if _seen.get(path, (None, now))[0] != beat:
        _seen[path] = (beat, now)
    return now - _seen[path][1] < PATIENCE


def _look(path: Path) -> tuple[bool | None, int]:
    """Is the lease locked (None: this machine cannot tell), and its last heartbeat (ns)."""
    try:
        # Opening also makes NFS ask for fresh attributes; it must not wait for a FIFO's writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:  # what is no lease has no heartbeat either
        return (False if error.errno == errno.ENOENT else None), 0
    try:
        beat = os.fstat(file).st_mtime_ns
        if _read(path).get("machine") != machine():
            return None, beat
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True, beat
        except OSError:
            return None, beat
        return False, beat
    finally:
        os.close(file)


def machine() -> str:
    """What processes share that see each other's locks: the running kernel."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def _numbers(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    tails = (name.removeprefix("lease.") for name in names if name.startswith("lease."))
    return sorted(int(tail) for tail in tails if tail.isdecimal() and tail == str(int(tail)))


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number}"


def _read(path: Path) -> dict[str, Any]:
    """What a lease says; nothing while it is being written, and if it is damaged."""
    with suppress(OSError, files.Damaged):
        return files.mapping(path, files.Holder)
    return {}
