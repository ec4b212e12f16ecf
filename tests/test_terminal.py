"""What is printed keeps to its line, whatever it holds and whatever the terminal can show."""

import os
import subprocess
import sys

import pytest

from lossatlas.aligned import aligned
from lossatlas.results import store
from lossatlas.terminal import console, printable
from rows import whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text, [/red] :smile: é ≥ 损", "plain  text, [/red] :smile: é ≥ 损"),
        ("two\n  lines\r\nand\tmore", "two lines and more"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u202eb\u2066c\u200bd", "a\\u202eb\\u2066c\\u200bd"),
        ("half \ud800 \udcff", "half \\ud800 \\udcff"),
        ("a\u2028b\u00a0c\x85d", "a b c d"),
        ("\0", "\\x00"),
    ],
)
def test_a_text_is_printable_on_one_line(text, shown):
    assert printable(text) == shown
    assert aligned([[text, "x"]]) == [f"{shown}  x"]


def test_a_sweep_says_brackets_and_colons_as_they_are(capsys):
    console().print("[/red] [bold]x[/bold] :smile: [link=file:///x]")
    assert capsys.readouterr().err == "[/red] [bold]x[/bold] :smile: [link=file:///x]\n"


def test_a_reason_of_any_text_keeps_the_listing_whole(command, tmp_path):
    for seed, reason in enumerate(("[/x] :smile:\n\x1b[2J", "\u202eevil", "fine")):
        folder = tmp_path / "runs" / f"loss-clean-quick-s{seed}-0123456789ab"
        folder.mkdir(parents=True)
        row = whole(folder.name, state="failed", reason=reason)
        store.write_json(folder / "row.json", row)
    code, out, err = command("runs")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "failed  loss-clean-quick-s0-0123456789ab  [/x] :smile: \\x1b[2J",
        "failed  loss-clean-quick-s1-0123456789ab  \\u202eevil",
        "failed  loss-clean-quick-s2-0123456789ab  fine",
        "3 failed",
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_few_characters_gets_escapes(encoding):
    code = (
        "import sys; from lossatlas import terminal; terminal.forgive();"
        "print('\\u2265 \\u00e9'); print('\\u2265', file=sys.stderr)"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )  # fmt: skip
    e = "é".encode(encoding, "backslashreplace")
    assert outcome.stdout == b"\\u2265 " + e + b"\n"
    assert outcome.stderr == b"\\u2265\n"
