"""What users write in a clone, git ignores; maintainers' targets say where they write."""

import inspect
import re
import subprocess
import typing

import pytest

from lossatlas import cli, resources

MAKEFILE = (resources.CHECKOUT / "Makefile").read_text()
IGNORED = (resources.CHECKOUT / ".gitignore").read_text().splitlines()
USERS, MAINTAINERS = MAKEFILE.split("# From here on for maintainers")


def default_folder(command: typing.Callable[..., None]) -> str:
    return str(inspect.signature(command).parameters["out"].default)


@pytest.mark.parametrize("command", [cli.report, cli.card, cli.lecture])
def test_pages_go_where_git_ignores_them(command):
    folder = default_folder(command)
    assert any(f"/{folder}/".startswith(line) for line in IGNORED if line.endswith("/"))
    shown = subprocess.run(
        ["git", "check-ignore", f"{folder}/index.html"], cwd=resources.CHECKOUT, check=False,
        capture_output=True,
    )  # fmt: skip
    assert shown.returncode in (0, 128)  # 128: no git repository


def test_the_targets_of_users_write_no_pages_elsewhere():
    assert "lossatlas report" in USERS
    assert not re.findall(r"-o |--out|card|lecture|tune\\b|--record|check", USERS)


def test_the_targets_of_maintainers_write_the_pages_that_are_committed():
    kept = set(re.findall(r"-o (\S+)", MAINTAINERS))
    assert kept == {"reports/quick", "reports/cards", "reports/lecture", "conf/tuned"}
    assert all((resources.CHECKOUT / folder).is_dir() for folder in kept)
