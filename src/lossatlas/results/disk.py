"""A full disk, apart from losses that raise the same error."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the last: of a limit such as ulimit -f


class NoSpace(OSError):
    """The disk is full; the run goes on from its last epoch when started again."""


@contextmanager
def room() -> Iterator[None]:
    """Where we write, and no loss is called: an error of a full disk becomes NoSpace."""
    try:
        yield
    except NoSpace:
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoSpace(f"no space is left ({error}); free some, then start it again") from error
