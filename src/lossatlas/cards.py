"""The card of a loss: typed front matter and prose in one Markdown file, the source of its facts.

A card is also test input: its examples, limits, ranges, defaults and properties are executed.
This module knows no torch, so that listing and showing losses starts fast.
"""

import inspect
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from lossatlas import yamls
from lossatlas.errors import UserError
from lossatlas.intervals import Interval
from lossatlas.losses import needs

Family = Literal[
    "likelihood", "margin", "angular_margin", "fenchel_young", "noise_robust", "long_tail",
    "calibration", "partial_label", "abstention", "distillation", "contrastive_two_view",
    "redundancy_reduction", "negative_free", "clustering", "supervised_contrastive", "pair_metric",
    "proxy_metric", "ranking_metric", "wrapper",
]  # fmt: skip
Target = Literal[
    "class_index", "distribution", "label_set", "complementary",
    "two_view", "two_view_labelled", "labelled_embedding",
]  # fmt: skip
Property = Literal[
    "convex_in_logits", "shift_invariant", "bounded", "symmetric_sum_constant",
    "classification_calibrated", "strictly_proper", "lipschitz", "nonnegative",
    "differentiable_everywhere", "rotation_invariant", "scale_invariant", "permutation_invariant",
    "permutation_equivariant", "smooth", "asymmetric", "calibration_function", "probability_only",
    "noise_invariant_minimiser", "dominates_zero_one", "decreasing_in_score", "stable_in_float32",
    "stable_in_bfloat16", "stable_in_float16", "no_dead_gradient", "special_cases",
    "target_algebra", "reduction_contract", "gradient_correct", "integrable", "duplicate_invariant",
    "batch_size_invariant", "collapse_is_minimal",
]  # fmt: skip
Link = Literal["softmax", "sigmoid", "identity", "fenchel_young", "own", "none"]

FAMILIES: tuple[str, ...] = get_args(Family)
TARGETS: tuple[str, ...] = get_args(Target)
LOOSEST = 0.01  # tolerance of an example or a limit: beyond it equality says nothing
SECTIONS = ("What it computes", "(x, y)", "Why it is different", "Traps")


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False,
        str_strip_whitespace=True, str_min_length=1, str_max_length=10_000, defer_build=True,
    )  # fmt: skip


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is no number")
    return value


# Finite, and neither `yes` nor `true`, which pydantic would read as 1.
Number = Annotated[float, BeforeValidator(_no_bool)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Keyword = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Settings = dict[Keyword, Number]
Label = Annotated[int, BeforeValidator(_no_bool)]


class Paper(_Strict):
    """The citation; `arxiv`, `doi` and `code` are null unless confirmed."""

    title: str
    authors: list[str] = Field(min_length=1)
    venue: str
    year: int = Field(ge=1900, le=2100)
    arxiv: str | None = None
    doi: str | None = None
    code: str | None = None
    code_licence: str | None = None
    see_also: str | None = None

    @property
    def url(self) -> str | None:
        """The best link known: arXiv, then DOI."""
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else None

    @property
    def citation(self) -> str:
        """`Lin et al. (2017)`, as used in tables."""
        names = [author.split()[-1] for author in self.authors]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else None
        return f"{who or names[0] + ' et al.'} ({self.year})"


class Search(_Strict):
    """Where to look for a better value than the default: [low, high], even on its scale.

    `integer` means the whole numbers from low to high.
    """

    low: Number
    high: Number
    scale: Literal["linear", "log", "integer"]

    @model_validator(mode="after")
    def _is_an_interval(self) -> "Search":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low must be above 0 on a log scale, not {self.low}")
        if self.scale == "integer" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low and high must be whole, not {self.low} and {self.high}")
        return self

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}] ({self.scale})"


class Hyperparameter(_Strict):
    """One keyword of the constructor; without `search` it is no tuning knob."""

    default: Number
    range: str
    meaning: str
    source: str
    # Not dumped: how a loss is tuned does not change what it is, so its verdicts stay valid.
    search: Search | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _values_are_legal(self) -> "Hyperparameter":
        legal = Interval.parse(self.range)
        if self.default not in legal:
            raise ValueError(f"default {self.default} lies outside its own range {self.range}")
        if (s := self.search) is None:
            return self
        if s.low not in legal or s.high not in legal:
            raise ValueError(f"search {s} leaves the range {self.range}")
        between = s.scale == "integer" and not self.default.is_integer()
        if between or not s.low <= self.default <= s.high:
            raise ValueError(f"search {s} leaves out the default {self.default}")
        return self


class Claim(_Strict):
    """What the sources say of one property; `printed` quotes a source that says it wrongly.

    `proof` names why a property holds: "dcp: EXPRESSION" for convexity (see `theory.certificates`),
    or the id of a theorem there. The checker verifies its hypotheses; without one a property that
    holds stays "not refuted".
    """

    value: bool | Literal["unknown"]
    note: str | None = None
    printed: str | None = None
    proof: str | None = Field(default=None, max_length=1_000)


