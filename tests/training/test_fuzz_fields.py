"""Every field of the configuration, given hostile values: it is legal, or one sentence says why."""

import math
import random

import pytest
import torch
from omegaconf import OmegaConf

from lossatlas.errors import UserError
from lossatlas.models.airnet import AirNet
from lossatlas.models.resnet import ResNet18
from lossatlas.training.config import Config, resolve
from lossatlas.training.identity import place
from lossatlas.training.wording import our_words
from training.test_config import fields

HOSTILE = [
    None, True, False, 0, 1, -1, 2, 3, 7, 99, 10**6, 2**53 + 2, 2**63, 10**400, -(10**400), 0.5,
    -0.0, 1e-320, 1e30, 1e308, math.nan, math.inf, -math.inf,
    "", " ", "x", "1", "-5", "nan", "null", "on", "../x", "/etc/passwd", "/dev/null/x", "数",
    "~nobody_here/x", "a\nb", "a\0b", "\x1b[31m", "x" * 300, "<script>", "=1+1", "airnet",
    "${seed}", "${nope}", "${oc.env:HOME}", "${oc.env:NO_SUCH}", "${", "long_tail", "slurm",
    [], [1], [[]], [0, 0, 0], [-1, 8, 8], [8, 8, 8], [8] * 9, [8.5, 8, 8], [None], ["a\nb"],
    [True] * 3, [True] * 4, {}, {"a": 1}, {"a b": [1]}, {"name": "x"},
]  # fmt: skip
BASES = [
    ["data=synthetic", "recipe=smoke"],
    ["data=synthetic", "recipe=smoke", "scenario=long_tail", "model=airnet_l", "launcher=slurm"],
    ["scenario=symmetric_noise", "model=resnet18", "logger=wandb", "holdout=5000"],
    ["loss=focal", "scenario=ambiguous_pets", "loss.gamma=3"],
]


def outcome(make, places=False):
    """The configuration of what `make` gives, and where its run belongs; or the sentence."""
    try:
        with our_words(Exception):  # as Hydra raises errors of any kind while it composes
            cfg = make()
        config = resolve(cfg)
        if places:
            place(config)
    except UserError as error:
        config = str(error)
    assert isinstance(config, dict) or (config.isprintable() and 0 < len(config) < 700), config
    return config


def build(model):
    """Build the net and send two images through, without memory or time."""
    with torch.device("meta"):
        net = ResNet18(model["widths"])
        if model["arch"] == "airnet":
            stem = [model[f"stem_{part}"] for part in ("kernel", "stride", "pad")]
            net = AirNet(model["widths"], *stem, model["directions"], model["pools"])
        assert net(torch.empty(2, 3, 32, 32)).shape == (2, net.feature_dim)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base[0])
def test_every_field_takes_what_is_legal_and_says_what_is_not(base, compose, tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    cfg, draw = compose(*base), random.Random(str(base))
    plain = OmegaConf.to_container(cfg, resolve=True)
    keys = [*(key for key, _ in fields(Config)), "loss.name", "recipe", "nothing"]
    keys += [f"scenario.{key}" for key in plain["scenario"]]
    legal = 0
    for key in keys:
        for value in draw.sample(HOSTILE, 8):

            def typed(key=key, value=value):
                mutant = cfg.copy()
                OmegaConf.update(mutant, key, value)
                return mutant

            def untyped(key=key, value=value):  # as a plan that was written down gives it
                mutant = OmegaConf.create(plain)
                OmegaConf.update(mutant, key, value, merge=False)
                return mutant

            found = outcome(
                typed if draw.random() < 0.5 else untyped, key in ("loss", "loss.name", "runs")
            )
            legal += isinstance(found, dict)
            if isinstance(found, dict) and key.startswith("model."):
                build(found["model"])
    assert 0 < legal < len(keys) * 8 / 2
    assert not list(tmp_path.iterdir())


def test_nets_that_are_accepted_can_be_built(compose):
    base, draw, built = compose("data=synthetic", "recipe=smoke"), random.Random(0), 0
    for _ in range(60):
        cfg, n = base.copy(), draw.randint(1, 4)
        cfg.model.widths = [draw.randint(1, 20) for _ in range(n)]
        cfg.model.pools = [draw.random() < 0.7 for _ in range(n)]
        cfg.model.stem_kernel, cfg.model.stem_stride = (
            draw.randint(1, 7),
            draw.choice([1, 2, 9, 32]),
        )
        cfg.model.stem_pad, cfg.model.directions = draw.randint(0, 7), draw.randint(1, 30)
        found = outcome(lambda cfg=cfg: cfg)
        if isinstance(found, dict):
            build(found["model"])
            built += 1
    assert 5 < built < 55


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["recipe.lr_end=-5"], 2),
        (["recipe.lr=${oc.env:NO_SUCH}"], 2),
        (["model.widths=[8,8,8,8]"], 2),
        (["seed=[1"], 2),
        (["seed=数据"], 2),
        (["runs=/dev/null/x"], 2),
        (["loss=focal", "loss.gamma=null"], 2),
        (["loss=a,b"], 2),
        (["data.name=mnist"], 2),
        (["recipe.name=quick"], 2),
        (["-m", "--plan", "seed=range(0,1e12)"], 2),
        (["-m", "--plan", "--since", "99999999999h"], 0),
        (["-m", "--plan", "runs=~/数 据"], 0),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_from_the_command_line(words, code, command, tmp_path):
    found, _, err = command("train", "data=synthetic", "recipe=smoke", *words)
    assert found == code, err
    if code:
        assert err.startswith("lossatlas: ")
        assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
