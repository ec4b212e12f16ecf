"""The list of checks: one function per property, found by the property's name."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from lossatlas.losses.kinds import KINDS
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding

Where = Literal["logits", "embeddings", "both"]


class Check(NamedTuple):
    """One property's check: its name as on cards, what it applies to, its source, how large
    inputs it looks at (None: it says so itself), and at how many classes (None: the subject's)."""

    prop: str
    on: Where
    reference: str
    reach: float | None
    classes: int | None
    run: Callable[[Subject], Finding]

    @property
    def statement(self) -> str:
        """The property in one sentence: the first line of the check's docstring."""
        return (self.run.__doc__ or "").strip().splitlines()[0]

    def misfit(self, subject: Subject) -> str | None:
        """Why the property is not about this kind of loss, or None if it is."""
        kind = KINDS[subject.target]
        if kind.names == "wrong":
            return "a complementary label does not say which class is right"
        if not subject.on_embeddings and not subject.of_samples:
            return "its value is no function of one sample's scores of the classes"
        if self.on in ("both", kind.inputs):
            return None
        return f"a property of losses on {self.on}"


CHECKS: dict[str, Check] = {}


def check(
    on: Where, reference: str, reach: float | None = None, classes: int | None = None
) -> Callable[[Callable[[Subject], Finding]], Callable[[Subject], Finding]]:
    """Register a function as the check of the property of its name."""

    def register(run: Callable[[Subject], Finding]) -> Callable[[Subject], Finding]:
        CHECKS[run.__name__] = Check(run.__name__, on, reference, reach, classes, run)
        return run

    return register
