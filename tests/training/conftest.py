import copy
import os
import shutil
import sys

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from omegaconf import OmegaConf

from lossatlas import resources
from lossatlas.losses import registry
from lossatlas.training import config, identity, run
from lossatlas.training.journal import Journal
from training.commands import TINY


def base(overrides):
    """`TINY`, less the sizes of synthetic images where other images are chosen."""
    other = any(text.startswith("data=") for text in overrides)
    return [text for text in TINY if not (other and text.startswith("data"))]


def composed(*overrides):
    """What Hydra makes of some overrides."""
    config.register_configs()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        return hydra.compose("config", list(overrides))


GROUPS = ("data", "scenario", "model", "recipe", "logger", "launcher", "sweep")
_composed = {}  # configurations of some groups, which take Hydra 0.2 s


def quickly(overrides):
    """What Hydra makes of some overrides; it composes the same groups once, then values are set."""
    given = OverridesParser.create().parse_overrides(overrides)
    plain = all(o.type == OverrideType.CHANGE and o.package is None for o in given)
    losses = [o.value() for o in given if o.key_or_group == "loss"]
    if not plain or not set(losses) <= set(registry.index()):
        return composed(*overrides)
    groups = [o.input_line for o in given if o.key_or_group in GROUPS]
    key = (*groups, os.environ.get(registry.PATH_VARIABLE), os.getcwd())
    if key not in _composed:
        _composed[key] = composed(*groups)
    cfg = copy.deepcopy(_composed[key])
    if losses:
        cfg.loss = OmegaConf.structured(config.loss_node(losses[-1]))
    for override in given:
        if override.key_or_group not in (*GROUPS, "loss"):
            OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
    return cfg


@pytest.fixture
def make_cfg(tmp_path, monkeypatch):
    """Compose a tiny run: a few synthetic images, a second, its store under tmp_path."""
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))
    return lambda *overrides: quickly([*base(overrides), "progress=false", *overrides])


@pytest.fixture
def compose():
    """Compose the configuration of some overrides, of CIFAR-10 unless they say otherwise."""
    return composed


@pytest.fixture
def own_loss(tmp_path, monkeypatch):
    """Write a loss of a user's own, without a card, and make it known."""
    root = tmp_path / "own"

    def write(name, body, base="LogitLoss", head="target = 'class_index'"):
        file = root / "losses" / "noise_robust" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"import torch\nfrom lossatlas.losses.base import {base}\n"
            "from lossatlas.losses.registry import register\n\n\n"
            f"@register\nclass Own({base}):\n    {head}\n\n"
            f"    def per_sample(self, logits, target):\n        {body}\n"
        )
        monkeypatch.setenv(registry.PATH_VARIABLE, str(root))
        registry._classes.pop(name, None)
        registry.forget()
        return file

    yield write
    for name in [n for n, c in registry._classes.items() if c.__module__ in sys.modules]:
        if registry._classes[name].__module__.startswith("lossatlas_user"):
            del registry._classes[name]


@pytest.fixture
def gated(own_loss):
    """Write the loss `gated`: cross-entropy that waits, in training, until an expression is true.

    Epochs are short then and yet none of them is over too soon, however slow the machine is.
    """

    def write(until, free_steps=0):
        own_loss(
            "gated",
            f"""import glob, os, time
        self.steps = getattr(self, "steps", 0) + torch.is_grad_enabled()
        while self.steps > {free_steps} and not ({until}):
            time.sleep(0.02)
        return torch.nn.functional.cross_entropy(logits, target, reduction="none")""",
        )

    return write


@pytest.fixture(scope="session")
def cuts(tmp_path_factory):
    """Where the runs that were cut off are kept, for the tests that need the same."""
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture
def cut(make_cfg, cuts, monkeypatch):
    """Cut a run off after its second epoch; returns its configuration and working folder."""

    def make(*overrides):
        cfg = make_cfg(*overrides)
        root, name = identity.place(config.resolve(cfg))
        folder = root / ".running" / name
        if (cuts / name).is_dir():
            shutil.copytree(cuts / name, folder)
            return cfg, folder
        whole = Journal.on_train_epoch_end

        def ends(self, trainer, module):
            whole(self, trainer, module)
            if trainer.current_epoch == 1:
                raise run.Interrupted(143)

        monkeypatch.setattr(Journal, "on_train_epoch_end", ends)
        with pytest.raises(run.Interrupted):
            run.execute(cfg)
        monkeypatch.setattr(Journal, "on_train_epoch_end", whole)
        shutil.copytree(folder, cuts / name)
        return cfg, folder

    return make
