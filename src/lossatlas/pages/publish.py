"""How pages come into a folder: written beside it, then moved in, and never over a stranger's."""

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from lossatlas.errors import UserError
from lossatlas.pages.render import mark

Text = str | Iterable[str]  # whole, or in pieces that come as they are written


def publish(files: Mapping[str, Text], out: Path, command: str) -> None:
    """Write the pages of a command beside `out`, then move them in; a stranger's are left alone.

    `files` maps names to texts: REPORT.md, other pages, and what it links to as figures/*.

    Raises:
        UserError: `out` cannot be written or holds pages that the command did not make.
    """
    old = out / "REPORT.md"
    try:
        before = old.read_text(encoding="utf-8") if old.is_file() else ""
        strangers = [name for name in files if "/" not in name and (out / name).exists()]
        if strangers and not before.startswith(mark(command)):
            made = f"is not a page of 'lossatlas {command}'"
            raise UserError(f"{out / strangers[0]}: {made}; give another folder with -o")
        move_in(files, out)
        for name in set(re.findall(r"\]\((figures/[\w.-]+\.(?:svg|csv))\)", before)) - set(files):
            (out / name).unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{out}: the pages cannot be written there ({error})") from error


def move_in(files: Mapping[str, Text], out: Path) -> None:
    """Write files (names, also below figures/, to texts) beside `out`, then move each in whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (beside / "figures").mkdir()
        for name, text in files.items():
            with (beside / name).open(
                "w", encoding="utf-8", errors="replace", newline="\n"
            ) as file:
                file.writelines([text] if isinstance(text, str) else text)
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for name in files:
            (beside / name).replace(out / name)
    finally:
        shutil.rmtree(beside)
