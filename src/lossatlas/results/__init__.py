"""The run store: where runs lie, what state they are in, and their rows as a table."""

from lossatlas.results.store import load

__all__ = ["load"]
