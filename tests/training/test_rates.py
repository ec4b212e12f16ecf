"""A rate for every loss by one rule: what is tried, kept in tables, and made of them by a run."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import yaml

from lossatlas import results
from lossatlas.contract.inputs import batch_of, make
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import labelled
from lossatlas.results import store
from lossatlas.results.sweeps import Planned
from lossatlas.training import rates, tuned
from lossatlas.training.app import lr_source
from lossatlas.training.tuned import Cell
from rows import whole
from training.commands import TINY

HERE = Cell("smoke", "clean", "airnet_s", "synthetic", "focal")


def entry(rate, loss="focal", **more):
    trial = {
        "loss": loss, "stage": "full", "lr": rate, "score": 0.5, "state": "done", "cpu_s": 1.0,
    }  # fmt: skip
    return {loss: {"trials": [trial | more], "chosen": rate, "said": None}}


@pytest.fixture
def searched(tmp_path):
    """Settle rates of a loss without training: a run scores what `score(stage, step)` says."""

    def settle(score, loss="focal", limit=None, epochs=3, refused="none", kept=True):
        made = []

        def compose(overrides):
            words = dict(text.split("=", 1) for text in overrides)
            if words.get("recipe.lr") == refused:
                raise UserError("it takes no such rate")
            config = {
                "data": {"name": "cifar10"},
                "recipe": {
                    "train_limit": int(words.get("recipe.train_limit", 0)) or limit,
                    "epochs": int(words.get("recipe.epochs", epochs)),
                },
            }
            stage = "short" if "recipe.batch_size" in words else "full"
            run = f"{loss}-clean-quick-s0-{stage}-{words.get('recipe.lr')}"
            return Planned(run, config, "class_index", "given")

        def make(lines, plan):
            assert len(lines) == len(plan)
            for planned in plan:
                *_, stage, lr = planned.run_id.split("-", 5)
                made.append((stage, float(lr)))
                value = score(stage, float(lr))
                state = {"state": "diverged" if value is None else "done", "score": value}
                if isinstance(value, str):
                    state = {"state": "failed", "reason": value}
                (tmp_path / planned.run_id).mkdir()
                row = whole(planned.run_id) | {"cpu_s": 2.0, "loss": loss} | state
                store.write_json(tmp_path / planned.run_id / "row.json", row)

        cell = Cell("quick", "clean", "airnet_s", "cifar10", loss)
        said = rates.settle({cell: ["recipe.lr=9", "loss.gamma=5", "seed=4"]}, compose, make,
                            tmp_path, tmp_path / "tables")  # fmt: skip
        table = tuned.read(tuned.file(tmp_path / "tables", cell)) if kept else None
        return said, made, table

    return settle


def test_a_short_lattice_then_the_recipe_s_own_length_both_until_the_best_is_inside(searched):
    best = {"short": 0.125, "full": 0.375}
    said, made, table = searched(lambda stage, lr: 0.9 - abs(lr - best[stage]) / 10)
    assert made == [
        ("short", 0.125), ("short", 0.375), ("short", 1.125), ("short", 0.04167),
        ("full", 0.125), ("full", 0.375), ("full", 1.125),
    ]  # fmt: skip
    assert table["chosen"] == {"focal": 0.375}
    assert table["said"] == {}
    assert len(table["trials"]) == 7
    assert said[0] == "focal in clean, quick: rate 0.375 after 7 trials, 14 CPU s"
    assert "never" not in table["protocol"]
    assert "one epoch of 10,000 training images in batches of 64" in table["protocol"]
    assert "scored on 5,000 other training images" in table["protocol"]


def test_a_recipe_that_is_short_itself_has_one_stage(searched):
    _, made, table = searched(lambda stage, lr: 0.9 - abs(lr - 1.125) / 10, limit=1280, epochs=2)
    assert [stage for stage, _ in made] == ["full"] * 4
    assert table["chosen"] == {"focal": 1.125}
    assert "in batches of" not in table["protocol"]


def test_a_steep_loss_begins_at_smaller_rates(searched):
    _, made, table = searched(lambda stage, lr: 0.9 - abs(lr - 0.013888) * 10, "ldam")
    assert made[:3] == [("short", 0.00463), ("short", 0.01389), ("short", 0.04167)]
    assert table["chosen"] == {"ldam": 0.01389}


def test_a_failed_trial_leaves_its_loss_without_a_rate_and_says_why(searched):
    said, _, table = searched(lambda stage, lr: "out of memory" if lr > 1 else 0.5)
    assert said == ["no rate for focal in clean: focal-clean-quick-s0-short-1.125: out of memory"]
    assert table is None


def test_a_trial_that_cannot_be_planned_leaves_its_loss_without_a_rate(searched):
    for lr, made in (("0.375", 0), ("0.04167", 3), (None, 0)):
        said, done, table = searched(lambda stage, lr: 0.9 - lr / 9, refused=lr)
        assert said == ["no rate for focal in clean: it takes no such rate"]
        assert (len(done), table) == (made, None)


def test_a_loss_of_which_every_trial_diverged_keeps_the_rate_of_its_recipe(searched):
    said, _, table = searched(lambda stage, lr: None)
    assert table["chosen"] == {}
    assert table["said"] == {"focal": "every trial diverged"}
    assert "rate None" not in said[0]


def test_one_more_loss_joins_the_table_of_the_others(tmp_path):
    tuned.write(tmp_path, HERE, "a rule", entry(0.125))
    tuned.write(tmp_path, HERE, "a rule", entry(0.375, "gce"))
    path = tuned.write(tmp_path, HERE, "a rule", entry(1.125))
    table = yaml.safe_load(path.read_text())
    assert table["chosen"] == {"focal": 1.125, "gce": 0.375}
    assert len(table["trials"]) == 2
    before = path.read_text()
    with pytest.raises(UserError, match="field 'protocol' is 'a rule', but these rates have 'an"):
        tuned.write(tmp_path, HERE, "another", entry(1.125))
    assert path.read_text() == before


def test_a_table_keeps_what_others_have_written_meanwhile(tmp_path):
    path = tuned.write(tmp_path, HERE, "a rule", entry(0.125))
    assert tuned.read(path)["chosen"] == {"focal": 0.125}  # read once, before hours of trials
    path.write_text(path.read_text().replace("focal", "mae"))  # as another process does
    losses = [f"loss_{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda n: tuned.write(tmp_path, HERE, "a rule", entry(1.125, n)), losses))
    assert tuned.read(path)["chosen"] == {"mae": 0.125, **dict.fromkeys(losses, 1.125)}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("damage", ["other: true", "[", "recipe: 7", None])
def test_a_table_that_rates_cannot_join_is_told_before_any_trial(searched, tmp_path, damage):
    cell = Cell("quick", "clean", "airnet_s", "cifar10", "focal")
    path = tuned.write(tmp_path / "tables", cell, "another rule", entry(0.125))
    if damage is not None:
        path.write_text(damage)
    before = path.read_text()
    tuned.read.cache_clear()
    said, made, _ = searched(lambda stage, lr: 0.5, kept=False)
    assert made == []
    assert len(said) == 1
    assert said[0].startswith(f"no rate for focal in clean: {path}")
    assert path.read_text() == before


def test_a_run_has_the_rate_of_its_recipe_scenario_network_and_images(make_cfg, tmp_path):
    tuned.write(tmp_path / "runs" / store.TUNED, HERE, "a rule", entry(0.0123))
    noisy = HERE._replace(scenario="symmetric_noise-probability=0.4")
    tuned.write(tmp_path / "runs" / store.TUNED, noisy, "a rule", entry(0.0321))

    def rate(*overrides):
        cfg = make_cfg("loss=focal", *overrides)
        return cfg.recipe.lr, lr_source(cfg)

    assert rate() == (0.0123, "tuned")
    assert rate("loss.gamma=5") == (0.0123, "tuned")
    assert rate("recipe.lr=0.2") == (0.2, "given")
    for other in ("model=airnet_l", "recipe=long", "loss=mae", "scenario=long_tail"):
        assert rate(other)[1] == "default"
    key = "scenario.probability"
    assert rate("scenario=symmetric_noise", f"{key}=0.4") == (0.0321, "tuned")
    assert rate("scenario=symmetric_noise", f"{key}=0.2")[1] == "default"


def test_a_damaged_table_is_named(make_cfg, tmp_path):
    path = tuned.write(tmp_path / "runs" / store.TUNED, HERE, "a rule", entry(0.0123))
    path.write_text(path.read_text().replace("0.0123", "fast"))
    tuned.read.cache_clear()
    with pytest.raises(Exception, match=r"clean\.yaml: .*chosen"):
        _ = make_cfg("loss=focal").recipe.lr
    tuned.read.cache_clear()


@pytest.mark.parametrize("words", [["train"], ["train", "-m", "--plan"], ["tune", "--plan"]])
def test_a_damaged_table_is_one_sentence_of_every_command(words, command, tmp_path):
    path = tuned.write(tmp_path / "runs" / store.TUNED, HERE, "a rule", entry(0.0123))
    path.write_text("chosen: 7")
    tuned.read.cache_clear()
    code, _, err = command(*words, *TINY, "loss=focal")
    tuned.read.cache_clear()
    assert (code, err) == (2, f"lossatlas: {path}: field 'recipe' is missing\n")


@pytest.mark.parametrize("words", [["recipe.lr=0.1"], ["loss=sum", "loss.terms=mae", "--plan"]])
def test_where_no_rate_is_to_be_found_that_is_said(words, command):
    code, out, err = command("tune", *TINY, *words)
    assert (code, out) == (2, "")
    assert "none of these runs takes its rate from a table: recipe.lr is given, or" in err


def test_a_rate_that_nobody_tuned_is_divided_by_the_loss_s_steepness(make_cfg):
    plain, steep = (make_cfg("recipe=long", f"loss={name}") for name in ("mae", "ldam"))
    assert steep.recipe.lr == plain.recipe.lr / registry.get_card("ldam").steepness
    assert lr_source(steep) == "default"
    assert make_cfg("recipe=long", "loss=ldam", "recipe.lr=0.2").recipe.lr == 0.2
    assert make_cfg("recipe=long", "loss=sum", "loss.terms=mae").recipe.lr == plain.recipe.lr


def test_a_card_s_steepness_is_that_of_the_gradient():
    labels = torch.randint(10, (500,), generator=torch.Generator().manual_seed(0))

    def steepness(name):
        card = registry.get_card(name)
        inputs = batch_of(card, n=500, k=10, scale=1.0)[0].requires_grad_()
        loss = make(name, "sum", 10)
        value = loss(inputs, labelled(card.target, labels, 10))
        (value * (len(labels) if loss.per == "batch" else 1)).backward()
        return inputs.grad.norm(dim=1).mean()

    one = steepness("cross_entropy")
    for name in registry.list_losses():
        card = registry.get_card(name)
        # How large the network's features are is not known here.
        if not KINDS[card.target].on_embeddings and "features" not in card.requires:
            measured, stated = steepness(name) / one, card.steepness
            assert measured < 8 if stated == 1 else stated / 1.5 < measured < 1.5 * stated, name


@pytest.mark.parametrize("loss", ["focal", "nt_xent"])  # a classifier and an embedder
def test_rates_are_found_from_the_command_line_and_used_by_the_sweep(loss, command, tmp_path):
    words = [*TINY, "data.n_train=320", f"loss={loss}", "seed=3"]
    code, out, err = command("tune", "--plan", *words)
    assert (code, err) == (0, "")
    assert out.startswith("rates to be found first: 1, ")
    assert "no rate" not in out
    assert not (tmp_path / "runs").exists()
    code, _, err = command("tune", *words)
    assert code == 0, err
    assert f"{loss} in clean, smoke: rate " in err
    found = next((tmp_path / "runs" / store.TUNED).glob("*/*.yaml"))
    tuned.read.cache_clear()
    table = tuned.read(found)
    rows = results.load(tmp_path / "runs")
    assert len(rows) == len(table["trials"])
    assert set(rows["holdout"]) == {32}
    assert set(rows["seed"]) == {0}
    code, _, err = command("train", "-m", *words)
    assert code == 0, err
    rows = results.load(tmp_path / "runs")
    made = rows[rows["holdout"] == 0].iloc[0]
    assert (made["lr"], made["lr_source"]) == (table["chosen"][loss], "tuned")
    code, _, err = command("tune", *words)  # nothing is made again
    assert code == 0, err
    assert "at once" not in err


def test_a_sweep_finds_what_is_missing_before_it_starts(command, tmp_path):
    file = tmp_path / "mine.yaml"
    line = " ".join([*TINY, "data.n_train=320", "loss=focal"])
    file.write_text(yaml.safe_dump({"rates": "missing", "grids": [line]}))
    code, _, err = command("train", "-m", f"sweep={file}")
    assert code == 0, err
    rows = results.load(tmp_path / "runs")
    assert list(rows[rows["holdout"] == 0]["lr_source"]) == ["tuned"]


def test_a_piece_of_a_sweep_finds_the_rates_of_that_piece_alone(command, tmp_path):
    file = tmp_path / "mine.yaml"
    line = " ".join(["recipe=quick data=synthetic seed=0", "loss=gce,mae,nce"])
    file.write_text(yaml.safe_dump({"rates": "missing", "grids": [line]}))
    for only, count in (("*", 3), ("[gm]*", 2), ("nce-*", 1)):
        words = ["train", "-m", f"sweep={file}", "--only", only, "--plan"]
        code, out, err = command(*words)
        assert code == 0, err
        assert out.startswith(f"rates to be found first: {count}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--junk"], "there is no option '--junk'; legal: "),
        ([], "say what to find rates for"),
        (["loss=focall"], "there is no loss 'focall'"),
        (["loss=focal", "-o", "/dev/null"], "--out '/dev/null' cannot be a folder"),
    ],
)
def test_a_mistake_is_one_sentence(words, says, command):
    code, out, err = command("tune", *words)
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: ")
    assert says in err
