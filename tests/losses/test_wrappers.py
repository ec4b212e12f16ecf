"""Losses around other losses, and differences: what they take over, and what they compute."""

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lossatlas import get_card, get_loss
from lossatlas.contract.inputs import batch_of
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.base import LogitLoss, Loss, Sum, Wrapper


class Counting(LogitLoss):
    """Needs every sort of thing, and remembers."""

    target = "class_index"
    parts = ("cosine_head",)
    owns = ("scale",)
    lr_factor = 5.0
    seen: Tensor

    def setup(self, *, num_classes: int) -> None:
        self.register_buffer("seen", torch.zeros(num_classes))
        self.scale = nn.Parameter(torch.ones(()))

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        if self.training:
            self.seen += 1
        return self.scale * progress * logits.gather(1, target[:, None])[:, 0]

    def end_epoch(self, *, epoch: int) -> None:
        self.seen += 100 * epoch


class Doubled(Wrapper):
    """A wrapper with a need of its own and a value per sample."""

    target = "class_index"

    def __init__(self, loss: Loss | str = "cross_entropy"):
        super().__init__(loss)

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int, **moments: Any) -> Tensor:
        return 2 * epoch * self.wrapped(logits, target, epoch=epoch, **moments)


def data() -> tuple[Tensor, Tensor]:
    logits, target = batch_of(get_card("cross_entropy"), n=8, k=3)
    assert target is not None
    return logits, target


@pytest.mark.parametrize("depth", [1, 2])
def test_a_wrapper_has_what_the_wrapped_loss_has(depth: int) -> None:
    inner = Counting()
    loss: Loss = Doubled(inner)
    if depth == 2:
        loss = get_loss("mae") + Doubled(loss)
    assert loss.requires == ("num_classes", "cosine_head", "progress", "epoch")
    logits, target = data()
    with pytest.raises(ValueError, match="num_classes are needed by this loss"):
        loss(logits, target, progress=0.5, epoch=3)
    loss.provide(num_classes=3)
    assert loss.lr_factor == 5
    with pytest.raises(ValueError, match=r"progress must be given|epoch must be given"):
        loss(logits, target, epoch=3)
    value = loss(logits, target, progress=0.5, epoch=3)
    mine = inner(logits, target, progress=0.5)
    if depth == 1:
        torch.testing.assert_close(value, 6 * mine)
    else:
        torch.testing.assert_close(value, get_loss("mae")(logits, target) + 36 * mine)
    before = inner.seen.clone()
    loss.end_epoch(epoch=2, num_classes=3)
    assert (inner.seen == before + 200).all()
    loss.eval()
    loss(logits, target, progress=0.5, epoch=3)
    assert (inner.seen == before + 200).all()
    assert any(key.endswith("seen") for key in loss.state_dict())


def test_flooding_turns_the_gradient_below_the_level() -> None:
    logits, target = data()
    base = get_loss("focal", gamma=3)
    level = 2 * base(logits, target).item()
    for text, sign in (
        (f"flooding(focal(gamma=3), b={level})", -1),
        ("flooding(focal(gamma=3))", 1),
    ):
        leaf = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(get_loss(text)(leaf, target), leaf)
        (plain,) = torch.autograd.grad(base(leaf, target), leaf)
        torch.testing.assert_close(slope, sign * plain)


def test_a_sum_with_a_part_of_the_batch_has_one_value() -> None:
    logits, target = data()
    loss = get_loss("nce + 0.1 * flooding(gce, b=0.05)", "none")
    expected = get_loss("nce")(logits, target)
    expected = expected + 0.1 * get_loss("flooding(gce, b=0.05)")(logits, target)
    torch.testing.assert_close(loss(logits, target), expected)
    with pytest.raises(ValueError, match="this loss has one per batch"):
        loss(logits, target, weight=torch.ones(8))


def test_a_wrapper_has_the_target_of_what_it_wraps() -> None:
    loss = get_loss("flooding(soft_target_kl, b=0.1)")
    logits, q = batch_of(get_card("soft_target_kl"))
    assert loss.target == "distribution"
    assert loss(logits, q) > 0
    with pytest.raises(ValueError, match="target must be floating point"):
        loss(logits, torch.zeros(6, dtype=torch.int64))


def test_built_by_name_from_text_and_from_an_object() -> None:
    logits, target = data()
    by_name = get_loss("flooding", loss="gce(q=0.5)", b=0.2)
    value = get_loss("flooding(gce(q=0.5), b=0.2)")(logits, target)
    cls: Any = registry.get_class("flooding")
    for loss in (by_name, cls(get_loss("gce", q=0.5), b=0.2), cls("gce(q=0.5)", 0.2)):
        assert torch.equal(loss(logits, target), value)
        assert repr(loss) == "Flooding(loss=GCE(q=0.5), b=0.2)"
        for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
            assert torch.equal(copied(logits, target), value)


def test_differences_in_python() -> None:
    logits, target = data()
    ce, mae = get_loss("cross_entropy"), get_loss("mae")
    loss = ce - 0.5 * mae
    assert isinstance(loss, Sum)
    assert loss.terms() == [(1, ce), (-0.5, mae)]
    torch.testing.assert_close(loss(logits, target), ce(logits, target) - 0.5 * mae(logits, target))
    assert repr(ce - (mae - 2 * ce)) == "CrossEntropy() - MAE() + 2 * CrossEntropy()"
    with pytest.raises(ValueError, match="a difference needs a part with a weight above 0"):
        0 * ce - mae
    with pytest.raises(TypeError, match="unsupported operand"):
        ce - 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("base", "arguments"), [("LogitLoss", "self, loss=1.0"), ("Wrapper", "self, b=1.0")]
)
def test_an_argument_loss_is_that_of_wrappers(
    base: str, arguments: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "losses" / "wrapper" / "wrongly_wrapped.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"from lossatlas.losses.base import {base}\n"
        "from lossatlas.losses.registry import register\n\n\n"
        f"@register\nclass Wrong({base}):\n    target = 'class_index'\n\n"
        f"    def __init__({arguments}): ...\n"
    )
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match="the argument 'loss' is that of a Wrapper"):
        get_loss("wrongly_wrapped")


@pytest.mark.parametrize("wrapper", ["super_loss", "tilted_erm"])
def test_a_wrapper_of_samples_refuses_a_loss_of_the_batch(wrapper: str) -> None:
    with pytest.raises((ValueError, UserError), match="must have a value a sample"):
        get_loss(f"{wrapper}(mmce)")
    logits, target = data()
    assert get_loss(f"{wrapper}(mae)")(logits, target).isfinite()


def test_super_loss_weights_the_gradient_by_its_confidence() -> None:
    logits, target = data()
    losses = get_loss("cross_entropy", "none")(logits, target)
    slopes = []
    for name in ("cross_entropy", "super_loss(tau=1)"):
        leaf = logits.clone().requires_grad_()
        get_loss(name, "sum")(leaf, target).backward()
        assert leaf.grad is not None
        slopes.append(leaf.grad.norm(dim=1))
    w = -(slopes[1] / slopes[0]).log()
    torch.testing.assert_close(w * w.exp(), (losses - 1).clamp(min=-2 / math.e) / 2)
