"""The losses that `loss=...` asks for by what they are, so that no sweep lists them by name.

    family(noise_robust, margin)   verified losses of these families
    all(target=class_index)        verified losses of that target; also family=... and status=draft
    verified()                     every verified loss
    glob(*_hinge)                  Hydra's patterns on names: those of drafts, too
    contenders()                   in a sweep: those that finished runs of other seeds leave a
                                   chance to be among the best of the same scenario and recipe

Several of them, and names, may stand side by side with commas between.
"""

import re
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser

from lossatlas import cards
from lossatlas.errors import UserError, meant
from lossatlas.losses import registry
from lossatlas.names import short

FILTERS = {"family": cards.FAMILIES, "target": cards.TARGETS, "status": ("verified", "draft")}
QUERIES = ("family", "all", "verified")
CONTENDERS = "contenders()"
_CALL = re.compile(rf"\s*({'|'.join((*QUERIES, 'glob', 'contenders'))})\((.*)\)\s*", re.DOTALL)
_LOSS = re.compile(r"\+{0,2}loss=(.*)", re.DOTALL)


class Asked(NamedTuple):
    """Ids of losses, each once: those named (by a pattern, too), and what queries found beside;
    `contenders` says whether those of finished runs are asked for, who must find them, and
    `without` are the queries that no loss fits, each with the reason."""

    named: list[str]
    found: list[str]
    contenders: bool
    without: list[tuple[str, str]]


def value_of(overrides: list[str]) -> str | None:
    """What the last `loss=...` of some overrides says, if it is a query; else None."""
    values = [found[1] for found in map(_LOSS.fullmatch, overrides) if found]
    return values[-1] if values and any(map(_CALL.fullmatch, _parts(values[-1]))) else None


def latest(overrides: list[str]) -> list[str]:
    """The overrides without those of `loss` that a later one replaces: Hydra reads no query."""
    said = [text for text in overrides if _LOSS.fullmatch(text)]
    return [text for text in overrides if text not in said[:-1] or text is said[-1]]


def without(overrides: list[str]) -> list[str]:
    """The overrides but for those of the group `loss`."""
    return [text for text in overrides if not _LOSS.fullmatch(text)]


def read(value: str) -> Asked:
    """The losses that a value of `loss=` asks for.

    Raises:
        UserError: a word that no query knows, or a pattern that no loss fits.
    """
    named: dict[str, None] = {}
    found: dict[str, None] = {}
    contenders, missing = False, []
    for part in map(str.strip, _parts(value)):
        if not part:
            raise UserError(f"loss={short(value)}: a name is missing beside a comma")
        if (call := _CALL.fullmatch(part)) is None:
            named[part] = None
        elif call[1] == "glob":
            named |= dict.fromkeys(_matching(part))
        elif call[1] == "contenders":
            if call[2].strip():
                raise UserError(f"{short(part)}: {CONTENDERS} takes nothing between its brackets")
            contenders = True
        else:
            fitting, why = _fitting(part, call[1], call[2])
            found |= dict.fromkeys(fitting)
            missing += [(part, why)] if why else []
    return Asked(list(named), [name for name in found if name not in named], contenders, missing)


def _parts(value: str) -> list[str]:
    """What stands between the commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for c in value:
        quote = "" if c == quote else c if not quote and c in "'\"" else quote
        depth += 0 if quote else (c in "([{") - (c in ")]}")
        if c == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def _fitting(call: str, name: str, inside: str) -> tuple[list[str], str]:
    """The losses that fit a query, of which only those of one status count; or why none does."""
    words = list(filter(None, map(str.strip, inside.split(","))))
    if name == "family":
        words = [word if "=" in word else f"family={word}" for word in words]
        if not any(word.startswith("family") for word in words):
            raise UserError(f"{call} names no family; legal: {', '.join(cards.FAMILIES)}")
    wanted: dict[str, list[str]] = {}
    for word in words:
        key, _, value = (part.strip() for part in word.partition("="))
        if key not in FILTERS or (name, key) == ("verified", "status"):
            legal = "=..., ".join(FILTERS)
            raise UserError(f"{call}: {short(word)} is none of {legal}=..., which a query takes")
        if value not in FILTERS[key]:
            hint = meant(value, FILTERS[key]) or f"legal: {', '.join(FILTERS[key])}"
            raise UserError(f"{call}: there is no {key} {short(value)}; {hint}")
        wanted.setdefault(key, []).append(value)
    status = wanted.get("status", ["verified"])
    usable = [n for one in wanted.get("target", [None]) for n in registry.list_losses(target=one)]
    fitting = [
        entry
        for entry in registry.index().values()
        if entry.family in wanted.get("family", cards.FAMILIES) and entry.id in usable
    ]
    if found := [entry.id for entry in fitting if registry.status(entry) in status]:
        return found, ""
    there = dict.fromkeys(e.family for e in registry.index().values())
    why = f"families with losses: {', '.join(there)}"
    if fitting:
        why = f"{len(fitting)} of another status, which status=... asks for"
    return [], f"no {' or '.join(status)} loss fits; {why}"


def _matching(call: str) -> list[str]:
    """The losses that one of Hydra's patterns fits, which no sum does."""
    try:
        pattern: Any = OverridesParser.create().parse_override(f"loss={call}").value()
        found = pattern.filter(registry.list_losses())
    except Exception as error:  # of any kind: Hydra's parser, its functions, its use of them
        raise UserError(
            f"{short(f'loss={call}')} cannot be read; legal: glob(PATTERN), glob([PATTERN,PATTERN])"
            " and glob(PATTERN,exclude=PATTERN), and a pattern with more than names, * and ? has"
            " quotes of its own inside those of the shell: \"loss=glob('[a-c]*')\""
        ) from error
    if not found:
        raise UserError(f"loss={call}: no loss fits")
    return list(found)
