"""Hyperparameter search: equal budgets, independent draws, the choice, and the sweep it becomes."""

import json
import math

import pytest
import yaml

from lossatlas import get_card, get_loss, list_losses, results
from lossatlas.cards import Search
from lossatlas.errors import UserError
from lossatlas.results import store
from lossatlas.training import search, search_sweep
from lossatlas.training.search import Dimension
from rows import whole

RATE = Dimension("recipe.lr", 0.375, Search(low=0.0375, high=3.75, scale="log"))
A = Dimension("loss.a", 2.0, Search(low=0.5, high=5, scale="linear"))
B = Dimension("loss.b", 0.1, Search(low=0.01, high=0.4, scale="log"))
C = Dimension("loss.c", 6.0, Search(low=2, high=6, scale="integer"))
TINY = [
    "data=synthetic", "data.n_train=256", "data.n_test=50", "recipe=smoke", "recipe.batch_size=64",
    "recipe.epochs=1", "model.widths=[8,8,8]", "holdout=128",
]  # fmt: skip


def distinct(trials):
    return {tuple(trial.items()) for trial in trials}


@pytest.mark.parametrize("of", [[RATE], [RATE, A], [RATE, C], [RATE, A, B], [RATE, A, B, C]])
def test_every_loss_has_the_same_budget(of):
    for n in range(1, 25):
        for trials in (search.grid(of, n), search.random(of, n, seed=0)):
            assert len(trials) == len(distinct(trials)) == n
            assert all(list(trial) == [d.key for d in of] for trial in trials)
            for d in of:
                values = {trial[d.key] for trial in trials}
                assert all(d.where.low <= value <= d.where.high for value in values)
    for n in (36, 49, 97):
        assert len(distinct(search.grid(of, n))) == n


def test_a_grid_gives_its_factors_to_the_dimension_with_the_fewest_levels():
    def levels(of, n):
        trials = search.grid(of, n)
        return [len({trial[d.key] for trial in trials}) for d in of]

    assert levels([RATE, A], 12) == [3, 4]  # 3 to the rate, then 2 and 2 to the other
    assert levels([RATE, A, B], 12) == [3, 2, 2]
    assert levels([RATE, A], 7) == [7, 1]
    assert levels([RATE, C], 49) == [49, 1]  # there are only five whole numbers from 2 to 6
    assert levels([RATE], 12) == [12]


def test_levels_are_even_on_the_scale_and_one_level_is_the_default():
    rates = [trial["recipe.lr"] for trial in search.grid([RATE], 3)]
    assert rates == [0.08079, 0.375, 1.741]  # 0.0375 times 100 to the power 1/6, 1/2, 5/6
    assert [trial["loss.a"] for trial in search.grid([RATE, A], 4)][:2] == [1.625, 3.875]
    assert search.grid([RATE, A, C], 1) == [{"recipe.lr": 0.375, "loss.a": 2.0, "loss.c": 6.0}]
    assert {trial["loss.c"] for trial in search.grid([C], 5)} == {2, 3, 4, 5, 6}


def test_random_trials_begin_with_the_defaults_and_depend_on_key_trial_and_seed_only():
    alone, both = search.random([RATE], 12, seed=0), search.random([RATE, B, A], 12, seed=0)
    assert both[0] == {"recipe.lr": 0.375, "loss.b": 0.1, "loss.a": 2.0}
    assert [t["recipe.lr"] for t in both] == [t["recipe.lr"] for t in alone]
    assert [t["loss.a"] for t in both] == [t["loss.a"] for t in search.random([A], 12, seed=0)]
    assert search.random([RATE, B, A], 5, seed=0) == both[:5]
    other = search.random([RATE], 12, seed=1)
    assert other[0] == alone[0]
    assert not {t["recipe.lr"] for t in other[1:]} & {t["recipe.lr"] for t in alone[1:]}


def test_draws_are_even_on_their_scale_independent_and_short():
    trials = search.random([RATE, A, C], 2001, seed=0)[1:]
    shares = {
        "recipe.lr": [math.log(t["recipe.lr"] / 0.0375) / math.log(100) for t in trials],
        "loss.a": [(t["loss.a"] - 0.5) / 4.5 for t in trials],
    }
    for values in shares.values():
        for quarter in range(4):  # each holds a quarter; 5 standard deviations of it are 97
            count = sum(quarter / 4 <= value < (quarter + 1) / 4 for value in values)
            assert abs(count - 500) < 97
    both = sum(x < 0.5 and y < 0.5 for x, y in zip(*shares.values(), strict=True))
    assert abs(both - 500) < 97
    counts = [sum(t["loss.c"] == whole for t in trials) for whole in range(2, 7)]
    assert sum(counts) == 2000
    assert all(abs(count - 400) < 90 for count in counts)
    assert all(float(f"{t['recipe.lr']:.4g}") == t["recipe.lr"] for t in trials)


