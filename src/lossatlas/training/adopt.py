"""Gives finished runs the ids of today, where the code of their loss reads differently and does
the same: `lossatlas runs adopt`.

A run is moved in one step, whole. Its row then says which id it was made under (`adopted_from`),
and the loss's files beside it stay those that made it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from lossatlas.errors import UserError
from lossatlas.losses import behaviour, source
from lossatlas.results import files, store
from lossatlas.results.table import RUN, read_row
from lossatlas.training.config import Config, node, resolve
from lossatlas.training.identity import build_loss, place


class Outcome(NamedTuple):
    """What became of a run: `adopted` under a new id, `refused` with a reason, or `unchanged`."""

    run: str
    what: str
    says: str = ""

    def __str__(self) -> str:
        return f"{self.run}: {self.what}{self.says and f' {self.says}'}"


def adopt(root: Path) -> Iterator[Outcome]:
    """Look at each finished run of a store, in the order of their ids.

    One that cannot be adopted stays as it is and stops no other. Whatever ends this in between, it
    can be started again.
    """
    known: dict[str, str] = {}
    for name in sorted(store.names(root)):
        if RUN.fullmatch(os.fsencode(name)):
            try:
                yield _adopt(root, name, known)
            except UserError as error:
                yield Outcome(name, "refused:", str(error))


def _adopt(root: Path, name: str, known: dict[str, str]) -> Outcome:
    row = read_row(root / name)
    if row is None or row["state"] == "failed":
        return Outcome(name, "unchanged")  # there is nothing to keep: it is made again
    config = _config(root, name)
    loss = build_loss(config["loss"])
    new, code = place(config)[1], source.digest(loss)
    if new == name:
        return Outcome(name, "unchanged")
    if row.get("source") == code:
        return Outcome(
            name, "refused:", "its loss is as it was, but its configuration gives another id"
        )
    key = str(config["loss"])
    if key not in known:
        known[key] = behaviour.of(config["loss"])
    apart = behaviour.difference(str(row.get("behaviour") or ""), known[key])
    if not apart <= behaviour.TOLERANCE:
        by = f"its values or gradients differ by {apart:.2g} of their size"
        if apart == float("inf"):
            by = "its values or gradients cannot be compared"
        return Outcome(name, "refused:", f"its loss does something else today ({by})")
    there = read_row(root / new)
    if there is None or there["state"] == "failed":
        _move(root, name, row, new, code)
    elif not str(there.get("adopted_from")).startswith(name):
        return Outcome(name, "refused:", f"the run was made anew as {new}")
    store.remove(root, name)
    return Outcome(name, "adopted", f"as {new}")


def _config(root: Path, name: str) -> dict[str, Any]:
    """The configuration of a run, with what the schema and its loss have come to hold since."""
    path = root / name / "config.yaml"
    try:
        saved: Any = OmegaConf.to_container(OmegaConf.create(files.text(path)))
        whole = OmegaConf.structured(Config)
        for group, value in saved.items():
            if isinstance(value, dict):
                whole[group] = OmegaConf.merge(OmegaConf.structured(node(group, value)), value)
            else:
                whole[group] = value
        whole.runs = str(root)
        return resolve(whole)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file may say
        says = re.sub(r"\s+", " ", str(error)).strip()
        raise UserError(f"{path}: cannot be read as a configuration of today ({says})") from None


def _move(root: Path, name: str, row: dict[str, Any], new: str, code: str) -> None:
    """Let the run appear under its new id; the one under the old id is still there."""
    before = f" {row['adopted_from']}" if row.get("adopted_from") else ""
    row = row | {"run_id": new, "source": code, "adopted_from": f"{name}{before}"}
    aside = root / f".adopted-{new}"
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    try:
        shutil.copytree(root / name, aside)
        with suppress(FileNotFoundError):
            start = files.mapping(aside / "start.json", files.Start)
            store.write_json(aside / "start.json", start | {"run_id": new})
        store.write_json(aside / "row.json", row)
        store.sync(aside)
        store.remove(root, new)  # a failed run, if anything
        aside.rename(root / new)
    except OSError as error:
        raise UserError(f"{root / new}: the run cannot be moved there ({error.strerror})") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
