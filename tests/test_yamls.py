"""YAML comes in through one door: plain values, or one sentence with the file and the line."""

import re
from pathlib import Path

import pytest
import yaml as pyyaml

from lossatlas import yamls
from lossatlas.errors import UserError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
REFUSED = {
    "aliases that explode": (BOMB, 6, "unfolds to more than"),
    "an alias inside itself": ("\na: &a [1, *a]", 2, "inside what it stands for"),
    "nesting of 1,000": ("a:\n " + "[" * 1_000, 2, "deeper than"),
    "nesting of 100,000": ("[" * 100_000 + "]" * 100_000, 1, "deeper than"),
    "nesting of 100,000 maps": ("{a: " * 100_000, 1, "deeper than"),
    "nesting of 100,000 blocks": ("- " * 100_000, 1, "deeper than"),
    "a key twice": ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "the key 'c' is given twice"),
    "a quoted key twice": ("a: 1\n'a': 1\n", 2, "the key 'a' is given twice"),
    "a tag": ("a: 1\nb: !!python/name:os.system x", 2, "the tag"),
    "a tag that PyYAML trips over": ("b: !!timestamp x", 1, "the tag"),
    "a merge": ("a: &a {b: 1}\nc: {<<: *a}", 2, "merge keys"),
    "a number of 5,000 digits": ("a: 1\nb: " + "9" * 5_000, 2, "too large"),
    "a number above a float": ("b: " + "9" * 400, 1, "too large"),
    "a number in base 60": ("b: 9:" + "9:" * 60 + "9", 1, "too large"),
    "an unknown alias": ("a: *b", 1, "undefined alias"),
    "an open bracket": ("a: [1,\nb", 2, "not YAML"),
    "a list as a key": ("? [1]\n: 2", 1, "unhashable"),
    "a terminal's escape code": ('a: 1\nb: "\\x1b[31m"', 2, "the character '\\x1b' is not"),
    "half a character": ('a: "\\ud800"', 1, "not"),
    "two documents": ("a: 1\n---\nb: 2", 2, "another document"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_hang_kill_or_hide_is_one_sentence_with_the_line(case: str) -> None:
    text, line, why = REFUSED[case]
    with pytest.raises(UserError) as caught:
        yamls.parse(text, "x.yaml")
    assert str(caught.value).startswith(f"x.yaml, line {line}: ")
    assert why in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["a: 2020-99-99", "a: \0", "a: \x1b[31m", "\tb: 1"])
def test_characters_and_dates_that_are_none_are_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"x\.yaml.*: not YAML: "):
        yamls.parse(text, "x.yaml")


def test_too_many_values_and_too_many_bytes_have_a_limit(tmp_path: Path) -> None:
    many = "[" + "1," * (yamls.MAX_VALUES + 1) + "]"
    with pytest.raises(UserError, match="unfolds to more than"):
        yamls.parse(many, "x.yaml")
    (tmp_path / "big.yaml").write_text("#" * (yamls.MAX_BYTES + 1))
    with pytest.raises(UserError, match=r"big\.yaml: is larger than 4,000,000 bytes"):
        yamls.read(tmp_path / "big.yaml")


def test_a_plain_text_is_what_pyyaml_makes_of_it() -> None:
    text = "a: &x [1, 2.5, '3', null, yes, .inf]\nb: {c: *x, d: *x}\n1: |\n  two\n  lines\n"
    assert yamls.parse(text, "x") == pyyaml.safe_load(text)
    assert yamls.parse("", "x") is None
    assert yamls.parse("! a", "x") == "a"


@pytest.mark.parametrize("folder", ["conf", "papers"])
def test_every_yaml_file_of_the_atlas_is_read_as_pyyaml_reads_it(folder: str) -> None:
    files = sorted((Path(__file__).parents[1] / folder).rglob("*.yaml"))
    assert all(yamls.read(f) == pyyaml.safe_load(f.read_text("utf-8")) for f in files)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "utf16").write_text("a: 1", encoding="utf-16")
    (tmp_path / "steers").write_text("# \u202e")
    for name in ("absent", "folder", "loop", "utf16", "steers, line 1"):
        with pytest.raises(UserError, match=re.escape(str(tmp_path / name) + ": ")):
            yamls.read(tmp_path / name.split(",")[0])


def test_a_byte_order_mark_and_windows_lines_are_no_content(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n")
    assert yamls.read(tmp_path / "bom.yaml") == {"a": 1, "b": "x\n"}
