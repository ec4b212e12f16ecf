"""The figures of a run draw the numbers that they claim to draw."""

import numpy as np
import pytest
import torch

from lossatlas.evaluation import figures, metrics
from lossatlas.evaluation.bundle import Outputs

NAMES = ("cat", "dog", "frog")


@pytest.fixture
def outputs():
    logits = torch.tensor([[3.0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 4, 0], [0, 2, 0], [5, 0, 0]])
    labels = torch.tensor([0, 0, 0, 0, 1, 1])  # no frog
    return Outputs(logits, torch.randn(6, 8), labels, torch.arange(6), NAMES)


def test_confusion_is_the_share_of_each_true_class(outputs):
    figure = figures.draw(outputs)["confusion"]
    (ax,) = figure.axes
    drawn = ax.collections[0].get_array().reshape(3, 3)
    np.testing.assert_allclose(drawn[:2], [[50, 50, 0], [50, 50, 0]])
    assert np.ma.getmaskarray(drawn)[2].all()  # no image, no share
    assert [text.get_text() for text in ax.texts] == ["50", "50", "", "50", "50", ""]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(NAMES)
    assert "accuracy 50.00 %, n = 6" in ax.get_title()


def test_rows_are_the_true_classes(outputs):
    figure = figures.confusion(outputs.logits, torch.zeros(6, dtype=torch.int64), NAMES)
    drawn = figure.axes[0].collections[0].get_array().reshape(3, 3)
    np.testing.assert_allclose(drawn[0], [50, 50, 0])


def test_reliability_draws_the_bins_of_the_ece(outputs):
    figure = figures.draw(outputs)["reliability"]
    above, below = figure.axes
    bins = metrics.reliability(outputs.logits, outputs.labels)
    filled = bins.counts > 0
    x, y = above.lines[1].get_data()
    np.testing.assert_allclose(x, bins.confidence[filled])
    np.testing.assert_allclose(y, bins.accuracy[filled])
    heights = [bar.get_height() for bar in below.patches]
    np.testing.assert_allclose(heights, 100 * bins.counts / 6)
    assert f"ECE {100 * metrics.ece(outputs.logits, outputs.labels):.2f} %" in above.get_title()


def test_features_are_drawn_by_class_along_the_widest_directions():
    axis, labels = torch.zeros(40, 5), torch.arange(40) % 3
    axis[:, 2] = torch.linspace(-3, 3, 40)  # nearly all of the variance
    axis[:, 4] = 1
    only = figures.draw(Outputs(None, axis, labels, labels, NAMES))
    assert list(only) == ["features"]
    (ax,) = only["features"].axes
    assert [len(line.get_xdata()) for line in ax.lines] == [14, 13, 13]
    assert [line.get_label() for line in ax.lines] == list(NAMES)
    spread = [np.ptp(np.concatenate([line.get_data()[i] for line in ax.lines])) for i in (0, 1)]
    assert spread[0] > 1.5 > 0.8 > spread[1] > 0.1


def test_a_hundred_classes_are_drawn_without_their_names():
    labels = torch.arange(200) % 100
    logits = 5 * torch.nn.functional.one_hot(labels, 100).float()
    names = tuple(f"class {k}" for k in range(100))
    drawn = figures.draw(Outputs(logits, torch.randn(200, 4), labels, labels, names))
    (ax,) = drawn["confusion"].axes
    assert not ax.texts
    assert 0 < len(ax.get_xticklabels()) <= 100
    np.testing.assert_allclose(np.diag(ax.collections[0].get_array().reshape(100, 100)), 100)
    found = figures.draw(Outputs(None, torch.randn(200, 4), labels, labels, names))["features"]
    assert len(found.axes[0].lines) == 100
    assert not found.legends
