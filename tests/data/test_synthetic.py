"""The synthetic stand-in: shaped like CIFAR-10, deterministic, learnable but not trivial."""

import hashlib

import numpy as np
import pytest
import torch

from lossatlas.data.cifar10 import CLASSES
from lossatlas.data.synthetic import synthetic

CAT, DOG = CLASSES.index("cat"), CLASSES.index("dog")


@pytest.fixture(scope="module")
def data():
    return synthetic()


def test_shapes_and_types_are_those_of_cifar10(data):
    assert data.train.images.shape == (2000, 3, 32, 32)
    assert data.test.images.shape == (500, 3, 32, 32)
    for split in data[:2]:
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert not split.images.flags.writeable
        assert not split.labels.flags.writeable


def test_classes_are_balanced_and_mixed(data):
    assert np.bincount(data.train.labels).tolist() == [200] * 10
    assert np.bincount(data.test.labels).tolist() == [50] * 10
    assert len(set(data.train.labels[:50].tolist())) == 10
    assert len(set(data.train.labels[:11].tolist())) < 10  # no round robin


def test_equal_arguments_give_equal_bytes(data):
    for first, again in zip(data[:2], synthetic()[:2], strict=True):
        assert first.images.tobytes() == again.images.tobytes()
        assert first.labels.tobytes() == again.labels.tobytes()


def test_seed_changes_both_splits(data):
    for first, other in zip(data[:2], synthetic(seed=1)[:2], strict=True):
        assert not np.array_equal(first.images, other.images)
        assert not np.array_equal(first.labels, other.labels)


def test_test_split_does_not_depend_on_the_size_of_train(data):
    np.testing.assert_array_equal(synthetic(n_train=30).test.images, data.test.images)


def test_splits_share_no_image(data):
    train, test = ({hashlib.md5(i.tobytes()).digest() for i in s.images} for s in data[:2])
    assert (len(train), len(test)) == (2000, 500)
    assert not train & test


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_linear_classifier_is_well_above_chance_but_not_perfect(seed):
    predicted, test = _fit_linear(synthetic(seed=seed))
    assert 0.6 < (predicted == test.labels).mean() < 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cats_and_dogs_look_alike(seed):
    predicted, test = _fit_linear(synthetic(n_test=2000, seed=seed))
    confused = np.zeros((10, 10), int)
    np.add.at(confused, (test.labels, predicted), 1)
    np.fill_diagonal(confused, 0)
    pairs = confused + confused.T
    assert np.unravel_index(pairs.argmax(), pairs.shape) == (CAT, DOG)


def test_flipping_keeps_the_class():
    data = synthetic()
    predicted, test = _fit_linear(data, flip=True)
    assert (predicted == test.labels).mean() > 0.6


def _fit_linear(data, flip=False):
    """Predictions of a softmax regression, on mirrored test images if `flip`."""
    torch.manual_seed(0)
    inputs, tests = (torch.tensor(s.images).flatten(1) / 128 - 1 for s in data[:2])
    if flip:
        tests = tests.reshape(-1, 3, 32, 32).flip(3).flatten(1)
    targets = torch.tensor(data.train.labels)
    model = torch.nn.Linear(3072, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(5):
        for batch in torch.randperm(len(inputs)).split(100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()
    return model(tests).argmax(1).numpy(), data.test
