"""Reading a card: what is wrong is told in one sentence that names the file and the field."""

import random
from pathlib import Path

import pytest

from lossatlas import cards
from lossatlas.errors import UserError

CARD = """---
id: mine
name: My loss
family: margin
target: class_index
paper:
  title: A Paper
  authors: [Ada Lovelace]
  venue: Somewhere
  year: 2024
formula: 'a^2'
hyperparameters:
  scale:
    default: 1.0
    range: "(0, 2]"
    meaning: a factor
    source: the paper
properties:
  bounded: true
  shift_invariant: {value: unknown, note: not studied}
examples:
  - {says: zero, source: by hand, logits: [0, 0], target: 0, value: 0}
published:
  - {value: 90.1, metric: accuracy %, setting: clean, source: its table 2, by: authors}
evidence: {level: C, checked: derived}
---
Text before the first heading belongs to no section.
## What it computes
One.
### A smaller heading stays inside
## (x, y)
Two.
## Why it is different
Three.
## Traps
Four.
"""


def write(tmp_path: Path, text: str, family: str = "margin", name: str = "mine") -> Path:
    path = tmp_path / family / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def replaced(old: str, new: str) -> str:
    assert old in CARD
    return CARD.replace(old, new)


def test_card_is_read(tmp_path: Path) -> None:
    card = cards.read(write(tmp_path, CARD))
    assert card.id == "mine"
    assert card.properties["bounded"].value is True
    assert card.properties["shift_invariant"].note == "not studied"
    assert card.prose["What it computes"] == "One.\n### A smaller heading stays inside"
    assert list(card.prose) == list(cards.SECTIONS)
    assert card.todo == []


def test_windows_line_ends_make_no_difference(tmp_path: Path) -> None:
    path = write(tmp_path, CARD)
    unix = cards.read(path)
    path.write_bytes(CARD.replace("\n", "\r\n").encode())
    assert cards.read(path) == unix


def test_a_byte_order_mark_and_blanks_after_the_marks_make_no_difference(tmp_path: Path) -> None:
    path = write(tmp_path, CARD)
    plain = cards.read(path)
    path.write_text("\ufeff" + CARD.replace("---\n", "--- \t\n"), encoding="utf-8")
    assert cards.read(path) == plain


def test_a_heading_inside_code_is_code(tmp_path: Path) -> None:
    card = cards.read(write(tmp_path, CARD + "```\n## Traps\n```\n"))
    assert card.prose["Traps"] == "Four.\n```\n## Traps\n```"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("formula: 'a^2'", "formula: 'a^2'\ncolour: red", "colour"),
        ("  venue: Somewhere", "  venue: Somewhere\n  pages: 3", "paper.pages"),
        ("formula: 'a^2'\n", "", "formula"),
        ("year: 2024", "year: recently", "paper.year"),
        ("year: 2024", "year: 20240", "paper.year"),
        ("authors: [Ada Lovelace]", "authors: []", "paper.authors"),
        ("authors: [Ada Lovelace]", "authors: Ada Lovelace", "paper.authors"),
        ("target: class_index", "target: classes", "target"),
        ("bounded: true", "pretty: true", "properties.pretty"),
        ("bounded: true", "bounded: maybe", "properties.bounded"),
        ("default: 1.0", "default: 0", "hyperparameters.scale"),
        ("default: 1.0", "default: two", "hyperparameters.scale.default"),
        ('range: "(0, 2]"', "range: positive", "hyperparameters.scale"),
        ("    meaning: a factor\n", "", "hyperparameters.scale.meaning"),
        ("logits: [0, 0], ", "", "examples.0"),
        ("logits: [0, 0]", "logits: [0, 0], embeddings: [[[1]]]", "examples.0"),
        ("value: 0}", "value: 0, tolerance: 0}", "examples.0.tolerance"),
        ("value: 0}", "value: nothing}", "examples.0.value"),
        ("level: C", "level: D", "evidence.level"),
        ("id: mine", "id: yours", "id"),
        ("id: mine", "id: My-Loss", "id"),
        ("family: margin", "family: likelihood", "family"),
        ("family: margin", "family: hinges", "family"),
        ("formula: 'a^2'", "formula: 'a^2'\nprose: text", "prose"),
        ("formula: 'a^2'", "formula: 'a^2'\n1: text", "1"),
        ("authors: [Ada Lovelace]", "authors: ['']", "paper.authors.0"),
        ("authors: [Ada Lovelace]", "authors: [' ']", "paper.authors.0"),
        ("name: My loss", "name: ''", "name"),
        ("year: 2024", "year: true", "paper.year"),
        ("default: 1.0", "default: .nan", "hyperparameters.scale.default"),
        ("default: 1.0", "default: .inf", "hyperparameters.scale.default"),
        ("default: 1.0", "default: 1.0e+999", "hyperparameters.scale.default"),
        ("default: 1.0", "default: true", "hyperparameters.scale.default"),
        ('range: "(0, 2]"', f"range: '(0, {'1' * 9_000}'", "hyperparameters.scale"),
        ("  scale:\n", "  '<b>':\n", "hyperparameters.<b>"),
        ("value: 0}", "value: .nan}", "examples.0.value"),
        ("value: 0}", "value: 0, tolerance: 0.1}", "examples.0.tolerance"),
        ("value: 0}", "value: 0, printed: .inf}", "examples.0.printed"),
        ("value: 0}", "value: 0, hyperparameters: {scale: 3}}", ""),
        ("value: 0}", "value: 0, hyperparameters: {size: 1}}", ""),
        ("logits: [0, 0]", "logits: [0, .inf]", "examples.0.logits.1"),
        ("target: 0,", "target: 2,", "examples.0"),
        ("target: 0,", "target: true,", "examples.0.target"),
        ("formula: 'a^2'", "formula: 'a^2'\nlimits: [{equals: mae, tolerance: 9}]", "limits.0"),
        ("formula: 'a^2'", "formula: 'a^2'\nlimits: [{equals: mae, when: {x: 1}}]", ""),
        ("formula: 'a^2'", "formula: 'a^2'\nlimits: [{equals: <b>}]", "limits.0.equals"),
        ("by: authors", "by: us", "published.0.by"),
        ("source: its table 2, ", "", "published.0.source"),
    ],
)
def test_wrong_field_is_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    path = write(tmp_path, replaced(old, new))
    with pytest.raises(UserError) as caught:
        cards.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: field '{field}")
    assert "\n" not in message


