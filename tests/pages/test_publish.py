"""Publishing: whole, over nothing of a stranger's, and without what is no longer written."""

from pathlib import Path

import pytest

from lossatlas.errors import UserError
from lossatlas.pages.publish import MANIFEST, publish
from lossatlas.pages.render import mark

PAGE = f"{mark('card')}\n"


def there(out: Path) -> set[str]:
    return {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}


def test_what_is_no_longer_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    first = {"a.md": PAGE, "b.md": PAGE, "figures/a.svg": "a", "figures/b.svg": "b"}
    publish(first, tmp_path, "card")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    publish({"a.md": PAGE}, tmp_path, "card", lambda name: "a" in name)
    assert there(tmp_path) == {"a.md", "b.md", "figures/b.svg", "figures/mine.svg", MANIFEST}
    publish({"a.md": PAGE}, tmp_path, "card")
    assert there(tmp_path) == {"a.md", "figures/mine.svg", MANIFEST}


def test_a_manifest_removes_nothing_outside_its_folder_or_of_another_command(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    publish({"a.md": PAGE}, out, "card")
    (tmp_path / "mine.md").write_text("mine")
    (out / MANIFEST).write_text(f"{mark('card')}\n../mine.md\na.md\n")
    publish({"b.md": PAGE}, out, "card")
    assert (tmp_path / "mine.md").read_text() == "mine"
    assert there(out) == {"b.md", MANIFEST}
    with pytest.raises(UserError, match=r"b.md: is not a page of 'lossatlas report'"):
        publish({"b.md": "new"}, out, "report")
    assert (out / "b.md").read_text() == PAGE


def test_pages_from_before_there_were_manifests_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "REPORT.md").write_text(mark("report"))
    (tmp_path / "results.csv").write_text("old")
    publish({"REPORT.md": mark("report"), "results.csv": "new"}, tmp_path, "report")
    assert (tmp_path / "results.csv").read_text() == "new"


@pytest.mark.parametrize(
    "written", ["", "\n", f"{mark('card')}\n\n.\nfigures\na\0b\n{'x' * 300}\n", "junk\na.md\n"]
)
def test_whatever_stands_in_a_manifest_pages_are_written(tmp_path: Path, written: str) -> None:
    publish({"a.md": PAGE, "figures/a.svg": "a"}, tmp_path, "card")
    (tmp_path / MANIFEST).write_text(written)
    publish({"a.md": PAGE + "new"}, tmp_path, "card")
    assert (tmp_path / "a.md").read_text() == PAGE + "new"
    assert (tmp_path / MANIFEST).read_text().splitlines()[0] == mark("card")
