"""The one exception type for mistakes a user can mend, and how it is told."""

import difflib
import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable

from lossatlas.terminal import printable

# Errors of a path that was named, or of the disk below it: none is a fault of ours.
PLACES = (
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ELOOP, errno.ENAMETOOLONG,
    errno.ENOSPC, errno.EPERM, errno.EROFS,
)  # fmt: skip
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


ALIKE = 0.6  # difflib's ratio from which two words are spelt alike
AS_NEAR = 0.1  # how far below the best ratio a second word is still offered


def meant(word: str, legal: Iterable[str]) -> str:
    """`did you mean gce?`: up to three legal words, spelt alike or begun so; "" if there are none.

    Of short words many share most letters, so only those as near as the nearest are offered.
    """

    def ratio(other: str) -> float:
        return difflib.SequenceMatcher(None, other, word).ratio()

    words = list(legal)
    alike = difflib.get_close_matches(word, words, n=3, cutoff=ALIKE)
    alike = [other for other in alike if ratio(other) >= ratio(alike[0]) - AS_NEAR]
    begun = [other for other in words if len(word) > 2 and other.startswith(word)]
    near = list(dict.fromkeys([*begun, *alike]))[:3]
    return f"did you mean {' or '.join(near)}?" if near else ""