def test_a_value_at_an_end_stays_inside():
    narrow = Dimension("loss.a", 1.00001, Search(low=1.00001, high=1.00004, scale="linear"))
    assert narrow.at(0.5) == 1.00001  # four digits would be 1.0
    assert C.at(1.0) == 6


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.7, 0.694, 0.5, 0.5], 0),  # one standard error of 0.7 is 0.0065: both are nearly best
        ([0.693, 0.7, 0.5, 0.5], 1),  # now only one is
        ([0.5, 0.5, 0.7, 0.7], 3),  # the same rate: nearer to the defaults
        ([None, 0.7, None, 0.71], 3),
        ([None, 0.0, None, None], 1),  # a diverged trial is never kept
        ([None] * 4, None),
    ],
)
def test_the_choice(scores, kept):
    trials = [
        {"recipe.lr": 0.1, "loss.a": 1.0},
        {"recipe.lr": 0.2, "loss.a": 2.0},
        {"recipe.lr": 0.4, "loss.a": 4.0},
        {"recipe.lr": 0.4, "loss.a": 1.5},
    ]
    chosen = search.choose([RATE, A], trials, scores, 5000)
    assert chosen == (None if kept is None else trials[kept])


def test_how_far_a_value_is_from_the_default_is_told_on_its_scale():
    assert A.off(2.9) == pytest.approx(0.2)
    assert RATE.off(3.75) == RATE.off(0.0375) == pytest.approx(0.5)


@pytest.mark.parametrize("name", list_losses())
def test_every_card_names_values_that_its_loss_takes(name):
    of = search.dimensions(get_card(name), 0.375)
    assert [of[0]] == [RATE]
    for trial in (*search.random(of, 6, seed=0), *search.grid(of, 12)):
        get_loss(name, **{key[5:]: v for key, v in trial.items() if key != "recipe.lr"})
    for d in of[1:]:
        for end in (d.where.low, d.where.high):
            get_loss(name, **{d.key[5:]: end})


def test_show_tells_where_to_search(command):
    assert "gamma = 2 in [0, inf), searched in [0.5, 5] (linear): " in command("show", "focal")[1]


def put(planned, scores):
    """Rows as if the runs had ended so; None diverged."""
    for one in planned.losses:
        for run, score in zip(one.run_ids, scores, strict=True):
            row = whole(run, state="diverged" if score is None else "done", score=score)
            (planned.root / run).mkdir(parents=True, exist_ok=True)
            store.write_json(planned.root / run / "row.json", row)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_rates_are_around_the_recipes_own_not_the_tuned_one(runs):
    planned = search_sweep.plan(["cross_entropy", "nt_xent"], "random", 2, ["recipe=quick"])
    for one in planned.losses:  # the tuned rate of nt_xent is 0.125
        assert one.trials[0]["recipe.lr"] == 0.375
        assert (one.dimensions[0].where.low, one.dimensions[0].where.high) == (0.0375, 3.75)
    assert planned.losses[0].trials[1] == {"recipe.lr": planned.losses[1].trials[1]["recipe.lr"]}
    assert "loss=cross_entropy recipe.lr=0.375 holdout=5000" in planned.sweep[0]


def test_scores_become_a_table_and_a_sweep(runs):
    overrides = [
        "recipe=quick",
        "recipe.epochs=1",
        "scenario=clean",
        "holdout=1000",
        "logger=wandb",
    ]
    planned = search_sweep.plan(["focal", "gce"], "random", 3, overrides)
    with pytest.raises(UserError, match="not made"):
        search_sweep.outcomes(planned)
    put(planned, [0.5, 0.7, None])
    found = search_sweep.outcomes(planned)
    lines = search_sweep.table(planned, found).splitlines()
    assert lines[1].split()[:7] == ["focal", "2", "1", "70.00", "±", "1.45", "50.00"]
    assert "3 trials a loss, diverged ones included" in search_sweep.table(planned, found)
    path = search_sweep.write_sweep(planned, found)
    assert path == runs / "search-focal-gce-clean-quick-random3.yaml"
    text = path.read_text()
    assert text.startswith("# @package hydra.sweeper\n")
    for part in (
        "focal: recipe.lr in [0.0375, 3.75] (log); loss.gamma in [0.5, 5] (linear);",
        "chosen 70.00 %, best 70.00 ± 1.45 %, 1 diverged", "1,000 training images",
    ):  # fmt: skip
        assert part in text
    kept = planned.losses[0].trials[1]
    assert yaml.safe_load(text)["grids"][0] == (
        f"recipe=quick scenario=clean loss=focal recipe.lr={kept['recipe.lr']} "
        f"loss.gamma={kept['loss.gamma']} seed=0,1,2"
    )


