"""The schema of a run's configuration, and the bridge from the registry to Hydra.

Every loss becomes an option of the group `loss` with its constructor's keywords as typed fields,
so there is no YAML per loss and a misspelt keyword is refused.
"""

import inspect
from dataclasses import dataclass, field, make_dataclass
from functools import cache
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from lossatlas import resources
from lossatlas.data.scenarios import LONG_TAIL
from lossatlas.errors import UserError
from lossatlas.intervals import Interval
from lossatlas.losses import expression, registry


@dataclass
class ScenarioConf:
    name: str = MISSING
    probability: float = 0.0  # share of labels affected
    imbalance: float | None = None  # long_tail only: largest class by smallest


@dataclass
class DataConf:
    name: str = MISSING
    n_train: int = 0  # of synthetic images; the size of CIFAR-10 is what it is
    n_test: int = 0


@dataclass
class ModelConf:
    name: str = MISSING
    arch: str = MISSING
    widths: list[int] = MISSING
    head_scale: float = 1.0
    stem_kernel: int = 0  # from here on: the whitening stem, airnet only
    stem_stride: int = 1
    stem_pad: int = 0
    directions: int = 0
    pools: list[bool] = field(default_factory=list)
    projector_width: int = 256
    projector_dim: int = 128


@dataclass
class RecipeConf:
    name: str = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    lr: float = MISSING
    momentum: float = MISSING
    weight_decay: float = MISSING
    norm_lr_factor: float = 1.0
    warmup: float = MISSING  # share of the steps
    lr_start: float = MISSING  # multiplier at the first step
    lr_end: float = MISSING  # multiplier after the last step
    precision: str = "32-true"  # on a GPU; a CPU always computes in float32
    train_limit: int | None = None  # train on that many images only
    test_limit: int | None = None


@dataclass
class LoggerConf:
    name: str = "none"
    project: str = "lossatlas"


@dataclass
class LauncherConf:
    name: str = "local"
    workers: int | None = None  # how many at once; null: as many as fit
    partition: str | None = None  # from here on: slurm only
    timeout_min: int = 60
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: float | None = None
    signal_delay_s: int = 90
    max_num_timeout: int = 0
    setup: list[str] = field(default_factory=list)
    additional_parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class SumConf:
    name: str = registry.SUM
    terms: str = MISSING  # nce + 0.1 * rce


@dataclass
class Config:
    loss: Any = MISSING
    scenario: ScenarioConf = field(default_factory=ScenarioConf)
    data: DataConf = field(default_factory=DataConf)
    model: ModelConf = field(default_factory=ModelConf)
    recipe: RecipeConf = field(default_factory=RecipeConf)
    logger: LoggerConf = field(default_factory=LoggerConf)
    launcher: LauncherConf = field(default_factory=LauncherConf)
    seed: int = 0
    holdout: int = 0  # training images held out for selection; the test set then stays untouched
    threads: int = 1
    accelerator: str = "auto"
    runs: str | None = None
    progress: bool = True


BOUNDS = {
    "scenario.probability": "[0, 1]",
    "scenario.imbalance": "[1, inf)",
    "recipe.epochs": "[1, inf)",
    "recipe.batch_size": "[2, inf)",
    "recipe.lr": "(0, inf)",
    "recipe.momentum": "(0, 1)",
    "recipe.weight_decay": "[0, inf)",
    "recipe.warmup": "(0, 1)",
    "holdout": "[0, inf)",
    "threads": "[1, inf)",
    "launcher.workers": "[1, inf)",
    "launcher.timeout_min": "[1, inf)",
    "seed": "[0, inf)",
}


def resolve(cfg: Any) -> dict[str, Any]:
    """The configuration as plain data; raises UserError for a value that is missing or illegal.

    A sum of losses is spelt in one way, so that its spelling makes no other experiment.
    """
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"configuration: {error.full_key} needs a value") from None
    assert isinstance(config, dict)
    scenario = config["scenario"]
    for key, interval in BOUNDS.items():
        value = OmegaConf.select(cfg, key)
        if key == "scenario.imbalance" and scenario["name"] != LONG_TAIL:
            if value is not None:
                raise UserError(f"{key} is for {LONG_TAIL} only, not for {scenario['name']}")
        elif value is None and key == "launcher.workers":
            continue  # as many as fit
        elif value not in Interval.parse(interval):
            raise UserError(f"{key} must be a number in {interval}, not {value!r}")
    loss = config["loss"]
    if loss["name"] == registry.SUM:
        loss["terms"] = expression.write(expression.parse(loss["terms"]))
    return config  # type: ignore[return-value]


def register_configs() -> None:
    """Put the schema, a node for each registered loss and one for sums into Hydra's ConfigStore."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name in registry.index():
        store.store(group="loss", name=name, node=loss_node(name))
    store.store(group="loss", name=registry.SUM, node=SumConf)
    OmegaConf.register_new_resolver("tuned", tuned, replace=True)


def loss_node(name: str) -> type:
    """A dataclass with the loss's name and the typed keywords of its constructor."""
    cls = registry.get_class(name)
    fields: list[Any] = [("name", str, name)]
    for key, parameter in inspect.signature(cls).parameters.items():
        kind = parameter.annotation if parameter.annotation in (int, float, bool, str) else Any
        default = MISSING if parameter.default is parameter.empty else parameter.default
        fields.append((key, kind, default))
    return make_dataclass(cls.__name__, fields)


def tuned(what: str, recipe: str, scenario: str, loss: str, default: float) -> float:
    """The value that `lossatlas tune` chose for this loss, else `default`."""
    if what != "lr":
        raise ValueError(f"only lr is tuned, not {what!r}")
    return float(chosen(recipe).get(scenario, {}).get(loss, default))


@cache
def chosen(recipe: str) -> dict[str, dict[str, float]]:
    """scenario -> loss -> learning rate, from `conf/tuned/<recipe>.yaml`; empty without a table."""
    path = resources.tuned_table(recipe)
    return yaml.safe_load(path.read_text())["chosen"] if path.is_file() else {}
