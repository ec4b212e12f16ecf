"""What a terminal is told, whatever the text holds and whatever the terminal can show."""

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def printable(text: str) -> str:
    """The text on one line, without what would steer a terminal.

    Line breaks, tabs and the blanks around them become one blank; control characters, marks of
    direction and what else is not printable become escapes such as `\\x1b`.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in re.sub(r"\s*[^\S ]\s*", " ", text)
    )


def forgive() -> None:
    """Let stdout and stderr print what their encoding lacks as escapes, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has no need
            stream.reconfigure(errors="backslashreplace")


def console() -> "Console":
    """Where a sweep says how far it is; text is printed as it is, brackets and colons too."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