class Limit(_Strict):
    """With hyperparameters `when`, the loss equals `equals` (built with `and_there`) on any labels.

    Targets are lifted: a class index becomes a one-hot distribution or a one-element label set.
    """

    equals: Id
    when: Settings = {}
    and_there: Settings = {}
    tolerance: Number = Field(default=1e-9, ge=0, le=LOOSEST)
    note: str | None = None


class Example(_Strict):
    """A worked number: `quantity` at the given input must equal `value` within `tolerance`.

    `target` is a class index (from 0), a distribution, or the list of classes of a label set,
    as the card's own target says; with several rows of logits, a list of these. `given` holds what
    the loss needs besides, or owns (its buffers and weights), by name. `printed` is the number a
    source prints instead, if it is wrong.
    """

    says: str
    source: str
    value: Number | list[Number]
    quantity: Literal["loss", "margin", "logsumexp", "softmax"] = "loss"
    logits: list[Number] | list[list[Number]] | None = Field(default=None, min_length=1)
    embeddings: list[list[list[Number]]] | None = None
    target: Label | list[Label] | list[Number] | list[list[Number]] | None = None
    class_counts: list[Number] | None = None
    given: dict[Keyword, Any] = {}
    hyperparameters: Settings = {}
    tolerance: Number = Field(default=1e-4, gt=0, le=LOOSEST)
    printed: Number | None = None

    @model_validator(mode="after")
    def _has_one_input(self) -> "Example":
        if (self.logits is None) == (self.embeddings is None):
            raise ValueError("an example has either logits or embeddings")
        rows = [row for row in self.logits or () if isinstance(row, list)]
        k = len(rows[0]) if rows else len(self.logits or ())
        if self.logits and (k < 2 or len(rows) not in (0, len(self.logits))):
            raise ValueError("logits are K >= 2 numbers, or rows of as many")
        if k and isinstance(self.target, int) and not 0 <= self.target < k:
            raise ValueError(f"target {self.target} is none of the classes 0 to {k - 1}")
        return self


class Discrepancy(_Strict):
    """Where sources disagree on the formula or a constant, and which one is followed here."""

    between: str
    what: str
    ours: str


class Published(_Strict):
    """A CIFAR-10 number as a source prints it; what it leaves out is null.

    `by` tells who printed it: "authors" of the loss, or "others" (a copy, or a comparison of
    theirs); "refuted" of a number that a replication contradicts, which `setting` then cites.
    """

    value: Number | str
    metric: str | None = None
    setting: str
    architecture: str | None = None
    baseline: Number | str | None = None
    source: str
    by: Literal["authors", "others", "refuted"]

    @property
    def line(self) -> str:
        """All of it in a clause, as lists show it."""
        what = f"{self.value} {self.metric}" if self.metric else str(self.value)
        where = f", {self.architecture}" if self.architecture else ""
        against = "" if self.baseline is None else f"; baseline {self.baseline}"
        return f"{what}{where}, {self.setting}{against} (printed by {self.by}: {self.source})"


class Evidence(_Strict):
    """How the citation and the formula were checked.

    A: formula read in official code and citation confirmed; B: formula read in a well-kept
    third-party implementation; C: classical formula, re-derived; unverified: from memory.
    """

    level: Literal["A", "B", "C", "unverified"]
    checked: str


def _are_needs(words: list[str]) -> list[str]:
    for word in words:
        if (problem := needs.unknown(word, ("fact", "part", "moment"))) is not None:
            raise ValueError(f"names {problem}")
    return words


def _claim(value: Any) -> Any:
    return value if isinstance(value, dict | Claim) else {"value": value}


class Card(_Strict):
    """The facts of one loss; `prose` maps each heading of the body to its Markdown.

    `link` turns scores into the probabilities that the loss means: softmax; sigmoid per class;
    identity, where the scores themselves estimate them; fenchel_young, e_y + grad_s loss(s, y);
    own, what the code's method `log_probabilities` says; none, where scores are only ranked.
    `bayes_rule` is the decision that the loss is to be judged against: the class of largest
    probability, or (balanced) of largest probability over prior.
    `steepness` is how many times cross-entropy's its gradients are, at the defaults and logits of
    size 1, where they are much larger: rates that nobody tuned for the loss are divided by it.
    """

    id: Id
    name: str
    family: Family
    target: Target
    paper: Paper
    formula: str
    link: Link = "softmax"
    bayes_rule: Literal["accuracy", "balanced"] = "accuracy"
    # Not dumped, as `search` is not.
    steepness: Number = Field(default=1.0, gt=0, exclude=True)
    hyperparameters: dict[Keyword, Hyperparameter] = {}
    requires: Annotated[list[Id], AfterValidator(_are_needs)] = []
    gradient: str | None = None  # what is held fixed in it, though the value depends on it
    properties: dict[Property, Annotated[Claim, BeforeValidator(_claim)]] = {}
    limits: list[Limit] = []
    examples: list[Example] = []
    discrepancies: list[Discrepancy] = []
    published: list[Published] = Field(default=[], exclude=True)  # moves no verdict
    claims: list[str] = []
    evidence: Evidence
    prose: dict[str, Annotated[str, StringConstraints(min_length=0, max_length=100_000)]]

    @model_validator(mode="after")
    def _settings_are_legal(self) -> "Card":
        """Limits and examples set what the card declares, within its ranges."""
        given = [(f"limits.{i}.when", limit.when) for i, limit in enumerate(self.limits)]
        given += [
            (f"examples.{i}.hyperparameters", example.hyperparameters)
            for i, example in enumerate(self.examples)
        ]
        for field, settings in given:
            for key, value in settings.items():
                if (known := self.hyperparameters.get(key)) is None:
                    raise ValueError(f"{field}: {key!r} is no hyperparameter of the card")
                if value not in Interval.parse(known.range):
                    raise ValueError(f"{field}: {key} = {value:g} lies outside {known.range}")
        return self

    @property
    def todo(self) -> list[str]:
        """What a fresh card still lacks: fields left at TODO, missing examples or sections."""
        left = [
            f"{field} says TODO"
            for field in ("name", "formula", "paper", "evidence", "hyperparameters")
            if "TODO" in str(getattr(self, field))
        ]
        left += [f"section '{s}' is empty" for s in SECTIONS if not self.prose.get(s)]
        left += [f"section '{s}' says TODO" for s, text in self.prose.items() if "TODO" in text]
        return left if self.examples else [*left, "no worked example"]


