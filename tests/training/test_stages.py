"""The second stage of a sweep: what the rows of the first choose, and what their rows say."""

import json

import pytest

from lossatlas.results import store, sweeps
from lossatlas.training import run
from rows import whole

MEANS = {"cross_entropy": 0.46, "ldam": 0.62, "balanced_softmax": 0.60, "focal": 0.30}


@pytest.fixture
def first(tmp_path):
    """A store with the first stage: three seeds of each loss, five of the baseline."""
    root = tmp_path / "runs"
    for loss, mean in MEANS.items():
        for seed in range(5 if loss == "cross_entropy" else 3):
            add(root, loss, seed, mean)
    return root


def add(root, loss, seed, mean, **more):
    row = whole(
        f"{loss}-{seed}", loss=loss, seed=seed, scenario="long_tail", recipe="long_tail",
        model="airnet_s", data="cifar10", **{"scenario.imbalance": 100.0},
        test_accuracy=mean + 0.004 * (seed % 3 - 1), **more,
    )  # fmt: skip
    folder = root / row["run_id"]
    folder.mkdir(parents=True)
    store.write_json(folder / "row.json", row)


def planned(command, tmp_path, *words):
    text = f"grids:\n  - recipe=long_tail scenario=long_tail {' '.join(words)}\n"
    (tmp_path / "second.yaml").write_text(text)
    code, out, err = command("train", "-m", "sweep=second.yaml", "--plan")
    ids = [line.split()[1].rsplit("-", 1)[0] for line in out.splitlines() if "planned  " in line]
    return code, sorted(ids), out + err


def name_of(loss, seed):
    return f"{loss}-long_tail-long_tail-s{seed}"


def test_the_first_stage_chooses_and_the_second_changes_nothing(command, tmp_path, first):
    more = [name_of(loss, s) for loss in ("balanced_softmax", "ldam") for s in (3, 4)]
    assert planned(command, tmp_path, "seed=3,4", "'loss=contenders()'")[:2] == (0, more)
    # Whatever the new seeds say, of these two or of another loss, the choice stays.
    add(first, "ldam", 3, 0.2, chosen_on="0, 1, 2")
    for seed in (3, 4):
        add(first, "focal", seed, 0.9)
    assert planned(command, tmp_path, "seed=3,4", "'loss=contenders()'")[:2] == (0, more)
    # Names beside it are planned, too.
    also = sorted([*more, name_of("mae", 3), name_of("mae", 4)])
    assert planned(command, tmp_path, "seed=3,4", "'loss=mae,contenders()'")[:2] == (0, also)


@pytest.mark.usefixtures("first")
def test_the_plan_keeps_the_seeds_that_chose(command, tmp_path, monkeypatch):
    from lossatlas.training import launch

    monkeypatch.setattr(launch, "launch", lambda *_: True)
    monkeypatch.setattr("lossatlas.data.cifar10.fetch", lambda: None)
    text = "grids:\n  - recipe=long_tail scenario=long_tail seed=3 'loss=mae,contenders()'\n"
    (tmp_path / "second.yaml").write_text(text)
    assert command("train", "-m", "sweep=second.yaml")[0] == 0
    plan = sweeps.read(sweeps.find(tmp_path / "runs", "second"))
    assert {one.config["loss"]["name"]: one.chosen_on for one in plan} == {
        "mae": None, "balanced_softmax": "0, 1, 2", "ldam": "0, 1, 2",
    }  # fmt: skip
    # A plan of before there was the field is read as well.
    line = json.dumps({k: v for k, v in plan[0]._asdict().items() if k != "chosen_on"})
    folder = tmp_path / "runs" / ".sweeps" / "old-000000"
    folder.mkdir()
    (folder / sweeps.PLAN).write_text(line + "\n")
    assert sweeps.checked(folder)[0][0].chosen_on is None


@pytest.mark.usefixtures("first")
def test_where_nobody_contends_the_other_lines_are_planned(command, tmp_path):
    (tmp_path / "two.yaml").write_text(
        "grids:\n  - recipe=quick scenario=clean seed=3,4 loss=contenders()\n"
        "  - recipe=long_tail scenario=long_tail seed=3 loss=contenders()\n"
    )
    code, out, _ = command("train", "-m", "sweep=two.yaml", "--plan")
    assert code == 0
    assert out.count("planned  ") == 2
    assert (
        "contenders(): no loss has 3 finished runs of other seeds beside a baseline in clean" in out
    )
    code, _, text = planned(command, tmp_path, "seed=0,1,2", "'loss=contenders()'")
    assert code == 2
    assert "the sweep is empty: contenders(): no loss has 3 finished runs" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("'loss=contenders()'", "stands with one recipe, one scenario and some seeds"),
        ("seed=3 'scenario.imbalance=10,100' 'loss=contenders()'", "stands with one recipe"),
        ("seed=3 'loss=contenders(best)'", "takes nothing between its brackets"),
    ],
)
def test_what_it_cannot_stand_with_is_one_sentence(command, tmp_path, words, says):
    code, _, text = planned(command, tmp_path, words)
    assert code == 2
    assert says in text


def test_the_row_of_a_run_says_what_chose_its_loss(make_cfg):
    chosen = run.execute(make_cfg(), chosen_on="0, 1, 2")
    assert chosen["state"] == "done"
    assert chosen["chosen_on"] == "0, 1, 2"
    assert "chosen_on" not in run.execute(make_cfg("seed=1"))
