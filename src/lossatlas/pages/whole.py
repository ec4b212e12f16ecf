"""The page of the whole: what there is in a folder of pages, with links to it."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lossatlas.errors import UserError
from lossatlas.pages import render
from lossatlas.pages.publish import Text, publish

COMMAND = "pages"
FIRST = ("REPORT.md", "README.md")  # the page that a folder of pages begins with
DATA = ("results.csv", "rows*.parquet")
OURS = re.compile(r"<!-- Made by 'lossatlas (\w+)'[^\n]*\n# ([^\n]*)\s+([^\n]*)")
MOST = 5_000  # characters of a page in which its title and first sentence are
LINK = r"\[([^\]]*)\]\([^)]*\)"


def build(folder: Path) -> Path:
    """Write README.md and index.html into `folder`, which list the folders of pages in it.

    Returns:
        The path of index.html.

    Raises:
        UserError: there are no pages of ours in it, or its own are not of this command.
    """
    found = [one for one in map(_described, sorted(folder.glob("*/"))) if one is not None]
    if not found:
        raise UserError(f"{folder}: holds no folder of pages; 'lossatlas report' makes one")
    files: dict[str, Text] = {
        "README.md": render.markdown({"folders": found}, COMMAND),
        "index.html": render.in_browser({"folders": found}, COMMAND, {}),
    }
    publish(files, folder, COMMAND)
    return folder / "index.html"


def beside(out: Path, command: str) -> list[dict[str, Any]]:
    """What a page of a command in the folder `out` links to: the folders of pages of other commands
    beside it, and the page of the whole."""
    others = [one for one in sorted(out.parent.glob("*/")) if one.resolve() != out.resolve()]
    found = [one for one in map(_described, others) if one and one["command"] != command]
    if (out.parent / "index.html").is_file() and _begins(out.parent / "README.md") is not None:
        found.append({"title": "all pages", "md": "README.md", "html": "index.html"})
    return found


def _described(folder: Path) -> dict[str, Any] | None:
    """Command, title, first sentence and addresses of a folder; None if it has no pages of ours."""
    for name in FIRST:
        found = _begins(folder / name)
        if found is not None and (folder / "index.html").is_file():
            files = [path.name for one in DATA for path in sorted(folder.glob(one))]
            return {
                "command": found[1],
                "title": found[2],
                "says": re.split(r"(?<=\.) ", re.sub(LINK, r"\1", found[3]))[0],
                "md": _address(folder, name),
                "html": _address(folder, "index.html"),
                "files": [_address(folder, one) for one in files],
            }
    return None


def _address(folder: Path, name: str) -> str:
    """That of a file in a folder, whatever the folder is called."""
    return re.sub(r"[^\w/ .+-]", lambda c: quote(c[0], errors="replace"), f"{folder.name}/{name}")


def _begins(page: Path) -> re.Match[str] | None:
    """The command, the title and the first paragraph of a Markdown page of ours."""
    try:
        if not page.is_file():  # a pipe would wait for a writer
            return None
        with page.open(encoding="utf-8") as file:
            return OURS.match(file.read(MOST))
    except (OSError, UnicodeDecodeError):
        return None
