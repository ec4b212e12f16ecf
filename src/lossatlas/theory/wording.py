"""Verdicts in words, for terminals and pages."""

from typing import get_args

from lossatlas.aligned import aligned
from lossatlas.errors import UserError
from lossatlas.theory import agreement
from lossatlas.theory.records import Record
from lossatlas.theory.subject import CLASSES
from lossatlas.theory.verdict import Verdict, Witness
from lossatlas.theory.witness_code import python

SYMBOLS = {verdict: verdict.replace("_", " ") for verdict in get_args(Verdict)}
EVIDENCE = 78  # characters of evidence in a line


def witness_of(records: list[Record], prop: str) -> str:
    """The stored witness against `prop` as Python; raises UserError when there is none."""
    record = next(r for r in records if r["property"] == prop)
    if record["witness"] is None:
        reason = record["reason"] or record["certificate"] or record["method"]
        raise UserError(
            f"{record['loss']}: {prop} is {SYMBOLS[record['verdict']]}, so there is no witness "
            f"({reason})"
        )
    return python(record["loss"], Witness.read(record["witness"]))


def table(records: list[Record], key: str = "property") -> str:
    """Aligned lines: property (or loss), verdict, what the card says, where it looked, and the
    evidence."""
    rows = [(r[key], SYMBOLS[r["verdict"]], said(r), scope(r), evidence(r)) for r in records]
    return "\n".join(aligned(rows))


def heading(records: list[Record]) -> str | None:
    """What the verdicts on a loss presuppose, if it is not so: that it is a function of its inputs.

    Else, for how many classes they were found, where these are not the usual ones.
    """
    first = records[0]
    if first["impurity"]:
        return f"{first['loss']} is no function of a sample's inputs: {first['impurity']}"
    if first["classes"] not in (None, CLASSES):
        return f"{first['loss']}: all for K = {first['classes']} classes"
    return None


def summary(records: list[Record]) -> str:
    """One line on a loss: how many verdicts of each kind, and where they contradict the card."""
    counts = {verdict: sum(r["verdict"] == verdict for r in records) for verdict in SYMBOLS}
    words = ", ".join(f"{n} {SYMBOLS[v]}" for v, n in counts.items() if n)
    seconds = sum(r["seconds"] for r in records)
    return f"{records[0]['loss']:<24} {words} ({seconds:.1f} s)"


def contradictions(records: list[Record]) -> list[str]:
    """Where the card says one thing and the code shows another, a sentence each."""
    return [
        f"{r['loss']}: the card says {r['property']} is {str(r['declared']).lower()}, "
        + ("there is " if r["verdict"] == "evidence_against" else "the code shows it is ")
        + f"{SYMBOLS[r['verdict']]}{' it' * (r['verdict'] == 'evidence_against')}: {evidence(r)}"
        for r in records
        if r["agrees"] is False
    ]


def said(record: Record) -> str:
    """What the card says of the property: yes, no, unknown, or a dash where it is silent."""
    words = {True: "card: yes", False: "card: no", None: "-", "unknown": "card: ?"}
    return words[record["declared"]] + (" !" if record["agrees"] is False else "")


def evidence(record: Record, most: int | None = EVIDENCE) -> str:
    """The main piece of evidence in a clause of at most so many characters (None: any number)."""
    if record["witness"] is not None:
        text = f"{record['witness']['says']} (by {float(record['witness']['value']):.3g})"
    else:
        text = record["reason"] or record["certificate"] or ""
        if not text:
            n, worst = record["n"], record["worst"]
            text = f"{n} points" if worst is None else f"worst {0 + float(worst):.2g} at {n} points"
    line = "; ".join(part for part in (numbers(record), text) if part)
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def scope(record: Record) -> str:
    """For how many classes, and how large inputs at most, was looked; a dash where nothing was."""
    if record["verdict"] == "not_applicable":
        return "-"
    if record["verdict"] == "proved":
        return agreement.SCOPE
    classes = [f"K={record['classes']}"] if record["classes"] else []
    searched = record["reach"] and record["verdict"] != "refuted"
    return " ".join([*classes, *([f"to {record['reach']:g}"] if searched else [])]) or "-"


def numbers(record: Record) -> str:
    """The single numbers that a check found, with their names."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value + 0.0:.4g}"
        for key, value in record["found"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
