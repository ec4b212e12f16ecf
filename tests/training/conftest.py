import sys

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from lossatlas import resources
from lossatlas.losses import registry
from lossatlas.training import config, identity, run
from lossatlas.training.journal import Journal


@pytest.fixture
def make_cfg(tmp_path, monkeypatch):
    """Compose a tiny run: synthetic data, seconds, its store under tmp_path."""
    monkeypatch.setenv("LOSSATLAS_RUNS", str(tmp_path / "runs"))

    def make(*overrides):
        config.register_configs()
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
            return hydra.compose(
                "config",
                [
                    "data=synthetic",
                    "recipe=smoke",
                    "recipe.batch_size=64",
                    "model.widths=[8,8,8]",
                    "progress=false",
                    *overrides,
                ],
            )

    return make


@pytest.fixture
def compose():
    """Compose the configuration of some overrides, of CIFAR-10 unless they say otherwise."""

    def make(*overrides):
        config.register_configs()
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
            return hydra.compose("config", list(overrides))

    return make


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
def cut(make_cfg, monkeypatch):
    """Cut a run off after its second epoch; returns its configuration and working folder."""

    def make(*overrides):
        cfg = make_cfg(*overrides)
        whole = Journal.on_train_epoch_end

        def ends(self, trainer, module):
            whole(self, trainer, module)
            if trainer.current_epoch == 1:
                raise run.Interrupted(143)

        monkeypatch.setattr(Journal, "on_train_epoch_end", ends)
        with pytest.raises(run.Interrupted):
            run.execute(cfg)
        monkeypatch.setattr(Journal, "on_train_epoch_end", whole)
        root, name = identity.place(config.resolve(cfg))
        return cfg, root / ".running" / name

    return make
