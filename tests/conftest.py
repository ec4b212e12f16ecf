"""The command line as a fixture, and the order of the tests."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before torch is imported: the workers of the suite share the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected stays to the end: nobody need look whether it is garbage.
gc.disable()

# A suite that a shell starts in the background ignores Ctrl-C, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run `lossatlas ARGUMENTS` here, in an empty folder: (exit code, stdout, stderr)."""
    from lossatlas.__main__ import main

    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lossatlas", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


SLOWEST = (
    "test_slurm.py", "test_chaos.py", "test_worker.py", "test_resume.py", "test_sweep.py",
    "test_wandb.py", "test_wheel.py", "test_own_loss.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes first, calls last, so that no worker of the suite is left waiting at the end."""
    order = {name: i for i, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
