"""Writes the report's folder: reads the run store, renders both pages, and moves them in whole."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pandas as pd

from lossatlas.analysis import again, arms, measures
from lossatlas.errors import UserError
from lossatlas.names import is_number
from lossatlas.pages import render, whole
from lossatlas.pages.escape import csv_cell
from lossatlas.pages.publish import Text, publish
from lossatlas.report.source import read
from lossatlas.results import files, travel
from lossatlas.results.progress import OPEN
from lossatlas.results.store import COLUMNS

TEXTS = [name for name, kind in get_type_hints(files.Row).items() if str in (*get_args(kind), kind)]


class Built(NamedTuple):
    """The page index.html, and its statements beside those of other runs, by their name."""

    page: Path
    repeated: dict[str, list[again.Again]]


def build(
    place: Path,
    out: Path,
    tuned: Path | None = None,
    only: str | None = None,
    sweep: str | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    compare: str | None = None,
    check: Sequence[Path] = (),
) -> Built:
    """Write REPORT.md, index.html, results.csv and figures/*.svg, each with what it shows as
    *.csv, into `out`.

    The files depend on nothing but the rows of `place` (a run store, or a file of rows) and what
    stands beside them, the cards, the tables of learning rates that the store has or the folder
    `tuned`, and which pages of cards are in `out`/../cards, to which they
    link: the same inputs give the same bytes. Of the runs, those are in it whose id fits the shell
    pattern `only` and that the sweep `sweep` has planned, whichever sweep has made them. Losses are
    compared by the field `metric` with the loss `baseline`, and the two of `compare` ("A,B") with
    each other. The report says which of its statements hold in each of `check`: other folders
    of runs, files of rows or a results.csv.

    Raises:
        UserError: `place` is missing or holds no such runs, no run has such a metric or is of such
            losses, `tuned` cannot be read, or `out` cannot be written or holds pages that are not
            a report's.
    """
    source = read(place, only, sweep)
    rows = source.rows
    tuning = list(source.rates(tuned).values())
    from lossatlas.report import content  # torch and seaborn: seconds, so not before it is needed

    pair = _pair(compare, rows)
    against = _known(baseline, rows, "--baseline") if baseline else arms.BASELINE
    asked = content.Asked(_measure(metric, rows, place), against, pair)
    found, repeated = content.compared(rows, asked), {}
    for path in check:
        told = again.compare(found, content.compared(_others(path, rows, place), asked))
        if all(one.there is None for one in told):
            raise UserError(
                f"--check {path}: makes none of the {len(told)} statements of {place} again (same "
                "scenario, recipe, model, data and loss, at least 3 seeds of it and of the "
                "baseline)"
            )
        repeated[path.name if path.name not in repeated else path.as_posix()] = told
    report = content.assemble(source, found, tuning, asked, repeated)
    report["pages"] = [
        name for name in report["names"] if (out.parent / f"cards/{name}.md").is_file()
    ]
    report["beside"] = whole.beside(out, "report")
    files: dict[str, Text] = {}
    for part in (report["over_all"], *report["conditions"]):
        for picture in (part.get("forest"), *part["pictures"]):
            if picture is not None:
                files[f"figures/{picture.file}"] = picture.svg
                files[f"figures/{picture.csv}"] = picture.data
    files["results.csv"] = _csv(rows)
    files["REPORT.md"] = render.markdown(report)
    files["index.html"] = render.in_browser(report, "report", files, sorting=True)
    publish(files, out, "report")
    return Built(out / "index.html", repeated)


def _rows_of(path: Path) -> list[arms.Row]:
    """The rows of a folder of runs, of a file of rows or of a results.csv."""
    if path.is_file() and path.suffix != travel.SUFFIX:
        return table_of_results(path)
    return read(path).rows


def _others(path: Path, rows: Sequence[arms.Row], place: Path) -> list[arms.Row]:
    """The rows of `path` but for those that are among `rows`: they say nothing a second time."""
    here, found = set(map(travel.key, rows)), _rows_of(path)
    others = [row for row in found if travel.key(row) not in here]
    if found and not others:
        raise UserError(
            f"--check {path}: holds the runs of {place} and no others, which cannot confirm "
            "themselves; give runs that were made again"
        )
    return others


def table_of_results(path: Path) -> list[arms.Row]:
    """The rows of a results.csv that `build` wrote.

    Raises:
        UserError: it is none, or a row is not as `lossatlas report` writes it.
    """
    try:
        rows = arms.rows(pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str)))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a table of results ({error})") from None
    for number, row in enumerate(rows, 1):
        told = {field: v if field in TEXTS else _number(v) for field, v in row.items()}
        files.fitting(told, files.Row, f"{path}: row {number}")
    return rows


def _number(v: Any) -> Any:
    """A cell as it was written: pandas makes floats of whole numbers where some runs lack theirs,
    and texts of all numbers beside one that is none."""
    v = float(v) if isinstance(v, str) and is_number(v) else v
    return int(v) if _is_whole(v) else v


def _measure(metric: str | None, rows: Sequence[arms.Row], place: Path) -> measures.Measure:
    if metric is None:
        return measures.ACCURACY
    found = measures.find(metric)
    if not any(found.field in row for row in rows):
        held = [field for field in measures.MEASURES if any(field in row for row in rows)]
        raise UserError(
            f"--metric {metric!r}: no run of {place} has it; they have: "
            f"{', '.join(held) or 'none'}; it is there {found.there}"
        )
    return found


def _pair(compare: str | None, rows: Sequence[arms.Row]) -> tuple[str, str] | None:
    if compare is None:
        return None
    names = [name.strip() for name in compare.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UserError(f"--compare {compare!r}: legal are two different losses, as in 'mae,gce'")
    a, b = (_known(name, rows, "--compare") for name in names)
    return a, b


def _known(loss: str, rows: Sequence[arms.Row], option: str) -> str:
    losses = sorted({str(row["loss"]) for row in rows if "loss" in row})
    if loss not in losses:
        raise UserError(
            f"{option} {loss!r}: no run is of this loss; there are: {', '.join(losses)}"
        )
    return loss


def _csv(rows: list[arms.Row]) -> Iterator[str]:
    """The lines of results.csv, one by one: as a whole, large tables take as much again."""
    ended = [row for row in rows if row["state"] not in (*OPEN, "damaged")]
    fields = set().union(*ended) - {"behaviour"}  # for comparing code, not for reading
    columns = [c for c in COLUMNS if c in fields] + sorted(fields - set(COLUMNS))
    # Fields that some runs lack made pandas turn their integers into floats.
    whole = [c for c in columns if all(_is_whole(row[c]) for row in ended if c in row)]
    line = io.StringIO()
    writer = csv.DictWriter(line, columns, lineterminator="\n")
    writer.writerow({c: csv_cell(c) for c in columns})
    for row in ended:
        whole_ones = {c: int(row[c]) for c in whole if c in row}
        writer.writerow({c: csv_cell(v) for c, v in (row | whole_ones).items() if c in fields})
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _is_whole(v: Any) -> bool:
    return isinstance(v, float) and v.is_integer()
