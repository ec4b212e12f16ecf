"""The table of tuned learning rates, and what a configuration makes of it."""

import pytest
import torch
import yaml

from lossatlas import resources
from lossatlas.contract.inputs import batch_of, make
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import labelled
from lossatlas.results import store
from lossatlas.training import config, tuning
from lossatlas.training.app import lr_source
from rows import whole


def add(root, loss, scenario, lr, score, **more):
    row = whole(f"{loss}-{scenario}-{lr}") | {
        "loss": loss, "scenario": scenario, "recipe": "quick",
        "lr": lr, "score": score, "state": "done" if score is not None else "diverged",
        "holdout": 5000, "epochs": 1, "seed": 0, "hardware": "a machine",
    } | more  # fmt: skip
    (root / row["run_id"]).mkdir(parents=True)
    store.write_json(root / row["run_id"] / "row.json", row)


@pytest.fixture
def conf(tmp_path, monkeypatch):
    folder = tmp_path / "conf"
    folder.mkdir()
    others = resources.folder
    ours = lambda name: folder if name == "conf" else others(name)  # noqa: E731
    monkeypatch.setattr(config.resources, "folder", ours)
    config.chosen.cache_clear()
    yield folder
    config.chosen.cache_clear()


def test_the_best_held_out_score_is_chosen(tmp_path, conf):
    runs = tmp_path / "runs"
    for lr, ce, hinge in ((0.1, 0.6, 0.5), (0.3, 0.7, 0.5), (0.9, 0.65, None)):
        add(runs, "cross_entropy", "clean", lr, ce)
        add(runs, "hinge", "clean", lr, hinge)
    add(runs, "hinge", "clean", 5.0, 0.99, run_id="a-real-run", holdout=0)
    table = yaml.safe_load(tuning.write_table(runs).read_text())
    assert table["chosen"] == {"clean": {"cross_entropy": 0.3, "hinge": 0.1}}
    assert table["grid"] == [0.1, 0.3, 0.9]
    assert {
        "loss": "hinge",
        "scenario": "clean",
        "lr": 0.9,
        "score": None,
        "state": "diverged",
    } in (table["rows"])
    assert len(table["rows"]) == 6
    assert config.tuned("lr", "quick", "clean", "hinge", 7.0) == 0.1
    assert config.tuned("lr", "quick", "ambiguous_pets", "hinge", 7.0) == 7.0
    assert config.tuned("lr", "long", "clean", "hinge", 7.0) == 7.0


def test_within_one_standard_error_the_smaller_rate_wins(tmp_path, conf):
    runs = tmp_path / "runs"
    # with 5,000 images a score of 0.7 has a standard error of 0.0065
    for loss, scores in (("near", (0.694, 0.7)), ("far", (0.693, 0.7))):
        for lr, score in zip((0.1, 0.3), scores, strict=True):
            add(runs, loss, "clean", lr, score)
    table = yaml.safe_load(tuning.write_table(runs).read_text())
    assert table["chosen"] == {"clean": {"far": 0.3, "near": 0.1}}


def test_a_loss_of_which_every_run_diverged_keeps_the_rate_of_its_recipe(tmp_path, conf):
    for lr in (0.1, 0.3):
        add(tmp_path / "runs", "steep", "clean", lr, None)
        add(tmp_path / "runs", "tame", "clean", lr, 0.5)
    table = yaml.safe_load(tuning.write_table(tmp_path / "runs").read_text())
    assert table["chosen"] == {"clean": {"tame": 0.1}}
    assert config.tuned("lr", "quick", "clean", "steep", 7.0) == 7.0


def test_the_published_choice_is_what_the_rule_makes_of_the_published_scores():
    table = yaml.safe_load(resources.tuned_table("quick").read_text())
    assert tuning._choose(table["rows"], 5000) == table["chosen"]


def test_one_more_loss_joins_the_table_of_the_others(tmp_path, conf):
    for folder, loss, scores in (("a", "first", (0.5, 0.7)), ("b", "second", (0.6, 0.3))):
        for lr, score in zip((0.1, 0.3), scores, strict=True):
            add(tmp_path / folder, loss, "clean", lr, score)
        path = tuning.write_table(tmp_path / folder)
    table = yaml.safe_load(path.read_text())
    assert table["chosen"] == {"clean": {"first": 0.3, "second": 0.1}}
    assert len(table["rows"]) == 4
    before = path.read_text()
    add(tmp_path / "c", "third", "clean", 0.5, 0.5)
    with pytest.raises(UserError, match=r"field 'grid' is \[0.1, 0.3\], but these runs have"):
        tuning.write_table(tmp_path / "c")
    assert path.read_text() == before


def test_unequal_grids_and_empty_stores_are_refused(tmp_path, conf):
    with pytest.raises(UserError, match="no finished tuning runs"):
        tuning.write_table(tmp_path / "none")
    runs = tmp_path / "runs"
    add(runs, "cross_entropy", "clean", 0.1, 0.5)
    add(runs, "cross_entropy", "clean", 0.3, 0.5)
    add(runs, "hinge", "clean", 0.1, 0.5)
    with pytest.raises(UserError, match=r"hinge in clean tried lr 0.1, not \[0.1, 0.3\]"):
        tuning.write_table(runs)
    add(runs, "hinge", "clean", 0.3, 0.5, epochs=2)
    with pytest.raises(UserError, match="tuning runs differ in epochs: 1, 2"):
        tuning.write_table(runs)
    assert not list(conf.glob("tuned/*"))


def test_every_rate_of_the_quick_survey_is_tuned(make_cfg):
    for loss, scenario in (("cross_entropy", "clean"), ("set_margin_hinge", "ambiguous_pets")):
        cfg = make_cfg(f"loss={loss}", f"scenario={scenario}", "recipe=quick")
        assert lr_source(cfg) == "tuned"
        assert cfg.recipe.lr == config.chosen("quick")[scenario][loss]
    assert lr_source(make_cfg("recipe=quick", "recipe.lr=0.2")) == "given"
    assert lr_source(make_cfg("recipe=long")) == "default"


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


def test_the_runs_of_a_tuning_can_be_shown(command, tmp_path):
    code, out, err = command("tune", "--plan", "loss=focal", "scenario=clean")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("3 planned")
    assert not (tmp_path / "runs").exists()
    code, out, err = command("tune", "--junk")
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: there is no option '--junk'; legal: ")
