"""The one door through which files of a run store come back in.

A file is read whole, if it is a plain file of UTF-8 text, and checked against the schema of its
kind; what does not fit is `Damaged`, a sentence that names the file. A schema asks for the fields
that every version has written, and fixes the types and ranges of those that any version writes.
"""

import errno
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lossatlas.errors import UserError

LARGEST = 64_000_000  # bytes of a file that is read whole; the largest of ours, epochs, are small


def _is_name(value: str) -> str:
    if not value or value.startswith(".") or "/" in value or "\0" in value or len(value) > 255:
        raise ValueError("must be the name of a folder")
    return value


def _in_order(epochs: list[Any]) -> list[Any]:
    if [one.epoch for one in epochs] != list(range(1, len(epochs) + 1)):
        raise ValueError("must be numbered from 1")
    return epochs


Name = Annotated[str, AfterValidator(_is_name)]  # of a run or sweep: it leads nowhere else
Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Amount = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1 + 1e-6)]  # a mean of ones may be rounded up
Moment = Annotated[Number, Field(ge=0, lt=9e9)]  # Unix time; pandas counts to the year 2262


class Damaged(UserError):
    """A file that is not what was written, in one sentence with its path."""


class _Schema(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Start(_Schema):
    """What is known of a run before training."""

    run_id: Name
    loss: Text | None = None
    family: str | None = None
    target: str | None = None
    scenario: Text | None = None
    recipe: Text | None = None
    model: Text | None = None
    data: Text | None = None
    seed: Whole | None = None
    epochs: Count | None = None
    batch_size: Count | None = None
    lr: Positive | None = None
    lr_source: str | None = None
    teacher: Name | None = None
    source: str | None = None
    sweep: Name | None = None
    chosen_on: str | None = None
    momentum: Number | None = None
    weight_decay: Amount | None = None
    holdout: Whole | None = None
    threads: Count | None = None
    device: str | None = None
    precision: str | None = None
    hardware: str | None = None
    cpu: str | None = None
    cpu_capability: str | None = None
    started: Moment | None = None


class Row(Start):
    """The row of a finished run."""

    state: Literal["done", "diverged", "failed"]
    loss: Text
    target: Text
    scenario: Text
    recipe: Text
    model: Text
    data: Text
    seed: Whole
    epochs: Count
    lr: Positive
    holdout: Whole
    reason: str | None = None
    behaviour: str | None = None
    adopted_from: str | None = None
    test_accuracy: Share | None = None
    best_test_accuracy: Share | None = None
    test_nll: Amount | None = None
    test_brier: Amount | None = None
    test_ece: Share | None = None
    test_ece_floor: Share | None = None
    test_ece_floor_sd: Amount | None = None
    test_ece_debiased: Share | None = None
    test_ece_equal_mass: Share | None = None
    test_ece_classwise: Share | None = None
    test_aurc: Share | None = None
    test_balanced_accuracy: Share | None = None
    test_many_accuracy: Share | None = None
    test_medium_accuracy: Share | None = None
    test_few_accuracy: Share | None = None
    temperature: Positive | None = None
    temperature_images: Whole | None = None
    test_nll_ts: Amount | None = None  # _ts: after scaling by the temperature
    test_brier_ts: Amount | None = None
    test_ece_ts: Share | None = None
    test_ece_floor_ts: Share | None = None
    test_ece_floor_sd_ts: Amount | None = None
    test_ece_debiased_ts: Share | None = None
    test_ece_equal_mass_ts: Share | None = None
    test_ece_classwise_ts: Share | None = None
    test_aurc_ts: Share | None = None
    knn_accuracy: Share | None = None
    knn_accuracy_untrained: Share | None = None
    probe_accuracy: Share | None = None
    score: Share | None = None
    effective_noise: Share | None = None
    train_s: Amount | None = None
    wall_s: Amount | None = None
    cpu_s: Amount | None = None
    parameters: Whole | None = None
    train_size: Whole | None = None
    weights_sha256: str | None = None


class Epoch(_Schema):
    """A line of `epochs.jsonl`; any other field is a number."""

    __pydantic_extra__: dict[str, float]
    epoch: Annotated[int, Field(ge=1, le=10**9)]
    seconds: Amount
    cpu_seconds: Amount | None = None


class Epochs(_Schema):
    """The epochs of a row that travels, from the first."""

    epochs: Annotated[list[Epoch], AfterValidator(_in_order)]


class Drawn(_Schema):
    """What figures draw of a run's logits: `evaluation.drawn`."""

    confidence: list[Share]
    accuracy: list[Share]
    margins: Annotated[list[Number], Field(min_length=51, max_length=51)]  # LEVELS
    spread: Positive
    recall: list[float]  # NaN of a class without images
    classes: list[str]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for one, other in (("confidence", "accuracy"), ("recall", "classes")):
            if len(getattr(self, one)) != len(getattr(self, other)):
                raise ValueError(f"{one} and {other} must have as many entries")
        return self


class Holder(_Schema):
    """Who holds a lease."""

    machine: str
    host: str
    pid: Whole
    epochs: Whole
    deaths: Annotated[int, Field(ge=0, le=10**9)]


class _Named(_Schema):
    name: Text


class _Recipe(_Named):
    epochs: Count
    batch_size: Count


class _Config(_Schema):
    loss: _Named
    recipe: _Recipe
    model: _Named
    data: _Named
    holdout: Whole
    threads: Count


class PlanLine(_Schema):
    """A line of a sweep's plan."""

    model_config = ConfigDict(strict=True, extra="forbid")
    run_id: Name
    config: _Config
    target: str
    lr_source: str
    chosen_on: str | None = None


class SweepFile(_Schema):
    """A sweep's file."""

    grids: list[str]


class Groups(_Schema):
    """A run's configuration: values and groups of them, by name."""

    __pydantic_extra__: dict[str, Any]


class _Trial(_Schema):
    loss: Text
    stage: Literal["short", "full"]
    lr: Positive
    score: Share | None = None
    state: Literal["done", "diverged"]
    cpu_s: Amount


class RateTable(_Schema):
    """A table that `lossatlas tune` writes."""

    recipe: Text
    scenario: Text
    model: Text
    data: Text
    protocol: Text
    chosen: dict[str, Positive]
    said: dict[str, str]
    trials: list[_Trial]


class Told(_Schema):
    """What a file of rows tells beside them: the sweep that was asked for, how many of its runs
    had not ended, commands, and tables of rates by the ends of their paths."""

    sweep: Text | None
    unmade: Whole = 0
    commands: dict[str, list[str]]
    rates: dict[str, RateTable]


def opened(path: Path | str) -> BinaryIO:
    """A plain file, open for reading.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it is something else, or cannot be opened.
    """
    while True:
        try:  # a FIFO without a writer would wait for one
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            if os.path.islink(path):
                raise Damaged(f"{path}: is a link to nothing") from None
            raise
        except OSError as error:
            if error.errno == errno.ESTALE:  # on NFS: replaced by another machine meanwhile
                continue
            raise Damaged(f"{path}: cannot be read ({error.strerror})") from None
        if stat.S_ISREG(os.fstat(number).st_mode):
            return open(number, "rb")
        os.close(number)
        raise Damaged(f"{path}: is no plain file")


def text(path: Path | str) -> str:
    """The text of a plain file of UTF-8; raises as `opened` does."""
    try:
        with opened(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise Damaged(f"{path}: is larger than {LARGEST:,} bytes")
            return file.read().decode()
    except UnicodeDecodeError:
        raise Damaged(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged(f"{path}: cannot be read ({error.strerror})") from None


def mapping(path: Path | str, schema: type[_Schema]) -> dict[str, Any]:
    """The JSON object in a file, as it stands there, if it fits; raises as `text` does."""
    return parsed(text(path), schema, str(path))


def parsed(written: str | bytes, schema: type[_Schema], where: str) -> dict[str, Any]:
    """The JSON object that is written, as it stands there.

    Raises:
        Damaged: it is no JSON, or does not fit the schema; the sentence begins with `where`.
    """
    try:
        written = written if isinstance(written, str) else written.decode()
        found = json.loads(written, object_pairs_hook=_unique)
        if "\\ud" in written.lower():  # perhaps half of a pair, which is no character
            json.dumps(found, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise Damaged(f"{where}: is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # also an integer of more than 4,300 digits
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Damaged(f"{where}: is not JSON ({why})") from None
    return fitting(found, schema, where)


def fitting(found: Any, schema: type[_Schema], where: str) -> dict[str, Any]:
    """`found`, if it fits the schema; else raises Damaged with a sentence that begins so."""
    if not isinstance(found, dict):
        raise Damaged(f"{where}: is no mapping of fields to values")
    try:
        schema.model_validate(found)
    except ValidationError as error:
        raise Damaged(f"{where}: {_first(error)}") from None
    return found


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} is there twice")
    return found


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"field {field!r} is missing"
    legal = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"field {field!r} is {repr(first['input'])[:80]}, but {legal}"
