"""Which loss a configuration names, and where its run belongs: all that planning needs of runs.

It stays apart from `run`, which imports what trains, so that a plan is there a few seconds sooner.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lossatlas.errors import UserError
from lossatlas.losses import expression, registry, source
from lossatlas.losses.base import Loss
from lossatlas.names import folder, label
from lossatlas.results import store
from lossatlas.results.table import DIGITS
from lossatlas.training import provide, teacher
from lossatlas.training.config import Config, node


def place(config: dict[str, Any], loss: Loss | None = None) -> tuple[Path, str]:
    """The run store and the run's id of a resolved configuration; `loss`, if it is built already.

    The id depends on the code of the loss and of its parts: an edited loss is another experiment.

    Raises:
        UserError: there is no such loss, it requires what no runner provides, or there can be no
            run store.
    """
    root = folder(Path(config["runs"] or store.runs_dir()), "runs")
    loss = loss or build_loss(config["loss"])
    check_wanted(config, loss)
    return root, run_id(config, source.digest(loss))


def ground(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row that runs share which are compared with each other."""
    return {
        "scenario": config["scenario"]["name"],
        **{f"scenario.{k}": v for k, v in config["scenario"].items() if k != "name"},
        "recipe": config["recipe"]["name"],
        "model": label(config["model"]),
        "data": label(config["data"]),
    }


def doubts(conf: dict[str, Any]) -> list[str]:
    """What is not as the cards say of the losses that a group `loss` names, a sentence each."""
    name, wrapped = conf["name"], conf.get(expression.WRAPPED)
    names = expression.ids(conf["terms"]) if name == registry.SUM else [name]
    names += expression.ids(wrapped) if isinstance(wrapped, str) else []
    return [fault for one in names for fault in registry.doubts(one)]


def check_wanted(config: dict[str, Any], loss: Loss) -> None:
    """Raise UserError unless a configuration names what its loss learns from beside the batch."""
    teacher.check_named(config, loss)
    left = config["recipe"]["train_limit"] is not None
    provide.check_left(config["loss"]["name"], loss, left)


def run_id(config: dict[str, Any], source_digest: str) -> str:
    """`<loss>-<scenario>-<recipe>-s<seed>-<12 hex digits>` of a resolved configuration.

    The digits are a digest of the loss's code and of what the configuration says beyond the
    schema's defaults. So a new field moves no id, as long as its default is what was done before
    there was the field, and a default is never changed: the old ids would name other experiments.
    """
    text = json.dumps([_chosen(config), source_digest], sort_keys=True, separators=(",", ":"))
    tail = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    names = (config[group]["name"] for group in ("loss", "scenario", "recipe"))
    return "-".join([*names, f"s{config['seed']}", tail])


def _chosen(config: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration makes another experiment: names, and values that are no default."""
    values = {key: value for key, value in config.items() if key not in store.VOLATILE}
    values["data"] = {k: v for k, v in config["data"].items() if f"data.{k}" not in store.VOLATILE}
    groups = {key: value for key, value in values.items() if isinstance(value, dict)}
    defaults = {key: asdict(node(key, value)()) for key, value in groups.items()}
    return _differing(values, asdict(Config()) | defaults)


def _differing(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        usual = defaults.get(key)
        if isinstance(value, dict) and isinstance(usual, dict):
            if inner := _differing(value, usual):
                found[key] = inner
        elif key == "name" or key not in defaults or value != usual:
            found[key] = value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0
    return found


def build_loss(conf: dict[str, Any]) -> Loss:
    """The loss of a configuration; raises UserError for what no runner provides yet."""
    loss = registry.from_config(conf)
    if missing := provide.lacking(loss):
        raise UserError(
            f"loss {conf['name']!r} requires {', '.join(missing)}, "
            "which the runner does not provide yet"
        )
    if not loss.kind.on_embeddings:
        learned = [
            f"{place}.{key}".lstrip(".")
            for place, part in loss.named_modules()
            for key, weight in part.named_parameters(recurse=False)
            if weight.requires_grad and key not in getattr(part, "owns", ())
        ]
        if learned:
            raise UserError(
                f"loss {conf['name']!r} learns weights of its own ({', '.join(learned)}), but runs "
                "judge the logits that a loss is given, not what it makes of them; use "
                "hyperparameters or buffers, or an EmbeddingLoss, whose features are judged; a "
                "weight that is no part of the classifier is named in the class attribute 'owns'"
            )
    return loss
