"""Reports: a pure function of cards, rows, evaluation bundles and the tuning table."""

from lossatlas.report.build import build

__all__ = ["build"]
