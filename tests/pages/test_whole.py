"""The page of the whole lists what is there, and pages link to what stands beside them."""

import html
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from lossatlas.errors import UserError
from lossatlas.pages import whole
from lossatlas.pages.publish import publish
from lossatlas.pages.render import mark


def pages(folder: Path, command: str, first: str, text: str) -> None:
    files = {first: f"{mark(command)}\n{text}\n", "index.html": mark(command)}
    publish(files, folder, command)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A report with its table, a book, and a folder that is none of ours."""
    first = "# Which loss?\n\n3 runs. See [the table](results.csv)."
    pages(tmp_path / "quick", "report", "REPORT.md", first)
    (tmp_path / "quick" / "results.csv").write_text("loss\n")
    pages(
        tmp_path / "cards", "card", "README.md", "# The <b>book</b>\n\n[All](a.md) of them. More."
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("# Mine\n\nNot of ours.\n")
    return tmp_path


def test_it_lists_what_is_there_and_all_links_resolve(reports: Path) -> None:
    assert whole.build(reports) == reports / "index.html"
    text = (reports / "README.md").read_text()
    assert re.findall(r"\]\(<(.*?)>\)", text) == [
        "cards/README.md", "quick/REPORT.md", "quick/results.csv",
    ]  # fmt: skip
    assert "\nAll of them.\n" in text
    assert "\n3 runs.\n" in text
    assert "&lt;b>book" in text
    page = (reports / "index.html").read_text()
    assert re.findall('href="(.*?)"', page) == [
        "cards/index.html", "quick/index.html", "quick/results.csv",
    ]  # fmt: skip
    assert "Mine" not in text + page
    again = text + page
    whole.build(reports)
    assert (reports / "README.md").read_text() + (reports / "index.html").read_text() == again


def test_folders_of_any_name_and_odd_files_in_them(reports: Path) -> None:
    os.mkfifo(reports / "mine" / "REPORT.md")
    for name in ("<b>x", "a\nb", "50% (c)", "报告"):
        (reports / "quick").rename(reports / name)
        whole.build(reports)
        page = (reports / "index.html").read_text()
        links = [unquote(html.unescape(one)) for one in re.findall('href="(.*?)"', page)]
        assert sorted(links) == sorted(
            ["cards/index.html", f"{name}/index.html", f"{name}/results.csv"]
        )
        (reports / name).rename(reports / "quick")


def test_a_folder_without_pages_and_a_strangers_page_are_refused(
    reports: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds no folder of pages"):
        whole.build(reports / "quick")
    (reports / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"README.md: is not a page of 'lossatlas pages'"):
        whole.build(reports)
    assert (reports / "README.md").read_text() == "mine"
    assert not (reports / "index.html").exists()


def test_what_is_beside_is_told_and_nothing_else(reports: Path) -> None:
    assert [one["md"] for one in whole.beside(reports / "new", "report")] == ["cards/README.md"]
    assert [one["html"] for one in whole.beside(reports / "new", "lecture")] == [
        "cards/index.html", "quick/index.html",
    ]  # fmt: skip
    whole.build(reports)
    assert [one["html"] for one in whole.beside(reports / "quick", "report")] == [
        "cards/index.html", "index.html",
    ]  # fmt: skip
