"""The schema of a run's configuration, and the bridge from losses and scenarios to Hydra.

Every loss becomes an option of the group `loss` with its constructor's keywords as typed fields,
every scenario one of the group `scenario` with its parameters, so there is no YAML for any of them
and a misspelt keyword is refused.
"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from functools import cached_property
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import MISSING, OmegaConf

from lossatlas.data import scenarios, sets
from lossatlas.data.augment import SIDE
from lossatlas.errors import UserError
from lossatlas.legal import (
    check,
    choice,
    file_name,
    is_digest,
    is_line,
    is_name,
    is_truth,
    is_word,
    legal_if,
    number,
    numbers,
)
from lossatlas.losses import expression, registry
from lossatlas.losses.annotations import FLAGS
from lossatlas.models import own
from lossatlas.names import short
from lossatlas.training import tuned
from lossatlas.training.arguments import GROUPS
from lossatlas.training.wording import our_words

ARCHS = ("airnet", "resnet18")
HEAD = ("head_scale", "projector_width", "projector_dim")  # what stands on any network
AIRNET = ("arch", "airnet")
SLURM = ("name", "slurm")
CIFAR10_TRAIN = 50_000  # images
KEPT = 10_000  # training images, not augmented, whose outputs go into the evaluation bundle

# The id of a run hashes what differs from the defaults below. A new field may be added: its default
# is what was done before there was the field. A default is never changed, for the ids of runs that
# were made with it would name another experiment.


@dataclass
class ModelConf:
    name: str = file_name()
    arch: str = legal_if(
        f"one of {', '.join(ARCHS)} or like package.module:function",
        lambda value: value in ARCHS or own.is_own(value),
    )
    widths: list[int] = numbers("[1, 1024]", "[1, 8]", [], only=("arch", *ARCHS))
    head_scale: float = number("(0, 1000]", 1.0)
    stem_kernel: int = number("[1, 7]", 0, only=AIRNET)  # from here on: the whitening stem
    stem_stride: int = number("[1, 32]", 1, only=AIRNET)
    stem_pad: int = number("[0, 6]", 0, only=AIRNET)
    directions: int = number("[1, 147]", 0, only=AIRNET)
    pools: list[Any] = legal_if(
        "a list of true and false, one for each of model.widths",
        lambda value: isinstance(value, list) and all(map(is_truth, value)),
        [], only=AIRNET,
    )  # fmt: skip
    projector_width: int = number("[1, 8192]", 256)
    projector_dim: int = number("[1, 8192]", 128)
    digest: str | None = legal_if("16 hexadecimal digits", is_digest, None)  # of a user's own


@dataclass
class RecipeConf:
    name: str = file_name()
    epochs: int = number("[1, 10000]")
    batch_size: int = number("[2, 16384]")
    lr: float = number("(0, 1e30]")
    momentum: float = number("(0, 1)")
    weight_decay: float = number("[0, 1000]")
    norm_lr_factor: float = number("[0.001, 1000]", 1.0)
    warmup: float = number("(0, 1)")  # share of the steps
    lr_start: float = number("[0, 1]")  # multiplier at the first step
    lr_end: float = number("[0, 1]")  # multiplier after the last step
    precision: str = choice(  # a CPU has 32-true, or bf16-mixed if made for it
        "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", default="32-true"
    )
    train_limit: int | None = number("[2, 1000000]", None)  # train on that many images only
    test_limit: int | None = number("[1, 1000000]", None)


@dataclass
class LoggerConf:
    name: str = choice("none", "wandb", "tensorboard", default="none")
    project: str = file_name("lossatlas", only=("name", "wandb"))


@dataclass
class LauncherConf:
    name: str = choice("local", "slurm", default="local")
    workers: int | None = number("[1, 1024]", None)  # how many at once; null: as many as fit
    partition: str | None = legal_if("a word", is_word, None, only=SLURM)  # from here on: slurm
    timeout_min: int = number("[1, 525600]", 60, only=SLURM)
    cpus_per_task: int | None = number("[1, 1024]", None, only=SLURM)
    gpus_per_node: int | None = number("[0, 64]", None, only=SLURM)
    mem_gb: float | None = number("[0.1, 1e5]", None, only=SLURM)
    signal_delay_s: int = number("[1, 86400]", 90, only=SLURM)
    max_num_timeout: int = number("[0, 1e6]", 0, only=SLURM)
    setup: list[str] = legal_if(
        "a list of lines for a shell",
        lambda value: isinstance(value, list) and all(map(is_line, value)),
        [], only=SLURM,
    )  # fmt: skip
    additional_parameters: dict[str, Any] = legal_if(
        "a mapping of words to words, numbers, true or false",
        lambda value: isinstance(value, dict)
        and all(is_word(key) and is_word(str(item)) for key, item in value.items()),
        {}, only=SLURM,
    )  # fmt: skip


@dataclass
class SumConf:
    name: str = registry.SUM
    terms: str = MISSING  # nce + 0.1 * rce


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


@dataclass
class Config:  # what a loss, a scenario or a data set has for fields, its own schema says
    loss: Any = legal_if("a loss (`lossatlas list` shows all)", _is_named)
    scenario: Any = legal_if("a scenario with its parameters", _is_named)
    data: Any = legal_if(f"one of {', '.join(sets.SCHEMAS)} with its fields", _is_named)
    model: ModelConf = field(default_factory=ModelConf)
    recipe: RecipeConf = field(default_factory=RecipeConf)
    logger: LoggerConf = field(default_factory=LoggerConf)
    launcher: LauncherConf = field(default_factory=LauncherConf)
    seed: int = number("[0, 9007199254740992]", 0)  # what a float holds: tables have it as one
    holdout: int = number("[0, 999998]", 0)  # images to select on; then no test image is looked at
    teacher: str | None = legal_if("the id of a finished run", is_name, None)  # whose logits
    keep_train: int = number("[1, 1000000]", KEPT)  # training images whose outputs the bundle holds
    threads: int = number("[1, 1024]", 1)
    accelerator: str = choice("auto", "cpu", "gpu", default="auto")
    runs: str | None = legal_if("the path of a folder", is_line, None)
    progress: Any = legal_if("true or false", is_truth, True)


def resolve(cfg: Any) -> dict[str, Any]:
    """The configuration as plain data; raises UserError for a value that is missing or illegal.

    An expression is spelt in one way, so that how it was typed makes no other experiment.
    """
    with our_words():
        config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    if _is_named(model := config.get("model")) and own.is_own(model.get("arch")):
        config["model"] = _own(model)
    elif _is_named(model) and model.get("digest") is not None:
        raise UserError("model.digest is for a network of one's own only, package.module:function")
    check(Config, config)
    config["data"] = sets.completed(config["data"])
    scenarios.check(config["scenario"], sets.classes(config["data"]), config["data"]["name"])
    _check_images(config)
    if config["model"]["arch"] == "airnet":
        _check_airnet(config["model"])
    loss = config["loss"]
    key = "terms" if loss["name"] == registry.SUM else expression.WRAPPED
    if isinstance(text := loss.get(key), str):
        loss[key] = expression.write(expression.parse(text))
    return config


def check_names(cfg: Any, choices: Mapping[str, Any]) -> None:
    """Raise UserError unless each group has the name of what was chosen: rows are labelled by it.

    `choices` are Hydra's, of the groups' options.
    """
    for group in GROUPS:
        chosen = str(choices.get(group)).rpartition("/")[2].removesuffix(".yaml")
        with our_words():
            name = OmegaConf.select(cfg, f"{group}.name")
        if name != chosen:
            raise UserError(
                f"{group}.name must be {chosen!r}, the {group} that was chosen, not "
                f"{short(name)}; choose another one with {group}=NAME"
            )


def images(config: dict[str, Any]) -> int:
    """How many training images a resolved configuration has before any is held out."""
    known: int = config["data"].get("n_train", CIFAR10_TRAIN)
    return known


def _check_images(config: dict[str, Any]) -> None:
    held, recipe, n = config["holdout"], config["recipe"], images(config)
    if held >= n:
        raise UserError(f"holdout must be less than the {n} training images there are, not {held}")
    left = min(n - held, recipe["train_limit"] or n)
    if left < recipe["batch_size"]:
        raise UserError(
            f"recipe.batch_size is {recipe['batch_size']}, but only {left} training images are left"
            f" (data {config['data']['name']}, holdout {held})"
        )


def _own(model: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a user's own network: its name and digest, and what stands on it."""
    arch = model["arch"]
    digest = own.digest(arch)
    if model.get("digest") not in (None, digest):
        raise UserError(f"model.digest is {model['digest']}, but of {arch} it is now {digest}")
    head = {key: model[key] for key in HEAD if key in model}
    return asdict(ModelConf(arch.partition(":")[2], arch, digest=digest, **head))


