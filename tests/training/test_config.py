"""What a field may hold stands where it is defined, and names are those of what was chosen."""

import dataclasses

import numpy as np
import pytest
from omegaconf import OmegaConf

from lossatlas import legal
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.training import identity
from lossatlas.training.config import Config, check_names, node, resolve
from lossatlas.training.wording import our_words
from training.commands import TINY


def fields(schema, where=""):
    """Every field of the schema that holds a value: its key, and the field."""
    for field in dataclasses.fields(schema):
        if dataclasses.is_dataclass(field.type):
            yield from fields(field.type, f"{where}{field.name}.")
        else:
            yield where + field.name, field


def test_every_field_says_what_is_legal():
    found = dict(fields(Config))
    assert {"recipe.lr", "model.widths", "launcher.setup", "runs", "loss"} < set(found)
    for key, field in found.items():
        rule = legal.of(field)
        assert rule.words, key
        junk = [object(), float("nan"), 10**400, "\n", "", [None], {"": None}, -1]
        assert not any(rule.fits(value) for value in junk if not isinstance(value, dict)), key


@pytest.mark.parametrize(
    "more",
    [
        ("loss=focal", "loss.gamma=3", "seed=4", "runs=/elsewhere"),
        (
            "scenario=long_tail", "scenario.imbalance=7", "model=resnet18",
            "model.widths=[8,8,8,8]", "model.stem_kernel=0",
        ),
    ],
)  # fmt: skip
def test_what_tests_compose_quickly_is_what_hydra_composes(more, make_cfg, compose):
    ours, hydras = make_cfg(*more), compose(*TINY, "progress=false", *more)
    assert OmegaConf.to_container(ours, resolve=False) == OmegaConf.to_container(
        hydras, resolve=False
    )
    assert resolve(ours) == resolve(hydras)
    ours.loss.name = "mae"
    assert make_cfg(*more) == hydras  # each is a copy of its own
    with pytest.raises(AttributeError):
        ours.recipe.nonsense = 1


@pytest.mark.parametrize(
    ("overrides", "run_id"),
    [
        ([], "cross_entropy-clean-quick-s0-741c76ec1f40"),
        (["loss=focal", "loss.gamma=3", "seed=1"], "focal-clean-quick-s1-12476bd34254"),
        (["loss=nt_xent", "recipe=long"], "nt_xent-clean-long-s0-3052d0def5f2"),
        (
            ["recipe=standard", "threads=2", "recipe.epochs=1"],
            "cross_entropy-clean-standard-s0-30bf22f61eeb",
        ),
        (["loss=sum", "loss.terms='nce + 0.1 * rce'"], "sum-clean-quick-s0-34e31c179bb5"),
        (["recipe.lr=1", "holdout=5000"], "cross_entropy-clean-quick-s0-d13e509cb02f"),
    ],
)
def test_no_default_of_the_schema_was_changed(overrides, run_id, compose):
    assert identity.run_id(resolve(compose(*overrides)), "0") == run_id


def test_a_new_field_moves_no_id_until_it_is_used(compose, monkeypatch):
    before = resolve(compose("loss=focal"))
    expected = identity.run_id(before, "0")

    def wider(group, chosen):
        more = [("fresh", bool, True), ("deep", dict, dataclasses.field(default_factory=dict))]
        return dataclasses.make_dataclass("Wider", more, bases=(node(group, chosen),))

    monkeypatch.setattr(identity, "node", wider)
    groups = [key for key, value in before.items() if isinstance(value, dict)]
    assert {"loss", "scenario", "data", "model", "recipe"} < set(groups)
    after = {
        key: value | {"fresh": True, "deep": {}} if key in groups else value
        for key, value in before.items()
    }
    assert identity.run_id(after, "0") == expected
    for group in groups:
        used = after | {group: after[group] | {"fresh": False}}
        assert (identity.run_id(used, "0") == expected) == (group in ("logger", "launcher"))


