"""How pages come into a folder: written beside it, then moved in, and never over a stranger's.

What a command wrote stands in `files.txt`, a name a line, so that the next publishing removes what
it no longer writes, and nothing else.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lossatlas.errors import UserError
from lossatlas.pages.render import mark

Text = str | Iterable[str]  # whole, or in pieces that come as they are written
MANIFEST = "files.txt"


def publish(
    files: Mapping[str, Text],
    out: Path,
    command: str,
    replaced: Callable[[str], bool] | None = None,
) -> None:
    """Write the files of a command beside `out`, then move them in; a stranger's are left alone.

    Args:
        files: names, also below figures/, to texts.
        out: the folder.
        command: that of `lossatlas`, with which every page begins.
        replaced: which of the files of an earlier publishing are removed unless they are written
            again; None: all.

    Raises:
        UserError: `out` cannot be written or holds pages that the command did not make.
    """
    try:
        before = _published(out, command)
        for name in files:
            if name in before or _is_free(out, name, command):
                continue
            made = f"is not a page of 'lossatlas {command}'"
            raise UserError(f"{out / name}: {made}; give another folder")
        old = {name for name in before - set(files) if replaced is None or replaced(name)}
        listed = [mark(command), *sorted((before | set(files)) - old)]
        _move_in({**files, MANIFEST: "\n".join(listed) + "\n"}, out)
        for name in old:
            (out / name).unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{out}: the pages cannot be written there ({error})") from error


def _published(out: Path, command: str) -> set[str]:
    """The names of the files there that are listed as written by the command."""
    path = out / MANIFEST
    first, *names = (path.read_text("utf-8") if path.is_file() else "").split("\n")
    if first != mark(command):
        return set()
    there = {name for name in names if os.path.isfile(out / name)}  # which raises for no name
    return {name for name in there if (out / name).resolve().is_relative_to(out.resolve())}


def _is_free(out: Path, name: str, command: str) -> bool:
    """Whether an unlisted file may be written: none is there, or it is one of the command's."""
    path = out / name
    if name.startswith("figures/") or not path.exists():
        return True
    if path.suffix not in (".md", ".html"):  # which bears no mark: as the page beside it
        path = out / "REPORT.md"
    return path.is_file() and mark(command) in path.read_text(encoding="utf-8")[:200]


def _move_in(files: Mapping[str, Text], out: Path) -> None:
    """Write files beside `out`, then move each in whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, text in files.items():
            (beside / name).parent.mkdir(exist_ok=True)
            with (beside / name).open(
                "w", encoding="utf-8", errors="replace", newline="\n"
            ) as file:
                file.writelines([text] if isinstance(text, str) else text)
        for name in files:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).replace(out / name)
    finally:
        shutil.rmtree(beside)
