"""Writes the three files of a new loss: a correct trivial one, which runs, to be edited."""

from contextlib import suppress
from pathlib import Path
from string import Template

from lossatlas import cards, resources, yamls
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.kinds import KINDS
from lossatlas.names import folder

TEMPLATES = resources.PACKAGE / "templates"
USUAL = {  # the targets of families that are not about one class an image
    "partial_label": "label_set",
    **dict.fromkeys(
        ("contrastive_two_view", "redundancy_reduction", "negative_free", "clustering"), "two_view"
    ),
    "supervised_contrastive": "two_view_labelled",
    **dict.fromkeys(("pair_metric", "proxy_metric", "ranking_metric"), "labelled_embedding"),
}
TORCH = "import torch\nfrom torch import Tensor\n\n"
IMPORTS = {
    "LogitLoss": f"{TORCH}from lossatlas.intervals import in_range\n"
    "from lossatlas.losses.base import LogitLoss\n",
    "EmbeddingLoss": f"{TORCH}from lossatlas.intervals import in_range\n"
    "from lossatlas.losses.base import EmbeddingLoss\n",
    "Wrapper": "from typing import Any\n\nfrom torch import Tensor\n\n"
    "from lossatlas.intervals import in_range\nfrom lossatlas.losses.base import Loss, Wrapper\n",
}


def write_loss(name: str, family: str, target: str | None, path: Path | None) -> list[Path]:
    """Write card, code and reference of the loss `name` in the checkout, or under `path`.

    Without a target, the one that is usual in the family.

    Raises:
        UserError: the name is not an identifier or is taken, the family or target is unknown or
            fits no wrapper, a file is in the way, or there is no checkout to write into.
    """
    target = target or USUAL.get(family, "class_index")
    if (illegal := registry.illegal_id(name)) is not None:
        raise UserError(f"the name {name!r} {illegal}")
    cards.check_place(family, target)
    if family == "wrapper" and target != "class_index":
        raise UserError(
            "a wrapper's target is that of cross-entropy, its default: class_index, not "
            f"{target!r}; wrapped around another loss, it takes that one's"
        )
    known = registry.index()
    if name in known:
        raise UserError(f"loss {name!r} exists already: {known[name].code}")
    if path is None and not resources.is_checkout():
        raise UserError("this is not a source checkout; say where to write with --path FOLDER")
    root = folder(path, "--path") if path else resources.CHECKOUT
    code_root = root / "losses" if path else resources.PACKAGE / "losses"
    files = {
        root / "papers" / family / f"{name}.md": "card.md",
        code_root / family / f"{name}.py": "loss.py.txt",
    }
    files[resources.reference([*files][1])] = "reference.py.txt"
    for file in files:
        if file.exists():
            raise UserError(f"{file} exists already; nothing was written")
    words = _words(name, family, target)
    try:
        for file, template in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            text = Template((TEMPLATES / template).read_text()).substitute(words)
            file.write_text(text.rstrip() + "\n")
    except OSError as error:
        for file in files:
            with suppress(OSError):
                file.unlink()
        raise UserError(f"cannot write under {root}: {error.strerror}") from error
    registry.forget()
    return list(files)


def _words(name: str, family: str, target: str) -> dict[str, str]:
    """What the templates leave open."""
    wraps = family == "wrapper"
    # Views whose samples have labels are all treated alike, however many they are.
    kind = "two_view_labelled" if target == "labelled_embedding" else target
    trivial = yamls.read(TEMPLATES / "trivial.yaml")["wrapper" if wraps else kind]
    on_embeddings = KINDS[target].on_embeddings
    base = "Wrapper" if wraps else "EmbeddingLoss" if on_embeddings else "LogitLoss"
    return {
        "id": name,
        "family": family,
        "target": target,
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "base": base,
        "imports": f"{IMPORTS[base]}from lossatlas.losses.registry import register",
        "wraps": 'loss: Loss | str = "cross_entropy", ' if wraps else "",
        "inner": "loss" if wraps else "",
        **{key: text.strip("\n") for key, text in trivial.items()},
    }
