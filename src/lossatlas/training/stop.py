"""Being told to stop, apart from losses that raise what Python raises then.

A loss may raise KeyboardInterrupt or SystemExit by itself; that is its failure. Only after a signal
is it the end of the process.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lossatlas import interrupt

UNANSWERED = (signal.SIG_DFL, signal.default_int_handler, interrupt.answer)
_told = 0


class Interrupted(SystemExit):
    """The process was told to stop; the run goes on from its last epoch when started again."""


def told() -> int:
    """The signal that told this process to stop, even if a loss has caught the exception; or 0."""
    return _told


def check() -> None:
    """Raise Interrupted if a signal told this process to stop."""
    if _told:
        raise Interrupted(128 + _told)


def hear(number: int) -> None:
    """Note that a signal tells this process to stop: whatever is raised now is no run's failure."""
    global _told
    _told = number


def answer(number: int, _: Any = None) -> None:
    """The handler of SIGINT and SIGTERM: end this process, through every `finally`."""
    hear(number)
    raise Interrupted(128 + number)


@contextmanager
def listening() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted in here, unless they are answered already."""
    global _told
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) in UNANSWERED:
                before[number] = signal.signal(number, answer)
    if before:
        _told = 0
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
