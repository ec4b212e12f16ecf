"""One rule for the names that become files, and for folders to write in."""

import os

import pytest

from lossatlas import names
from lossatlas.errors import UserError

BAD = [
    "", " ", "..", "../x", "/etc/passwd", "a/b", "a\\b", ".hidden", "-x", "a\nb", "a\tb", "x ",
    "x.", "a\x00b", "a\x1b[31m", "<b>", "a,b", "a:b", "x" * 101, "数" * 34, "on", "Off", "no",
    "YES", "null", "true", "False", "none", "NA", "12", "1e5", "1_000", "nan", "-inf", "+1", None,
    True, 3, ["x"],
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_what_may_not_name_a_file_is_refused_in_one_sentence(text):
    with pytest.raises(UserError, match=r"^the name of a sweep must") as caught:
        names.file_name(text, "the name of a sweep")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text", ["gce", "my study", "airnet_s", "v1.2-b+c", "研究", "x" * 100, "_x"]
)
def test_other_names_are_kept(text, tmp_path):
    assert names.file_name(text, "name") == text
    (tmp_path / f"{text}-{text}-s{10**15}-0123456789"[:255]).mkdir()


def test_a_folder_need_not_be_there_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names.folder(tmp_path / "a" / "b c", "runs") == tmp_path / "a" / "b c"
    assert names.folder(names.Path("~/x"), "runs") == tmp_path / "x"
    assert names.folder(tmp_path, "runs") == tmp_path
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_a_folder_is_one_sentence(tmp_path):
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.touch()
    loop.symlink_to(loop)
    for bad in (file, file / "x", loop / "x", tmp_path / ("x" * 300), "/proc/x", "~no_such_user/x"):
        with pytest.raises(UserError, match=r"^runs '.* cannot be a folder"):
            names.folder(names.Path(bad), "runs")
    with pytest.raises(UserError, match="cannot be a folder"):
        names.folder(tmp_path / "a\0b", "runs")
