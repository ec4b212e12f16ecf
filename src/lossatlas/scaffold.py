"""Writes the three files of a new loss, ready to be filled in."""

from pathlib import Path
from string import Template

from lossatlas import cards, resources
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS

TEMPLATES = resources.PACKAGE / "templates"
GIVEN = {
    "class_index": "logits: list[mpf], target: int",
    "complementary": "logits: list[mpf], target: int",
    "distribution": "logits: list[mpf], target: list[mpf]",
    "label_set": "logits: list[mpf], target: set[int]",
}


def write_loss(name: str, family: str, target: str, path: Path | None) -> list[Path]:
    """Write card, code and reference of the loss `name` in the checkout, or under `path`.

    Raises:
        UserError: the name is not an identifier or is taken, the family or target is unknown,
            a file is in the way, or there is no checkout to write into.
    """
    if (illegal := registry.illegal_id(name)) is not None:
        raise UserError(f"the name {name!r} {illegal}")
    for value, legal, word in (
        (family, cards.FAMILIES, "family"),
        (target, cards.TARGETS, "target"),
    ):
        if value not in legal:
            raise UserError(f"{word} {value!r} is unknown; legal: {', '.join(legal)}")
    known = registry.index()
    if name in known:
        raise UserError(f"loss {name!r} exists already: {known[name].code}")
    if path is None and not resources.is_checkout():
        raise UserError("this is not a source checkout; say where to write with --path FOLDER")
    root = path.expanduser().resolve() if path else resources.CHECKOUT
    code_root = root / "losses" if path else resources.PACKAGE / "losses"
    files = {
        root / "papers" / family / f"{name}.md": "card.md",
        code_root / family / f"{name}.py": (
            "embedding_loss.py.txt" if KINDS[target].on_embeddings else "logit_loss.py.txt"
        ),
    }
    files[resources.reference([*files][1])] = "reference.py.txt"
    for file in files:
        if file.exists():
            raise UserError(f"{file} exists already; nothing was written")
    words = {
        "id": name,
        "family": family,
        "target": target,
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "inputs": KINDS[target].inputs,
        "given": GIVEN.get(target, "embeddings: list[list[list[mpf]]], labels: list[int] | None"),
        "value": "mpf" if target in GIVEN else "list[mpf]",
    }
    try:
        for file, template in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template((TEMPLATES / template).read_text()).substitute(words))
    except OSError as error:
        for file in files:
            file.unlink(missing_ok=True)
        raise UserError(f"cannot write under {root}: {error.strerror}") from error
    registry.forget()
    return list(files)
