"""The table of tuned learning rates, made from the rows of a tuning sweep."""

import math
from pathlib import Path
from typing import Any

import yaml

from lossatlas import resources, results
from lossatlas.errors import UserError

HEADER = """\
# Learning rates chosen by `lossatlas tune`: the same grid for every loss, selected on held-out
# training images, never on the test set. Read by ${tuned:...} in conf/recipe/. Do not edit.
"""


def write_table(runs: Path | None = None) -> Path:
    """Write `conf/tuned/<recipe>.yaml` from the tuning runs (holdout > 0) of the store.

    Chosen is the smallest rate whose score lies within one binomial standard error of the best
    (the one-standard-error rule): held-out images cannot tell apart what is closer, and the
    smaller rate is the safer one. A diverged run scores nothing.

    Raises:
        UserError: there are no finished tuning runs, or not all of one (loss, scenario) grid.
    """
    table = results.load(runs)
    table = table[(table["holdout"] > 0) & table["state"].isin(["done", "diverged"])]
    if table.empty:
        raise UserError("there are no finished tuning runs to make a table of")
    if table["recipe"].nunique() > 1:
        raise UserError(
            f"tuning runs of several recipes: {', '.join(sorted(set(table['recipe'])))}"
        )
    recipe, first = str(table["recipe"].iloc[0]), table.iloc[0]
    grid = sorted({float(rate) for rate in table["lr"]})
    rows: list[dict[str, Any]] = []
    chosen: dict[str, dict[str, float]] = {}
    for (scenario, loss), group in table.sort_values("lr").groupby(["scenario", "loss"], sort=True):
        missing = set(grid) - set(group["lr"])
        if missing:
            raise UserError(f"tuning of {loss} in {scenario} lacks lr {sorted(missing)}")
        for row in group.to_dict("records"):
            score = None if row["score"] != row["score"] else round(float(row["score"]), 4)
            cell = {"loss": loss, "scenario": scenario, "lr": float(row["lr"])}
            rows.append(cell | {"score": score, "state": row["state"]})
        scored = [(r["score"] or 0.0, r["lr"]) for r in rows[-len(group) :]]
        top = max(score for score, _ in scored)
        error = math.sqrt(top * (1 - top) / int(first["holdout"]))
        chosen.setdefault(scenario, {})[loss] = min(lr for s, lr in scored if s >= top - error)
    document = {
        "recipe": recipe,
        "protocol": (
            f"epochs {int(first['epochs'])} on all training images but {int(first['holdout']):,},"
            " scored on those: share whose predicted class is in the support of their label, or"
            " kNN accuracy for embeddings; chosen is the smallest rate within one standard error"
            f" of the best; seed {int(first['seed'])}, {first['hardware']}"
        ),
        "grid": grid,
        "rows": rows,
        "chosen": chosen,
    }
    path = resources.folder("conf") / "tuned" / f"{recipe}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + yaml.safe_dump(document, sort_keys=False, default_flow_style=None))
    return path
