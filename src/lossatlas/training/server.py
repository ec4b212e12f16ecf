"""What the server that workers are forked from imports first: itself, then what trains.

Importing this file takes the process off the terminal and the pipes of its launcher, so that
nobody who reads them waits for the server to end.
"""

import os
from contextlib import suppress

_nowhere = os.open(os.devnull, os.O_RDWR)
for _stream in (0, 1, 2):
    os.dup2(_nowhere, _stream)
os.close(_nowhere)
with suppress(Exception):  # a worker meets it again and has a log to say so
    import lossatlas.training.run
    import lossatlas.training.worker  # noqa: F401
