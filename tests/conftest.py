"""The command line as a fixture; and the option `--record`, which writes the ledger of verified
losses from the contract suite's outcome."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before torch is imported: the workers of the suite share the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CONTRACT = "test_contract.py"
NARROWING = ("keyword", "markexpr", "maxfail", "lf", "deselect", "stepwise")


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run `lossatlas ARGUMENTS` here, in an empty folder: (exit code, stdout, stderr)."""
    from lossatlas import cli

    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lossatlas", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


SLOWEST = ("test_slurm.py", "test_chaos.py", "test_worker.py", "test_resume.py", "test_sweep.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes first, seconds last, so that no worker of the suite is left waiting at the end."""
    order = {name: i for i, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--record`."""
    parser.addoption(
        "--record",
        action="store_true",
        help="write papers/verified.json: the packaged losses whose contract tests all passed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to record what only a part of the suite has seen."""
    if not config.getoption("record"):
        return
    narrowed = [name for name in NARROWING if config.getoption(name, None)]
    if narrowed or any("::" in arg for arg in config.args):
        raise pytest.UsageError(
            f"--record needs the whole contract suite; leave out {', '.join(narrowed) or '::'}"
        )
    config.pluginmanager.register(_Recorder())


class _Recorder:
    """Collects, for each loss, whether every one of its contract tests passed."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        # The ledger is about to be rewritten: whether the old one is current does not matter.
        stale = [i for i in items if i.name.partition("[")[0] == "test_ledger_is_current"]
        config.hook.pytest_deselected(items=stale)
        items[:] = [item for item in items if item not in stale]
        for item in items:
            if isinstance(item, pytest.Function) and item.path.name == CONTRACT:
                item.user_properties.append(("loss", item.callspec.params["name"]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = dict(report.user_properties).get("loss")
        if isinstance(name, str):
            self.passed[name] = self.passed.get(name, True) and report.passed

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        finished = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if not self.passed or not finished or hasattr(session.config, "workerinput"):
            return
        from lossatlas.losses import registry

        ledgers: dict[Path, dict[str, str]] = {}
        for name, entry in registry.index().items():
            if entry.module.startswith("lossatlas.losses."):
                ledger = ledgers.setdefault(entry.ledger, {})
                if self.passed.get(name):
                    ledger[name] = registry.digest(entry.code, entry.card)
        for path, ledger in ledgers.items():
            beside = path.with_suffix(".part")
            beside.write_text(json.dumps(ledger, indent=2, sort_keys=True) + "\n")
            beside.replace(path)
            print(f"\n{len(ledger)} verified losses recorded in {path.name}")
