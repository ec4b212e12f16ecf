"""The course's statements about losses, each with a numeric check that can fail."""

from lossatlas.lecture.sections import SECTIONS, Section
from lossatlas.lecture.statement import Outcome, Relation, Statement, decide

__all__ = ["SECTIONS", "Outcome", "Relation", "Section", "Statement", "decide"]
