"""The run store: where runs lie, what state they are in, and their rows as a table."""

from lossatlas.results.frames import load, load_epochs

__all__ = ["load", "load_epochs"]