def test_what_a_run_is_made_with_is_in_its_id_and_nothing_else(compose):
    config = resolve(compose("loss=focal", "scenario=symmetric_noise"))
    expected = identity.run_id(config, "0")
    assert identity.run_id(config, "1") != expected
    for group, key, value in (
        ("loss", "gamma", 3.0), ("scenario", "probability", 0.1), ("model", "name", "mine"),
        ("recipe", "test_limit", 100), ("data", "n_test", 1),
    ):  # fmt: skip
        assert identity.run_id(config | {group: config[group] | {key: value}}, "0") != expected
    assert identity.run_id(config | {"holdout": 10}, "0") != expected
    other = {"runs": "/x", "accelerator": "gpu", "progress": False, "logger": {"name": "wandb"}}
    assert identity.run_id(config | other, "0") == expected
    zeros = ({"recipe": config["recipe"] | {"weight_decay": zero}} for zero in (0.0, -0.0))
    assert len({identity.run_id(config | zero, "0") for zero in zeros}) == 1


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["recipe.lr_end=-5"], r"recipe.lr_end must be a number in \[0, 1\], not -5.0"),
        (["recipe.norm_lr_factor=0"], "recipe.norm_lr_factor must be a number in"),
        (["recipe.train_limit=-5"], r"must be a whole number in \[2, 1000000\] or null, not"),
        (["recipe.precision=junk"], "recipe.precision must be one of 32-true, 16-mixed"),
        (["threads=1000000"], r"threads must be a whole number in \[1, 1024\]"),
        (["seed=" + "9" * 30], "seed must be a whole number in"),
        (["model.widths=[8,-1,8]"], "model.widths must be a list of whole numbers in"),
        (["model.widths=[]"], "model.widths must be a list of whole numbers in"),
        (["model.widths=[8,8]"], "model.pools has 3 values, but model.widths 2"),
        (["model.directions=28"], "model.directions must be at most 27"),
        (["model.stem_pad=3"], "model.stem_pad must be less than model.stem_kernel 3"),
        (["model.stem_stride=32"], "model.pools halves 2 times a map of 1 by 1"),
        (["holdout=50000"], "holdout must be less than the 50000 training images there are"),
        (["data=synthetic", "holdout=2000"], "less than the 2000 training images there are"),
        (["holdout=49900"], "recipe.batch_size is 256, but only 100 training images are left"),
        (["recipe.train_limit=100"], "but only 100 training images are left"),
        (["scenario=long_tail", "scenario.imbalance=0"], r"must be a number in \[1, 1e6\], not 0"),
        (["model=resnet18", "model.directions=3"], "is for airnet only, not for resnet18"),
        (["launcher.partition=gpu"], "launcher.partition is for slurm only, not for local"),
        (["+x=1"], "x is no field of the configuration"),
        (["runs="], "runs must be the path of a folder or null, not ''"),
        (["recipe.lr=${recipe.momentum}", "recipe.momentum=${recipe.lr}"], "Recursive inter"),
        (["recipe.lr=${oc.env:NO_SUCH_THING}"], "recipe.lr: .*NO_SUCH_THING"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_an_illegal_value_is_one_sentence(overrides, says, compose):
    with pytest.raises(UserError, match=says) as caught:
        resolve(compose(*overrides))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["scenario.probability=0.4"], "scenario clean has no key 'probability'; legal: none"),
        (["scenario=long_tail", "scenario.probability=0.4"], "no key 'probability'; legal: imbal"),
        (["scenario.imbalance=3"], "scenario clean has no key 'imbalance'; legal: none"),
        (["scenario=long_tail", "scenario.imbalance=null"], "'scenario.imbalance' is not Optional"),
        (["scenario=long_tail", "scenario.imbalance=x"], "scenario.imbalance: .*to Float"),
        (["data.n_train=100"], "data cifar10 has no key 'n_train'; legal: none"),
        (["data=mnist"], "there is no data 'mnist'; legal: arrays, cifar10, synthetic"),
        (["scenario=murky"], "there is no scenario 'murky'; legal: ambiguous_pets, asymmetric_no"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_scenario_has_its_own_parameters_and_no_other(overrides, says, compose):
    with pytest.raises(UserError, match=says) as caught, our_words():
        compose(*overrides)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ({"name": "clean", "probability": 0.4}, "scenario.probability is no field of the conf"),
        ({"name": "symmetric_noise"}, "configuration: scenario.probability needs a value"),
        ({"name": "long_tail", "imbalance": None}, "scenario.imbalance must be a number in"),
        ({"name": "murky"}, "there is no scenario 'murky'; legal: "),
        ({"name": "../x"}, "there is no scenario '../x'; legal: "),
        ({}, "scenario must be a scenario with its parameters, not"),
        ("clean", "scenario must be a scenario with its parameters, not 'clean'"),
    ],
)
def test_a_scenario_that_a_plan_names_is_checked_as_well(scenario, says, compose):
    config = OmegaConf.to_container(compose(), resolve=True)
    with pytest.raises(UserError, match=says):
        resolve(OmegaConf.create(config | {"scenario": scenario}))


