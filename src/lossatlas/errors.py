"""The one exception type for mistakes a user can mend, and how it is told."""

import os
import re
import sys
import traceback

from lossatlas.terminal import printable

TRACEBACK = "LOSSATLAS_TRACEBACK"  # set by the option --traceback


class UserError(ValueError):
    """Wrong input, told in one sentence; the command line prints it alone and exits with code 2.

    What other libraries say of it may have several lines; they become one.
    """

    def __init__(self, sentence: str):
        super().__init__(re.sub(r"\s*\n\s*", " ", sentence.strip()))


def tell(error: BaseException) -> None:
    """Print an error in one sentence to stderr, after its traceback where that was asked for."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    print(printable(f"lossatlas: {error}"), file=sys.stderr)
