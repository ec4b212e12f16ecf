"""Ctrl-C, from the first import on: one line, and exit code 130."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType

CODE = 130


@contextmanager
def heard() -> Iterator[None]:
    """End this process with one line where Ctrl-C, or what was made of it, gets here."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, answer)
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as stop:  # typer makes the former of the latter
        if isinstance(stop, SystemExit) and stop.code != CODE:
            raise
        _tell()
        sys.exit(CODE)
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)


def answer(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; but end at once what is still being imported, for the libraries'
    compiled modules would go on without what was interrupted, or fail with something else."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _tell()
            os._exit(CODE)
        frame = frame.f_back
    raise KeyboardInterrupt


def by_signal(error: BaseException) -> bool:
    """Whether Ctrl-C or a SIGTERM raised an error, and not code that raises by itself what is
    raised then. Where Python's own handler answers, which leaves no trace, Ctrl-C is supposed."""
    answers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    if isinstance(error, KeyboardInterrupt) and signal.default_int_handler in answers:
        return True
    codes = {handler.__code__ for handler in answers if isinstance(handler, FunctionType)}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _tell() -> None:
    print("lossatlas: interrupted; start it again to go on", file=sys.stderr, flush=True)