def test_what_a_choice_has_may_be_changed(compose):
    config = resolve(compose("scenario=symmetric_noise", "scenario.probability=0.3"))
    assert config["scenario"]["probability"] == 0.3
    config = resolve(compose("launcher=slurm", "launcher.partition=gpu", "recipe.epochs=1"))
    assert config["launcher"]["partition"] == "gpu"
    resolve(compose("model=airnet_l"))
    resolve(compose("recipe=standard"))


@pytest.mark.parametrize("group", ["loss", "scenario", "data", "model", "recipe", "logger"])
def test_a_group_has_the_name_of_what_was_chosen(group, compose):
    cfg = compose()
    chosen = {g: cfg[g].name for g in ("loss", "scenario", "data", "model", "recipe", "logger")}
    chosen["launcher"] = "local"
    check_names(cfg, chosen)
    check_names(cfg, chosen | {group: f"{chosen[group]}.yaml"})  # as Hydra takes it
    cfg[group].name = "mnist"
    with pytest.raises(UserError, match=rf"{group}.name must be '\w+', the {group} that was chos"):
        check_names(cfg, chosen)


def test_a_flag_takes_true_and_false_alone_at_every_door(own_loss, compose):
    file = own_loss("flagged", "return logits.sum(1)")
    init = "    def __init__(self, flag: bool = False, other: bool | None = None):\n"
    init += "        super().__init__()\n\n"
    file.write_text(file.read_text().replace("    def per_sample", f"{init}    def per_sample"))

    def built(*words):
        return registry.from_config(resolve(compose(*words))["loss"]).given

    assert built("loss=flagged") == {"flag": False, "other": None}
    assert built("loss=flagged", "loss.flag=true", "loss.other=False") == {
        "flag": True, "other": False
    }  # fmt: skip
    assert built("loss=sum", "loss.terms='flagged(flag=True)'") == {"flag": True}
    assert registry.get_loss("flagged", flag=np.bool_(True)).given == {"flag": True}
    for value in ("7", "1", "yes"):
        with pytest.raises(UserError, match="flagged: flag must be true or false, not "):
            built("loss=flagged", f"loss.flag={value}")
    with pytest.raises(UserError, match="flagged: other must be true or false or null, not 7"):
        built("loss=flagged", "loss.other=7")
    with pytest.raises(UserError, match="flagged: flag must be true or false, not 1"):
        built("loss=sum", "loss.terms='flagged(flag=1)'")


@pytest.mark.parametrize("annotation", ["float", "float | None", "'Optional[float]'"])
def test_a_number_is_one_experiment_however_it_is_written(annotation, own_loss, compose):
    file = own_loss(f"typed{len(annotation)}", "return self.q * torch.logsumexp(logits, 1)")
    init = f"    def __init__(self, q: {annotation} = 0.5):\n        super().__init__()\n"
    init += "        self.q = q\n\n"
    text = file.read_text().replace("    def per_sample", f"{init}    def per_sample")
    file.write_text(f"from __future__ import annotations\nfrom typing import Optional\n{text}")
    written = ("1", "1.0", "1e0")
    found = [resolve(compose(f"loss={file.stem}", f"loss.q={q}"))["loss"]["q"] for q in written]
    assert [repr(q) for q in found] == ["1.0"] * 3
