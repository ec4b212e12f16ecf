"""Which loss a configuration names, and where its run belongs: all that planning needs of runs.

It stays apart from `run`, which imports what trains, so that a plan is there a few seconds sooner.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from lossatlas.cards import EMBEDDING_TARGETS
from lossatlas.errors import UserError
from lossatlas.losses import registry, source
from lossatlas.losses.base import Loss
from lossatlas.names import folder
from lossatlas.results import store
from lossatlas.training import provide, teacher


def place(config: dict[str, Any], loss: Loss | None = None) -> tuple[Path, str]:
    """The run store and the run's id of a resolved configuration; `loss`, if it is built already.

    The id depends on the source of the loss and of its parts: an edited loss is another experiment.

    Raises:
        UserError: there is no such loss, it requires what no runner provides, or there can be no
            run store.
    """
    root = folder(Path(config["runs"] or store.runs_dir()), "runs")
    loss = loss or build_loss(config["loss"])
    teacher.check_named(config, loss)
    sources = registry.sources(loss)
    return root, store.run_id(config, registry.digest(*sources))


def outdated(made: Iterable[tuple[dict[str, Any], Mapping[str, Any]]]) -> list[str]:
    """What finished runs do not show of later edits, a sentence each file.

    Args:
        made: the group `loss` of each run's configuration, and its row.
    """
    sources: dict[str, list[Path]] = {}
    runs: Counter[Path] = Counter()
    for conf, row in made:
        if (key := str(conf)) not in sources:
            sources[key] = source.helpers(registry.sources(build_loss(conf)))
        started = row.get("started")
        if isinstance(started, Real):
            runs.update(file for file in sources[key] if file.stat().st_mtime > float(started))
    return [
        f"{file} is newer than {n} finished run{'s' * (n > 1)} of losses that import it; ids do "
        "not cover it, so delete the runs' folders to make them again"
        for file, n in runs.items()
    ]


def build_loss(conf: dict[str, Any]) -> Loss:
    """The loss of a configuration; raises UserError for what no runner provides yet."""
    hyperparameters = {key: value for key, value in conf.items() if key != "name"}
    if conf["name"] == registry.SUM:
        loss = registry.get_loss(conf["terms"])
    else:
        loss = registry.get_loss(conf["name"], **hyperparameters)
    if missing := provide.lacking(loss):
        raise UserError(
            f"loss {conf['name']!r} requires {', '.join(missing)}, "
            "which the runner does not provide yet"
        )
    if loss.target not in EMBEDDING_TARGETS:
        learned = [
            key
            for part in loss.modules()
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