def searched(low: str, high: str, scale: str) -> str:
    field = f"    search: {{low: {low}, high: {high}, scale: {scale}}}\n"
    return replaced("    meaning: a factor\n", "    meaning: a factor\n" + field)


def test_where_to_search_is_read_and_is_no_fact_of_the_loss(tmp_path: Path) -> None:
    card = cards.read(write(tmp_path, searched("0.5", "2", "log")))
    assert str(card.hyperparameters["scale"].search) == "[0.5, 2] (log)"
    plain = cards.read(write(tmp_path, CARD))
    assert plain.hyperparameters["scale"].search is None
    assert card.model_dump() == plain.model_dump()  # verdicts depend on what is dumped


@pytest.mark.parametrize(
    ("low", "high", "scale", "says"),
    [
        ("0", "2", "linear", r"search \[0, 2\] \(linear\) leaves the range \(0, 2\]"),
        ("1", "2.5", "linear", r"search \[1, 2.5\] \(linear\) leaves the range \(0, 2\]"),
        ("0", "1", "log", "low must be above 0 on a log scale, not 0.0"),
        ("1", "1", "linear", "low must be below high, not 1.0 and 1.0"),
        ("2", "1", "linear", "low must be below high"),
        ("1", ".inf", "linear", "should be a finite number"),
        ("0.1", "0.5", "log", r"search \[0.1, 0.5\] \(log\) leaves out the default 1.0"),
        ("1.5", "2", "log", "leaves out the default 1.0"),
        ("0.5", "2", "integer", "low and high must be whole, not 0.5 and 2.0"),
        ("1", "2", "cubic", "'linear', 'log' or 'integer'"),
    ],
)
def test_wrong_search_is_told(tmp_path: Path, low: str, high: str, scale: str, says: str) -> None:
    path = write(tmp_path, searched(low, high, scale))
    with pytest.raises(UserError, match=says) as caught:
        cards.read(path)
    assert str(caught.value).startswith(f"{path}: field 'hyperparameters.scale")


def test_a_search_of_whole_numbers_needs_a_whole_default(tmp_path: Path) -> None:
    text = searched("1", "2", "integer").replace("default: 1.0", "default: 1.5")
    with pytest.raises(UserError, match=r"leaves out the default 1\.5"):
        cards.read(write(tmp_path, text))


