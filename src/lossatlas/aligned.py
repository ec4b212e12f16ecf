"""Rows of text as aligned lines, for a terminal."""

from collections.abc import Collection, Sequence

from lossatlas.terminal import printable


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A line a row: cells padded to their columns' widths, two spaces apart; none at the end.

    All rows have the same number of cells; those of the columns `right` are flush right. What a
    cell holds is made printable on one line.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
