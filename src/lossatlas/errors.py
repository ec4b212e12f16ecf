"""The one exception type for mistakes a user can mend."""

import re


class UserError(ValueError):
    """Wrong input, told in one sentence; the command line prints it alone and exits with code 2.

    What other libraries say of it may have several lines; they become one.
    """

    def __init__(self, sentence: str):
        super().__init__(re.sub(r"\s*\n\s*", " ", sentence.strip()))
