"""A small stand-in for CIFAR-10: same shapes and classes, for tests and air-gapped trials."""

from functools import lru_cache

import numpy as np

from lossatlas.data.cifar10 import CLASSES, Dataset, ImageSet

SIGNAL, CLUTTER, NOISE = 24.0, 18.0, 60.0  # grey levels (standard deviations)
CAT_IN_DOG = 0.9  # correlation of the dog's pattern with the cat's


@lru_cache(maxsize=2)
def synthetic(n_train: int = 2000, n_test: int = 500, seed: int = 0) -> Dataset:
    """Ten balanced classes of noisy colour patterns, sized and typed like CIFAR-10; read-only.

    A class is a coarse, tinted, mirror-symmetric pattern (so that flips keep it), shown with a
    random contrast under clutter of the same make and pixel noise; cat (3) and dog (5) share most
    of theirs. The patterns depend on `seed` only, a split on `seed` and its own size; equal
    arguments give bit-identical arrays.
    """
    patterns = _coarse(np.random.default_rng([seed, 0]), len(CLASSES))
    patterns = (patterns + patterns[..., ::-1]) / np.sqrt(2)
    cat, dog = CLASSES.index("cat"), CLASSES.index("dog")
    patterns[dog] = CAT_IN_DOG * patterns[cat] + np.sqrt(1 - CAT_IN_DOG**2) * patterns[dog]
    return Dataset(
        train=_draw(np.random.default_rng([seed, 1]), patterns, n_train),
        test=_draw(np.random.default_rng([seed, 2]), patterns, n_test),
    )


def _coarse(rng: np.random.Generator, n: int) -> np.ndarray:
    """Random fields float64 (n, 3, 32, 32): one normal deviate a 4 x 4 block, one a channel."""
    blocks = rng.standard_normal((n, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    return blocks + rng.standard_normal((n, 3, 1, 1))


def _draw(rng: np.random.Generator, patterns: np.ndarray, n: int) -> ImageSet:
    labels = rng.permutation(np.arange(n, dtype=np.int64) % len(patterns))
    contrast = rng.uniform(size=(n, 1, 1, 1))  # the faintest cannot be told apart
    images = 128 + SIGNAL * contrast * patterns[labels] + CLUTTER * _coarse(rng, n)
    images += NOISE * rng.standard_normal(images.shape)
    drawn = ImageSet(images.round().clip(0, 255).astype(np.uint8), labels)
    for array in drawn:
        array.setflags(write=False)
    return drawn