def check_place(family: str | None, target: str | None) -> None:
    """Raise UserError unless there is such a family and such a target; None is any."""
    for value, legal, word in ((family, FAMILIES, "family"), (target, TARGETS, "target")):
        if value is not None and value not in legal:
            raise UserError(f"{word} {value!r} is unknown; legal: {', '.join(legal)}")


def read(path: Path) -> Card:
    """Parse and validate one card; raises UserError naming file, field, value and what is legal."""
    text = yamls.text_of(path)
    parts = re.fullmatch(r"---[ \t]*\n(.*?\n|)---[ \t]*(?:\n(.*))?", text, re.DOTALL)
    if parts is None:
        raise UserError(f"{path}: a card begins with YAML front matter between two lines '---'")
    front, body = parts[1], parts[2] or ""
    facts = yamls.parse("\n" + front, str(path))  # the empty line keeps the file's line numbers
    if not isinstance(facts, dict):
        raise UserError(f"{path}: front matter must be a mapping of fields, not {facts!r:.80}")
    for field in facts:
        if not isinstance(field, str) or field == "prose":
            raise UserError(f"{path}: field '{field!s:.80}' is not front matter; write it below")
    try:
        card = Card(**facts, prose=_sections(body))
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error)}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    for field, given, expected in (
        ("id", card.id, path.stem),
        ("family", card.family, path.parent.name),
    ):
        if given != expected:
            raise UserError(
                f"{path}: field '{field}' is {given!r}, but the file's place says {expected!r}"
            )
    return card


def differences(card: Card, cls: type) -> list[str]:
    """Where the constructor and attributes of `cls` disagree with the card; empty if nowhere."""
    found = []
    signature = inspect.signature(cls)
    # What a wrapper wraps is no hyperparameter; nothing else may have an argument of that name.
    code = {name: p.default for name, p in signature.parameters.items() if name != "loss"}
    stated = {name: h.default for name, h in card.hyperparameters.items()}
    if set(code) != set(stated):
        found.append(f"hyperparameters: card {sorted(stated)}, code {sorted(code)}")
    found += [
        f"default of {name}: card {stated[name]}, code {code[name]}"
        for name in sorted(set(code) & set(stated))
        if code[name] != stated[name]
    ]
    if card.target != cls.target:  # type: ignore[attr-defined]
        found.append(f"target: card {card.target}, code {cls.target}")  # type: ignore[attr-defined]
    for field, mine, theirs in (
        ("requires", sorted(card.requires), sorted(cls.requires)),  # type: ignore[attr-defined]
        ("gradient", bool(card.gradient), bool(cls.gradient)),  # type: ignore[attr-defined]
        ("link own", card.link == "own", cls.log_probabilities is not None),  # type: ignore[attr-defined]
    ):
        if mine != theirs:
            found.append(f"{field}: card {mine}, code {theirs}")
    return found


def _sections(body: str) -> dict[str, str]:
    """Text by heading; raises ValueError for a heading that is there twice."""
    sections: dict[str, str] = {}
    heading, in_code = "", False
    for line in body.splitlines():
        in_code ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not in_code:
            heading = line[3:].strip()
            if heading in sections:
                raise ValueError(f"the heading '## {heading:.80}' is there twice")
            sections[heading] = ""
        elif heading:
            sections[heading] += line + "\n"
    return {heading: text.strip() for heading, text in sections.items()}


def _first(error: ValidationError) -> str:
    first, *more = error.errors()
    # Where several types are legal, pydantic puts the one it tried last into the path.
    field = ".".join(f"{part!s:.80}" for part in first["loc"] if "[" not in str(part))
    came = "" if first["type"] == "missing" else f" (came: {str(first['input'])[:80]!r})"
    others = f"; and {len(more)} more" if more else ""
    return f"field '{field}': {first['msg']}{came}{others}"
