"""The Hydra application behind `lossatlas train`: one run here, or a sweep (see `sweeper`)."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lossatlas import resources
from lossatlas.errors import UserError, tell
from lossatlas.results.store import headline
from lossatlas.terminal import printable
from lossatlas.training import arguments, query, tuned
from lossatlas.training.config import check_names, register_configs
from lossatlas.training.wording import HYDRA_ERRORS, our_words, word

register_configs()
# -m alone says which mode it is (see `arguments`); Hydra would compose everything to ask.
Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]


def task(cfg: DictConfig) -> None:
    """Make the run of `cfg` and print its outcome; exits with code 1 unless it is done."""
    from lossatlas.training.identity import doubts
    from lossatlas.training.run import NoSpace, execute

    try:
        check_names(cfg, HydraConfig.get().runtime.choices)
        with our_words():
            source = lr_source(cfg)
            loss: Any = OmegaConf.to_container(cfg.loss, throw_on_missing=True)
            for fault in doubts(loss):
                print(printable(f"lossatlas: {fault}"), file=sys.stderr)
        row = execute(cfg, source)  # type: ignore[arg-type]
    except (UserError, NoSpace) as error:  # Hydra would print a preamble of its own
        tell(error)
        sys.exit(2 if isinstance(error, UserError) else 1)
    print(describe(row))
    if row["state"] != "done":
        sys.exit(1)


def command_line(words: Sequence[str], **asked: Any) -> list[str]:
    """The command line for Hydra: options of a sweep, `sweep=FILE.yaml` and a query of losses as
    overrides of its sweeper.

    Args:
        words: what the user typed, but for the options of sweeps.
        asked: those, by the fields of `sweeper.ResumableSweeperConf`; None and False count as not
            given.

    Raises:
        UserError: a word that is wrong (see `arguments`), or an option of sweeps without -m.
    """
    options, overrides = arguments.read(words)
    file, overrides = arguments.sweep(options, overrides)
    given = {name: value for name, value in asked.items() if value not in (None, False)}
    for name in given:
        if "--multirun" not in options:
            raise UserError(f"--{name.replace('_', '-')} is for sweeps; give -m as well")
    if file is not None:
        given["file"] = str(file)
    if (losses := query.value_of(overrides)) is not None:
        if "--multirun" not in options:
            raise UserError(f"loss={losses} asks for several losses; give -m to make a run of each")
        given["losses"], overrides = losses, query.without(overrides)
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in given.items()}
    # Options first: Hydra's parser wants all overrides in one piece.
    return [*options, *overrides, *(f"hydra.sweeper.{key}={text}" for key, text in quoted.items())]


def lr_source(cfg: DictConfig) -> str:
    """Where the learning rate comes from: "tuned", the recipe's "default", or "given"."""
    raw = OmegaConf.to_container(cfg.recipe, resolve=False)
    if not str(raw["lr"]).startswith("${tuned:"):  # type: ignore[index, call-overload]
        return "given"
    known = tuned.find(tuned.cell(cfg), tuned.store_of(cfg))
    return "default" if known is None else "tuned"


def describe(row: dict[str, Any]) -> str:
    """One line on a run: its id, its state, its main number."""
    outcome = headline(row) or row.get("reason")
    seconds = f" in {row['wall_s']:.0f} s" if "wall_s" in row else ""
    return printable(f"{row['run_id']}: {row['state']}{seconds}: {outcome}")


def main(overrides: list[str]) -> None:
    """Run Hydra on `overrides`, as `command_line` gives them.

    Raises:
        UserError: no configuration can be composed of them.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"
    begun: list[DictConfig] = []

    def begin(cfg: DictConfig) -> None:
        begun.append(cfg)
        task(cfg)

    application = hydra.main(
        version_base="1.3", config_path=str(resources.folder("conf")), config_name="config"
    )(begin)
    before, sys.argv = sys.argv, ["lossatlas train", *overrides]
    HydraConfig.instance().cfg = None
    try:
        application()
    except BrokenPipeError:  # whoever reads what we print has gone
        raise
    except Exception as error:
        # Hydra raises errors of any kind over what it cannot compose; a sweeper is begun, too.
        if not isinstance(error, HYDRA_ERRORS) and (begun or HydraConfig.initialized()):
            raise
        raise UserError(word(error)) from error
    finally:
        sys.argv = before
