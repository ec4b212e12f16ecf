"""The Hydra application behind `lossatlas train`: one run, or a sweep with -m."""

import os
import sys
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lossatlas import resources
from lossatlas.errors import UserError
from lossatlas.results.store import headline
from lossatlas.training.config import chosen, register_configs

register_configs()


def task(cfg: DictConfig) -> dict[str, Any]:
    """Make the run of `cfg` and return its row; what Hydra calls, here or in a worker.

    A single run prints its outcome and ends the process with code 1 unless it is done.
    """
    from lossatlas.training.run import execute

    single = HydraConfig.get().mode == RunMode.RUN
    if not single:
        cfg.progress = False
    try:
        row = execute(cfg, lr_source(cfg))  # type: ignore[arg-type]
    except UserError as error:
        if not single:
            raise
        print(f"lossatlas: {error}", file=sys.stderr)  # Hydra would print a preamble of its own
        sys.exit(2)
    if single:
        print(describe(row))
        if row["state"] != "done":
            sys.exit(1)
    return row


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
