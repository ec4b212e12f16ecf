"""The types of hyperparameters, however a constructor writes them."""

import inspect
from enum import Enum
from numbers import Integral, Real
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, Optional, Union

import numpy as np
import pytest

from lossatlas.losses.annotations import field_type, resolved


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (float, float), (int, int), (bool, bool), (str, str),
        (float | None, float | None), (None | int, int | None),
        (Optional[float], float | None),  # noqa: UP045
        (Union[int, float], float),  # noqa: UP007
        (int | float | None, float | None),
        (Annotated[float, "(0, 1]"], float), (ForwardRef("float"), float),
        (NewType("Share", float), float), (Final[float], float), ("Final[float]", float),
        (np.float64, float), (np.float32, float), (np.int64, int), (Real, float), (Integral, int),
        (Literal["a", "b"], str), (Literal[1, 2], int), (Literal["a", 1], Any),
        (Enum("Way", "a", type=str), Any), (Enum("Way", "a", type=int), Any),
        ("float", float), (" float | None ", float | None), ("None | float", float | None),
        ("Optional[float]", float | None), ("typing.Optional[int]", int | None),
        ("Union[int, float, None]", float | None), ("'float'", float),
        ("Annotated[float, 'share']", float), ("int | float", float),
        (Any, Any), (list[float], Any), (float | str, Any), (None, Any), ("None", Any),
        ("list[float]", Any), ("Tensor", Any), ("torch.Tensor | None", Any), ("(", Any), ("", Any),
        ("float, int", Any), ("float | " * 5000 + "float", Any), (3, Any), (..., Any),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_an_annotation_gives_a_type(annotation, kind):
    assert field_type(annotation) == kind


@pytest.mark.parametrize(
    ("default", "kind"),
    [(0.5, float), (True, bool), ("x", str), (3, Any), (None, Any), (inspect.Parameter.empty, Any)],
)
def test_without_one_the_default_does(default, kind):
    assert field_type(inspect.Parameter.empty, default) == kind


NAMES = {"np": np, "Rate": float, "Share": Annotated[float, "(0, 1]"], "Text": "Rate", "me": "me"}


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("Rate", float), ("Rate | None", float | None), ("Share", float), ("Text", float),
        ("'Rate'", float), ("np.float64", float), ("float", float), ("int | None", int | None),
        ("Rate | str", Any), ("Nowhere", Any), ("me", Any), ("1 / 0", Any), ("(", Any),
        ("Optional[float]", float | None), (int, int),
    ],
    ids=str,
)  # fmt: skip
def test_an_alias_left_as_text_is_looked_up_in_its_file(annotation, kind):
    assert field_type(resolved(annotation, NAMES)) == kind
