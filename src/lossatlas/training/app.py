"""The Hydra application behind `lossatlas train`: one run here, or a sweep (see `sweeper`)."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.results.store import headline
from lossatlas.training.config import chosen, register_configs

register_configs()
MULTIRUN = ("-m", "--multirun")


def task(cfg: DictConfig) -> None:
    """Make the run of `cfg` and print its outcome; exits with code 1 unless it is done."""
    from lossatlas.training.run import NoSpace, execute

    try:
        row = execute(cfg, lr_source(cfg))  # type: ignore[arg-type]
    except (UserError, NoSpace) as error:  # Hydra would print a preamble of its own
        print(f"lossatlas: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError) else 1)
    print(describe(row))
    if row["state"] != "done":
        sys.exit(1)


def with_options(
    arguments: list[str], plan: bool, retry: str | None, only: str | None, since: str | None
) -> list[str]:
    """The command line for Hydra: options of a sweep, and `sweep=FILE.yaml`, as its overrides.

    Raises:
        UserError: an option of sweeps without -m.
    """
    files = [text for text in arguments if re.fullmatch(r"sweep=.+\.ya?ml", text)]
    given = {
        "plan": plan, "retry": retry and retry.split(","), "only": only, "since": since,
        "file": files and str(Path(files[-1].removeprefix("sweep=")).expanduser()),
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value}
    if options and not set(MULTIRUN) & set(arguments):
        name = next(iter(options))
        what = files[-1] if name == "file" else f"--{name}"
        raise UserError(f"{what} is for sweeps; give -m as well")
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in options.items()}
    # -m first: Hydra's parser wants all overrides in one piece
    rest = sorted((a for a in arguments if a not in files), key=lambda a: a not in MULTIRUN)
    return [*rest, *(f"hydra.sweeper.{name}={value}" for name, value in quoted.items())]


def lr_source(cfg: DictConfig) -> str:
    """Where the learning rate comes from: "tuned", the recipe's "default", or "given"."""
    raw = OmegaConf.to_container(cfg.recipe, resolve=False)
    if not str(raw["lr"]).startswith("${tuned:"):  # type: ignore[index, call-overload]
        return "given"
    known = cfg.loss.name in chosen(cfg.recipe.name).get(cfg.scenario.name, {})
    return "tuned" if known else "default"


def describe(row: dict[str, Any]) -> str:
    """One line on a run: its id, its state, its main number."""
    outcome = headline(row) if row["state"] == "done" else row.get("reason")
    seconds = f" in {row['wall_s']:.0f} s" if "wall_s" in row else ""
    return f"{row['run_id']}: {row['state']}{seconds}: {outcome}"


def main(overrides: list[str]) -> None:
    """Run Hydra on `overrides`; its exceptions come through as they are, to be worded elsewhere."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    application = hydra.main(
        version_base="1.3", config_path=str(resources.folder("conf")), config_name="config"
    )(task)
    before, sys.argv = sys.argv, ["lossatlas train", *overrides]
    try:
        application()
    finally:
        sys.argv = before