def test_default_outside_its_range_is_quoted(tmp_path: Path) -> None:
    path = write(tmp_path, replaced("default: 1.0", "default: 3"))
    with pytest.raises(UserError, match=r"default 3\.0 lies outside its own range \(0, 2\]"):
        cards.read(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with YAML front matter"),
        ("# A heading\n", "begins with YAML front matter"),
        ("---\nid: mine\n", "begins with YAML front matter"),
        (replaced("authors: [Ada Lovelace]", "authors: [Ada"), "line 9: not YAML"),
        ("---\n- a list\n---\n", "must be a mapping"),
        ("---\n\n---\n", "must be a mapping"),
        ("---\n---\n", "must be a mapping"),
        (
            replaced("year: 2024", "year: 2024\n  year: 2025"),
            "line 11: the key 'year' is given twice",
        ),
        (replaced("year: 2024", "year: " + "9" * 5_000), "line 10: .*is too large"),
        (replaced("formula: 'a^2'", "formula: &a [*a]"), "line 11: .*inside what it stands for"),
        (replaced("formula: 'a^2'", "formula: " + "[" * 100_000), "line 11: is nested deeper"),
        (CARD + "## Traps\nFive.\n", "the heading '## Traps' is there twice"),
        (CARD + "\x1b[31m", "line 37: the character"),
    ],
)
def test_broken_front_matter_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=says) as caught:
        cards.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, CARD)
    path.write_bytes("name: Dollár".encode("latin-1"))
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        cards.read(path)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.md: no such file"):
        cards.read(tmp_path / "nowhere.md")


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("## Traps\nFour.\n", "", "section 'Traps' is empty"),
        ("Four.", "", "section 'Traps' is empty"),
        ("Four.", "TODO", "section 'Traps' says TODO"),
        ("formula: 'a^2'", "formula: TODO", "formula says TODO"),
        ("title: A Paper", "title: TODO", "paper says TODO"),
        ("meaning: a factor", "meaning: TODO", "hyperparameters says TODO"),
        (
            "examples:\n  - {says: zero, source: by hand, logits: [0, 0], target: 0, value: 0}\n",
            "",
            "no worked example",
        ),
    ],
)
def test_unfinished_card_says_what_is_left(tmp_path: Path, old: str, new: str, left: str) -> None:
    assert cards.read(write(tmp_path, replaced(old, new))).todo == [left]


class Agrees:
    """What the card describes."""

    target = "class_index"
    requires: tuple[str, ...] = ()
    gradient = ""
    log_probabilities = None

    def __init__(self, scale: float = 1.0): ...


class OtherDefault(Agrees):
    """Differs in a default."""

    def __init__(self, scale: float = 2.0): ...


class OtherName(Agrees):
    """Differs in a name."""

    def __init__(self, size: float = 1.0): ...


class OtherTarget(Agrees):
    """Differs in its target."""

    target = "distribution"


class OtherNeeds(Agrees):
    """Differs in what it requires."""

    requires = ("num_classes",)


class HoldsFixed(Agrees):
    """Differs in what its gradient holds fixed."""

    gradient = "the weight"


@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (Agrees, []),
        (OtherDefault, ["default of scale: card 1.0, code 2.0"]),
        (OtherName, ["hyperparameters: card ['scale'], code ['size']"]),
        (OtherTarget, ["target: card class_index, code distribution"]),
        (OtherNeeds, ["requires: card [], code ['num_classes']"]),
        (HoldsFixed, ["gradient: card False, code True"]),
    ],
)
def test_differences_between_card_and_code(tmp_path: Path, cls: type, found: list[str]) -> None:
    assert cards.differences(cards.read(write(tmp_path, CARD)), cls) == found


@pytest.mark.parametrize(
    ("authors", "citation"),
    [
        (["Ada Lovelace"], "Lovelace (2024)"),
        (["Ada Lovelace", "Alan Turing"], "Lovelace and Turing (2024)"),
        (["Ada Lovelace", "Alan Turing", "Emmy Noether"], "Lovelace et al. (2024)"),
    ],
)
def test_citation_of_a_paper(authors: list[str], citation: str) -> None:
    paper = cards.Paper(title="A Paper", authors=authors, venue="Somewhere", year=2024)
    assert paper.citation == citation
    assert paper.url is None


def test_link_of_a_paper_prefers_arxiv() -> None:
    paper = cards.Paper(
        title="A Paper", authors=["Ada Lovelace"], venue="Somewhere", year=2024, doi="10.1/2"
    )
    assert paper.url == "https://doi.org/10.1/2"
    assert paper.model_copy(update={"arxiv": "1"}).url == "https://arxiv.org/abs/1"


TOKENS = (
    "null", "[]", "{}", "-1", "1.0e+999", ".nan", "true", '""', "*a", "&a ", "!!set {}", "? ", "- ",
    "9" * 50, '"\\x00"', "'", ": ", "\n", "---", "## Traps", "2020-99-99", "\t", "\u2028",
)  # fmt: skip


def test_a_mutated_card_is_read_or_refused_in_a_sentence_with_its_file(tmp_path: Path) -> None:
    """A seeded fuzz of the text; whatever is read can be cited and told about."""
    dice = random.Random(11)
    read, refused = 0, []
    for _ in range(400):
        lines = CARD.split("\n")
        for _ in range(dice.randint(1, 2)):
            at = dice.randrange(len(lines))
            line, token = lines[at], dice.choice(TOKENS)
            place = dice.randint(0, len(line))
            changes = [[], [line, line], [f"{line.split(':')[0]}: {token}"]]
            lines[at : at + 1] = dice.choice([*changes, [line[:place] + token + line[place:]]])
        path = write(tmp_path, "\n".join(lines))
        try:
            card = cards.read(path)
        except UserError as error:
            refused.append(str(error))
        else:
            read += 1
            assert str(card.paper.year) in card.paper.citation
            assert isinstance(card.todo, list)
    assert min(read, len(refused)) > 20
    assert all(says.startswith(str(path)) and "\n" not in says for says in refused)