def _check_airnet(model: dict[str, Any]) -> None:
    """Raise UserError for a net that cannot be built."""
    kernel, pad, widths = model["stem_kernel"], model["stem_pad"], model["widths"]
    if pad >= kernel:
        raise UserError(f"model.stem_pad must be less than model.stem_kernel {kernel}, not {pad}")
    if model["directions"] > 3 * kernel**2:
        raise UserError(
            f"model.directions must be at most {3 * kernel**2}, the size of a patch "
            f"(model.stem_kernel {kernel}, three channels), not {model['directions']}"
        )
    if len(model["pools"]) != len(widths):
        raise UserError(
            f"model.pools has {len(model['pools'])} values, but model.widths {len(widths)}"
        )
    side = (SIDE + 2 * pad - kernel) // model["stem_stride"] + 1
    if side >> sum(model["pools"]) < 1:
        raise UserError(
            f"model.pools halves {sum(model['pools'])} times a map of {side} by {side}; pool less "
            "often, or lower model.stem_stride"
        )


def register_configs() -> None:
    """Put the schema, and nodes for data, scenarios, losses and sums, into Hydra's ConfigStore."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name, schema in sets.SCHEMAS.items():
        store.store(group="data", name=name, node=schema)
    store.repo["scenario"] = {}
    for name in scenarios.names():
        store.store(group="scenario", name=name, node=scenarios.schema(name))
    # No file of a loss is read here: a broken one is told to whoever names it.
    usable = [entry.id for entry in registry.index().values() if entry.fault is None]
    store.repo["loss"] = {f"{name}.yaml": LossNode(name) for name in usable}
    store.store(group="loss", name=registry.SUM, node=SumConf)
    OmegaConf.register_new_resolver("tuned", tuned.default, replace=True)


class LossNode(ConfigNode):
    """An option of the group `loss`, whose file is imported only when a configuration names it."""

    def __init__(self, name: str):
        self.name, self.group, self.package, self.provider = f"{name}.yaml", "loss", None, None

    def __deepcopy__(self, _: Any) -> "LossNode":
        return self  # Hydra copies the whole store for each composition, and changes nothing in it

    @cached_property
    def node(self) -> Any:  # type: ignore[override]
        """See `loss_node`; made once."""
        return OmegaConf.structured(loss_node(self.name.removesuffix(".yaml")))


def loss_node(name: str) -> type:
    """A dataclass with the loss's name and the typed keywords of its constructor.

    Raises:
        UserError: there is no such loss, or its file cannot be used.
    """
    fields: list[Any] = [("name", str, name)]
    for key, (kind, default) in registry.hyperparameters(name).items():
        if kind in FLAGS:  # OmegaConf makes True of 7; building the loss refuses it
            kind = Any
        fields.append((key, kind, MISSING if default is inspect.Parameter.empty else default))
    return make_dataclass(name, fields)


def node(group: str, chosen: Mapping[str, Any]) -> type:
    """The schema of what was chosen of a group of the configuration, a dataclass.

    Raises:
        UserError: a loss or scenario that is not there, or whose file cannot be used.
    """
    if group == "loss":
        return SumConf if chosen["name"] == registry.SUM else loss_node(chosen["name"])
    if group == "scenario":
        return scenarios.schema(chosen["name"])
    if group == "data":
        kind: type = sets.SCHEMAS[chosen["name"]]
        return kind
    return next(each.type for each in fields(Config) if each.name == group)  # type: ignore[return-value]