def test_a_loss_whose_every_trial_diverged_is_left_out(runs):
    planned = search_sweep.plan(["focal", "gce"], "grid", 2, [])
    put(planned, [0.5, 0.5])
    put(planned._replace(losses=planned.losses[1:]), [None, None])
    found = search_sweep.outcomes(planned)
    assert "gce       0         2" in search_sweep.table(planned, found)
    path = search_sweep.write_sweep(planned, found)
    assert len(yaml.safe_load(path.read_text())["grids"]) == 1
    assert "left out, for every trial diverged" in path.read_text()
    path.unlink()
    with pytest.raises(UserError, match="every trial diverged"):
        search_sweep.write_sweep(planned, found[1:])
    assert not path.exists()


@pytest.mark.parametrize(
    ("overrides", "holdout"),
    [([], 5000), (["data=synthetic"], 200), (["data=synthetic", "holdout=128"], 128)],
)
def test_a_tenth_of_the_images_is_held_out_unless_said(overrides, holdout, tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path))
    planned = search_sweep.plan(["focal"], "random", 1, overrides)
    assert planned.cfg.holdout == holdout
    assert f"holdout={holdout}'" in planned.sweep[0]


MISTAKES = [
    (["focall"], "there is no loss 'focall'; did you mean focal"),
    (["focal", "--trials", "0"], "trials must be at least 1, not 0"),
    (["focal", "--method", "rnadom"], "method 'rnadom' is unknown; legal: random, grid"),
    (["focal", "loss.gamma=1"], "'loss.gamma=1' sets what the search varies; leave it out"),
    (["focal", "recipe.lr=1"], "'recipe.lr=1' sets what the search varies; leave it out"),
    (["focal", "loss=gce"], "'loss=gce' sets what the search varies; leave it out"),
    (["focal", *TINY, "sweep=tune"], "sets what the search varies"),
    (["focal", *TINY, "-o", "on.yaml"], "must not be a number or a word like on"),
    (["focal", *TINY, "-o", "/dev/null/x.yaml"], "--out '/dev/null' cannot be a folder"),
    (["focal", *TINY, "holdout=0"], "holdout must be at least 1, not 0"),
    (["focal", "recipe=quik"], "there is no recipe 'quik'; did you mean quick?"),
    (["focal", "recipe.epochs=0"], "recipe.epochs must be a whole number in [1, 10000], not 0"),
    (["focal", "seed=0,1"], "'seed=0,1' has several values; only train -m makes a run of each\n"),
    (["focal", "seed=[1"], "'seed=[1' cannot be read"),
    (["focal", "-o", "here.txt"], "here.txt: the file of a sweep must end in .yaml"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=lambda v: " ".join(v)[:40])
def test_a_mistake_is_one_sentence_and_code_2(arguments, said, command, tmp_path):
    code, out, err = command("search", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: ")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_loss_without_a_card_is_refused(command, own_loss):
    own_loss("bare", "return logits.sum(1)")
    code, _, err = command("search", "bare")
    assert code == 2
    assert "loss 'bare' has no card" in err


def test_a_search_end_to_end_is_made_once_and_trains_what_it_chose(command, tmp_path):
    arguments = ["search", "gce", *TINY, "--trials", "2", "-o", "mine/chosen.yaml"]
    code, out, err = command(*arguments)
    assert code == 0, err
    assert "2 runs" in err
    table = results.load(tmp_path / "runs")
    assert list(table["holdout"]) == [128, 128]
    assert table["test_accuracy"].isna().all()
    assert table["sweep"].str.fullmatch("search-gce-clean-smoke-random2-[0-9a-f]{6}").all()
    of = search.dimensions(get_card("gce"), 0.375)
    tried = {(row["lr"], row["loss.q"]) for row in table.to_dict("records")}
    trials = search.random(of, 2, seed=0)
    assert tried == {(trial["recipe.lr"], trial["loss.q"]) for trial in trials}
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/row.json")}
    assert len(stamps) == 2
    again = command(*arguments)
    assert again[:2] == (0, out)
    assert "2 finished, 0 to do" in again[2]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/row.json")} == stamps

    code, _, err = command("train", "-m", "sweep=mine/chosen.yaml", "seed=0", "recipe.epochs=1")
    assert code == 0, err
    row = next(
        json.loads(p.read_text()) for p in tmp_path.glob("runs/*/row.json") if p not in stamps
    )
    assert (row["holdout"], row["seed"], row["state"]) == (0, 0, "done")
    assert f"recipe.lr={row['lr']} loss.q={row['loss.q']}" in out
