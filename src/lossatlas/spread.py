"""Work that is spread over processes, which leave Ctrl-C to the one that started them."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from joblib import Parallel, delayed


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that are started in here do not hear Ctrl-C, not even while they import."""
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def spread(function: Callable[..., Any], given: Iterable[tuple[Any, ...]], jobs: int) -> Any:
    """What `function` gives for each of some arguments, one by one in their order."""
    if jobs != 1:
        resource_tracker.ensure_running()  # to start it lets signals through again
    with deaf():
        return Parallel(jobs, return_as="generator")(delayed(function)(*each) for each in given)
