"""The table of tuned learning rates, made from the rows of a tuning sweep."""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from lossatlas import resources, results
from lossatlas.errors import UserError
from lossatlas.losses import registry

HEADER = """\
# Learning rates chosen by `lossatlas tune`: the same grid for every loss, selected on held-out
# training images, never on the test set. Read by ${tuned:...} in conf/recipe/. Do not edit.
"""


def write_table(runs: Path | None = None) -> Path:
    """Write `conf/tuned/<recipe>.yaml` from the tuning runs (holdout > 0) of the store.

    What the table held of other losses stays, if it came from the same grid and protocol.
    Chosen is the smallest rate whose score lies within one binomial standard error of the best
    (the one-standard-error rule): held-out images cannot tell apart what is closer, and the
    smaller rate is the safer one. A diverged run scores nothing.

    Raises:
        UserError: there are no finished tuning runs, they do not cover one grid for every loss,
            or they do not fit the table that is there.
    """
    table = results.load(runs)
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
            raise UserError(f"tuning runs differ in {field}: {found}; keep those of one study")
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
    old = yaml.safe_load(path.read_text())
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
    scores: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        scores[row["scenario"], row["loss"]].append((row["lr"], row["score"] or 0.0))
    chosen: dict[str, dict[str, float]] = defaultdict(dict)
    for (scenario, loss), tried in scores.items():
        top = max(score for _, score in tried)
        error = math.sqrt(top * (1 - top) / holdout)
        chosen[scenario][loss] = min(lr for lr, score in tried if score >= top - error)
    return dict(chosen)
