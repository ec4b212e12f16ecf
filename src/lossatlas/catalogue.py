"""The atlas's losses as a list that can be narrowed down, and as a bibliography."""

import re
from typing import Any, get_args

from lossatlas import cards
from lossatlas.errors import UserError
from lossatlas.losses import needs, registry

SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_"})


def rows(
    words: list[str] | None = None,
    family: str | None = None,
    target: str | None = None,
    need: str | None = None,
    claim: str | None = None,
    years: str | None = None,
) -> list[dict[str, Any]]:
    """What a list shows of each loss that fits: plain data, families together.

    Args:
        words: each stands, in either case, in the id, name, paper, purpose or family.
        family, target: of the card.
        need: a word of the vocabulary that the loss requires.
        claim: a property that the card says holds; `PROPERTY=false`, that it does not.
        years: of the paper: 2018, 2018-2021, 2018- or -2021.

    Raises:
        UserError: a filter names what there is not.
    """
    fits = [_with_need(need), _with_claim(claim), _of_years(years)]
    cards.check_place(family, target)
    found, claimed = [], set[str]()
    for entry in registry.index().values():
        if family not in (None, entry.family):
            continue
        why = registry.fault(entry)
        if target is not None and (why or registry.target_of(entry) != target):
            continue
        if why is not None:
            row = _row(entry, "broken", None, why)
        else:
            card = registry.facts(entry) if entry.card.is_file() else None
            row = _row(entry, registry.status(entry), card, f"no card at {entry.card}")
        claimed |= row.get("properties", {}).keys()
        text = " ".join(map(str, row.values())).lower()
        if all(fit(row) for fit in fits) and all(word.lower() in text for word in words or []):
            found.append(row)
    if claimed and claim and (name := claim.partition("=")[0]) not in claimed:
        raise UserError(
            f"no card of these losses says anything of {name!r}; "
            f"'lossatlas check --all --property {name}' shows what was found"
        )
    return found


def _row(
    entry: registry.Entry, status: str, card: registry.Facts | None, otherwise: str
) -> dict[str, Any]:
    there = {"id": entry.id, "family": entry.family, "status": status}
    if card is None:
        return there | {"target": "?", "name": "(no card)", "purpose": otherwise}
    return there | card._asdict()


def _with_need(need: str | None) -> Any:
    if need and (problem := needs.unknown(need, ("fact", "part", "moment"))) is not None:
        raise UserError(f"--need names {problem}")
    return lambda row: need is None or need in row.get("requires", [])


def _with_claim(claim: str | None) -> Any:
    name, _, value = (claim or "").partition("=")
    legal = {"": True, "true": True, "false": False}
    if claim and name not in (known := get_args(cards.Property)):
        raise UserError(f"property {name!r} is unknown; legal: {', '.join(known)}")
    if claim and value not in legal:
        raise UserError(f"--property {claim!r}: {name} is to be true or false, not {value!r}")
    return lambda row: not claim or row.get("properties", {}).get(name) is legal[value]


def _of_years(years: str | None) -> Any:
    if years is None:
        return lambda row: True
    span = re.fullmatch(r"(\d{4})?(-)?((?<=-)\d{4})?", years)
    if span is None or years in ("", "-"):
        raise UserError(f"--year {years!r} must be 2018, 2018-2021, 2018- or -2021")
    low = int(span[1] or 0)
    high = int(span[3] or 9999) if span[2] else low
    if low > high:
        raise UserError(f"--year {years!r} ends before it begins")
    return lambda row: low <= row.get("year", -1) <= high


def bibtex(names: list[str]) -> str:
    """One entry a paper, in the order of the losses' ids; a note names the losses that it brought.

    Raises:
        UserError: there is no such loss, or it has no card.
    """
    papers: dict[str, tuple[cards.Paper, list[str]]] = {}
    for name in names:
        paper = registry.get_card(name).paper
        papers.setdefault(f"{paper.title} {paper.year}", (paper, []))[1].append(name)
    return "\n\n".join(
        entry(paper, f"{losses[0]}{paper.year}", f"lossatlas: {', '.join(losses)}")
        for paper, losses in papers.values()
    )


def entry(paper: cards.Paper, key: str, note: str = "") -> str:
    """The BibTeX entry of a paper; braces keep the title's capitals."""
    fields = {
        "author": _balanced(" and ".join(paper.authors).translate(SPECIAL)),
        "title": f"{{{_balanced(paper.title.translate(SPECIAL))}}}",
        "howpublished": _balanced(paper.venue.translate(SPECIAL)),
        "year": str(paper.year),
        "eprint": paper.arxiv,
        "archiveprefix": paper.arxiv and "arXiv",
        "doi": paper.doi,
        "url": paper.url,
        "note": note.translate(SPECIAL),
    }
    lines = [f"  {field} = {{{value}}}," for field, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def _balanced(text: str) -> str:
    """The text; without its braces if one of them has no partner, which would end the entry."""
    depth, left = 0, []
    for character in text:
        depth += (character == "{") - (character == "}")
        left.append(depth)
    return text if depth == 0 and min(left, default=0) == 0 else re.sub("[{}]", "", text)
