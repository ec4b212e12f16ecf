"""A made-up run store and the report of it."""

from pathlib import Path

import pytest

from lossatlas.report import figures
from lossatlas.results import store
from report.fakes import add_run

TUNED = """\
recipe: quick
scenario: clean
model: airnet
data: cifar10
protocol: one epoch on 45,000 training images, scored on the other 5,000; seed 0
chosen: {cross_entropy: 0.375, focal: 1.125, nt_xent: 0.125}
said: {focal: at the edge of what is tried}
trials:
- {loss: cross_entropy, stage: short, lr: 0.375, score: 0.5012, state: done, cpu_s: 5.2}
- {loss: cross_entropy, stage: full, lr: 0.125, score: 0.6512, state: done, cpu_s: 20.1}
- {loss: cross_entropy, stage: full, lr: 0.375, score: 0.7012, state: done, cpu_s: 20.4}
- {loss: cross_entropy, stage: full, lr: 1.125, score: 0.6712, state: done, cpu_s: 20.3}
- {loss: focal, stage: full, lr: 0.375, score: 0.6612, state: done, cpu_s: 21.0}
- {loss: focal, stage: full, lr: 1.125, score: 0.6812, state: done, cpu_s: 21.0}
- {loss: nt_xent, stage: full, lr: 0.125, score: 0.3412, state: done, cpu_s: 30.0}
- {loss: nt_xent, stage: full, lr: 1.125, state: diverged, cpu_s: 30.0}
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four losses in `clean`, three in `ambiguous_pets`, an embedder, and runs in every state."""
    root = tmp_path_factory.mktemp("store") / "runs"
    for seed in (0, 1):
        for loss in ("cross_entropy", "focal", "label_smoothing"):
            add_run(root, loss, "clean", seed, lr=1.125 if loss == "focal" else 0.375)
        for loss in ("cross_entropy", "set_margin_hinge"):
            add_run(root, loss, "ambiguous_pets", seed)
        add_run(root, "nt_xent", "clean", seed, lr=0.125)
    add_run(root, "crammer_singer_hinge", "clean", 0)
    add_run(root, "crammer_singer_hinge", "clean", 1, "diverged", reason="loss is nan in epoch 3")
    add_run(
        root, "soft_target_kl", "ambiguous_pets", 0, "failed", reason="out of memory | in step 7"
    )
    add_run(root, "focal", "clean", 7, holdout=5000, test_accuracy=0.999)
    waiting = root / ".running" / "label_smoothing-clean-quick-s2-000000000001"
    waiting.mkdir(parents=True)
    store.write_json(
        waiting / "start.json", {"run_id": waiting.name, "loss": "label_smoothing", "seed": 2}
    )
    return root


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf") / "tuned"
    (folder / "quick").mkdir(parents=True)
    (folder / "quick" / "clean.yaml").write_text(TUNED)
    return folder


@pytest.fixture(scope="session")
def report(runs: Path, tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report built once for all tests that only read it."""
    from lossatlas.report import build

    return build(runs, tmp_path_factory.mktemp("out") / "quick", tuned).page.parent


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are composed but not drawn, nine tenths of the work: for what is not in them."""
    monkeypatch.setattr(figures, "svg", lambda _: '<svg xmlns="http://www.w3.org/2000/svg"></svg>')
