"""The lines by which a card's page uses its loss run, and a run is composed of its command."""

import shlex
from collections.abc import Iterator

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from lossatlas import resources
from lossatlas.losses import registry
from lossatlas.report import usage
from lossatlas.training import config, fit, identity


@pytest.mark.parametrize("name", registry.list_losses())
def test_the_python_runs_and_gives_a_gradient(name: str) -> None:
    said: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(usage.python(registry.get_card(name)), said)
    assert said["value"].isfinite()
    gradient = said["inputs"].grad
    assert gradient is not None
    assert gradient.isfinite().all()


def kind(name: str) -> tuple[str, ...]:
    """What the form of a loss's command depends on."""
    card = registry.get_card(name)
    return card.target, *(
        word for word in card.requires if word in ("transition", "teacher_logits")
    )


@pytest.fixture(scope="module")
def composer() -> Iterator[None]:
    config.register_configs()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        yield


def overrides(name: str) -> list[str]:
    before, after = usage.command(registry.get_card(name)).split("lossatlas train ")
    assert not before
    return shlex.split(after, comments=True)


@pytest.mark.parametrize("name", registry.list_losses())
def test_the_command_is_of_fields_that_the_loss_has(name: str) -> None:
    first, *others = overrides(name)
    assert first == f"loss={name}"
    fields = [text.removeprefix("loss.") for text in others if text.startswith("loss.")]
    node = OmegaConf.structured(config.loss_node(name))
    registry.from_config(OmegaConf.merge(node, OmegaConf.from_dotlist(fields)))  # type: ignore[arg-type]


@pytest.mark.usefixtures("composer")
@pytest.mark.parametrize("name", {kind(name): name for name in registry.list_losses()}.values())
def test_the_command_composes_a_run_that_can_be_made(name: str) -> None:
    """One loss of each kind: composing takes a fifth of a second."""
    resolved = config.resolve(hydra.compose("config", overrides(name)))
    loss = registry.from_config(resolved["loss"])
    identity.check_wanted(resolved, loss)
    assert fit.cannot(resolved, loss.target) is None
    assert fit.needless(resolved, loss.target) is None
