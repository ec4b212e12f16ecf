"""The pages of docs/: their code runs, and their tables are those of the code.

`python tests/test_docs.py` writes the tables anew.
"""

import re

from lossatlas import resources
from lossatlas.losses.needs import NEEDS

PAGE = resources.CHECKOUT / "docs" / "losses.md"


def with_tables(text: str) -> str:
    """The page with the table of needs as the code has it."""
    rows = [f"| `{word}` | {need.sort} | {need.says} |" for word, need in NEEDS.items()]
    table = "\n".join(["| need | sort | what it is |", "|---|---|---|", *rows])
    head, rest = text.split("<!-- needs -->")
    return f"{head}<!-- needs -->\n{table}\n<!-- /needs -->" + rest.split("<!-- /needs -->")[1]


def test_the_table_of_needs_is_that_of_the_code() -> None:
    text = PAGE.read_text()
    assert text == with_tables(text), "run python tests/test_docs.py"


def test_the_code_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    exec("\n".join(blocks), {"__name__": "docs"})


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
