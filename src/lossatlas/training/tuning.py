"""The table of tuned learning rates, made from the rows of a tuning sweep."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from lossatlas import resources, yamls
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.results import files, store
from lossatlas.training.search import RATE, choose

HEADER = """\
# Learning rates chosen by `lossatlas tune`: the same grid for every loss, selected on held-out
# training images, never on the test set. Read by ${tuned:...} in conf/recipe/. Do not edit.
"""


def write_table(runs: Path | None = None, ids: Collection[str] | None = None) -> Path:
    """Write `conf/tuned/<recipe>.yaml` from the tuning runs (holdout > 0) of the store.

    Of those only the runs `ids` count, if given: others may belong to a search.

    What the table held of other losses stays, if it came from the same grid and protocol.
    Chosen is the smallest rate among the nearly best: held-out images cannot tell those apart, and
    the smaller rate is the safer one. A diverged run scores nothing.

    Raises:
        UserError: there are no finished tuning runs, they do not cover one grid for every loss,
            or they do not fit the table that is there.
    """
    table = store.table(runs)
    if ids is not None:
        table = table[table["run_id"].isin(list(ids))]
    table = table[(table["holdout"] > 0) & table["state"].isin(["done", "diverged"])]
    table = table[table["loss"] != registry.SUM]  # one name for many losses
    if table.empty:
        raise UserError(
            "there are no finished tuning runs to make a table of (sums of losses have no row in "
            "it; give them recipe.lr)"
        )
    for field in ("recipe", "epochs", "holdout", "seed"):
        if table[field].nunique() > 1:
            found = ", ".join(str(value) for value in sorted(set(table[field])))
            raise UserError(f"tuning runs differ in {field}: {found}; keep those of one sweep")
    first = table.iloc[0]
    grid = sorted({float(rate) for rate in table["lr"]})
    rows: list[dict[str, Any]] = []
    for (scenario, loss), group in table.sort_values("lr").groupby(["scenario", "loss"], sort=True):
        if list(group["lr"]) != grid:
            tried = ", ".join(f"{lr:g}" for lr in group["lr"])
            raise UserError(f"tuning of {loss} in {scenario} tried lr {tried}, not {grid}")
        for row in group.to_dict("records"):
            score = None if row["score"] != row["score"] else round(float(row["score"]), 4)
            cell = {"loss": loss, "scenario": scenario, "lr": float(row["lr"])}
            rows.append(cell | {"score": score, "state": row["state"]})
    document: dict[str, Any] = {
        "recipe": str(first["recipe"]),
        "protocol": (
            f"epochs {int(first['epochs'])} on all training images but {int(first['holdout']):,},"
            " scored on those: share whose predicted class is in the support of their label, or"
            " kNN accuracy for embeddings; chosen is the smallest rate within one standard error"
            f" of the best; seed {int(first['seed'])}"
        ),
        "grid": grid,
    }
    path = resources.tuned_table(document["recipe"])
    rows = _merge(path, document, rows)
    document |= {"rows": rows, "chosen": _choose(rows, int(first["holdout"]))}
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + yaml.safe_dump(document, sort_keys=False, default_flow_style=None))
    return path


def _merge(
    path: Path, document: dict[str, Any], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The new rows and those of other losses that the table at `path` already holds."""
    if not path.is_file():
        return rows
    old = files.fitting(yamls.read(path), files.TuningTable, str(path))
    new = {(row["scenario"], row["loss"]) for row in rows}
    others = [row for row in old["rows"] if (row["scenario"], row["loss"]) not in new]
    for field in ("grid", "protocol") if others else ():
        if old[field] != document[field]:
            raise UserError(
                f"{path}: field {field!r} is {old[field]!r}, but these runs have "
                f"{document[field]!r}; tune every loss anew, or delete the table"
            )
    return sorted([*others, *rows], key=lambda r: (r["scenario"], r["loss"], r["lr"]))


def _choose(rows: list[dict[str, Any]], holdout: int) -> dict[str, dict[str, float]]:
    """The rate of each loss in each scenario, as a search of the rate alone chooses it.

    A loss of which every run diverged has none, and keeps that of its recipe.
    """
    tried: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        tried.setdefault((row["scenario"], row["loss"]), []).append(row)
    chosen: dict[str, dict[str, float]] = {}
    for (scenario, loss), group in tried.items():
        scores = [row.get("score") for row in group]
        if kept := choose([], [{RATE: row["lr"]} for row in group], scores, holdout):
            chosen.setdefault(scenario, {})[loss] = kept[RATE]
    return chosen
