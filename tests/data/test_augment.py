"""Augmentation against naive versions of itself, and batches that can be made again."""

import pytest
import torch

from lossatlas.data import augment
from lossatlas.data.batches import Images, PlainBatches, TrainBatches, grouped
from lossatlas.data.cifar10 import PUBLISHED
from lossatlas.seeds import derive

GENERATOR = torch.Generator().manual_seed(0)
PIXELS = torch.randint(0, 256, (40, 32, 32, 3), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(40) % 10
IMAGES = Images(PIXELS, LABELS, LABELS, torch.arange(40), PUBLISHED)


def test_normalised_images_have_the_channels_of_the_formula():
    x = augment.normalise(PIXELS, PUBLISHED)
    assert x.shape == (40, 3, 32, 32)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = (PIXELS[5, 6, 7, 2] / 255 - PUBLISHED.mean[2]) / PUBLISHED.std[2]
    torch.testing.assert_close(x[5, 2, 6, 7], expected)


def test_padding_reflects_without_the_edge():
    planes = PIXELS.permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.pad(planes, (2, 2, 2, 2), mode="reflect").permute(0, 2, 3, 1)
    assert torch.equal(augment.pad(PIXELS), expected.byte())


def test_each_crop_is_a_window_mirrored_when_told():
    padded = augment.pad(PIXELS)
    rows = torch.randperm(40, generator=GENERATOR)
    flip = torch.arange(40) % 2 == 0
    crops = augment.crop_and_flip(padded, rows, flip, GENERATOR)
    offsets = set()
    for crop, row, mirrored in zip(crops, rows, flip, strict=True):
        crop = crop.flip(1) if mirrored else crop
        places = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if torch.equal(padded[row, i : i + 32, j : j + 32], crop)
        ]
        assert len(places) == 1
        offsets.add(places[0])
    assert len(offsets) > 10  # of 25


def test_flips_alternate_by_epoch():
    first, second, third = (augment.alternating_flip(100, 3, epoch) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 30 < first.sum() < 70


def test_views_are_random_finite_and_of_the_same_image():
    views = [augment.simclr_view(PIXELS, GENERATOR, PUBLISHED) for _ in range(2)]
    assert views[0].shape == (40, 3, 32, 32)
    assert views[0].isfinite().all()
    assert not torch.equal(*views)
    flat = torch.full((64, 32, 32, 3), 128, dtype=torch.uint8)  # grey stays grey under any hue
    channels = (
        augment.simclr_view(flat, GENERATOR, PUBLISHED) * torch.tensor(PUBLISHED.std)[:, None, None]
    )
    channels = channels + torch.tensor(PUBLISHED.mean)[:, None, None]
    spread = channels.amax((1, 2, 3)) - channels.amin((1, 2, 3))
    # the published YIQ matrix has three decimals, so grey is kept to about a hundredth
    assert spread.max() < 0.02


def test_some_views_are_grey_and_some_keep_their_colours():
    colour = torch.zeros(200, 32, 32, 3, dtype=torch.uint8)
    colour[..., 0] = 200
    x = (
        augment.simclr_view(colour, GENERATOR, PUBLISHED)
        * torch.tensor(PUBLISHED.std)[:, None, None]
    )
    x = (x + torch.tensor(PUBLISHED.mean)[:, None, None]).mean((2, 3))
    grey = (x.amax(1) - x.amin(1)) < 0.02
    assert 0.1 < grey.float().mean() < 0.3  # probability 0.2, 200 draws


def test_an_epoch_can_be_made_again_and_differs_from_the_next():
    padded = augment.pad(PIXELS)

    def epoch(number, seed=0, views=(), per_class=1):
        batches = TrainBatches(IMAGES, padded, 16, seed, number, views, per_class)
        assert len(batches) == len(list(batches)) == 2
        return [
            torch.cat([x.flatten(1) for x, _, _ in batches]),
            torch.cat([y for _, y, _ in batches]),
        ]

    sorts = [((), 1), ((), 4), (("strong",), 1), (("strong", "weak"), 2), (("weak",) * 3, 1)]
    for views, per_class in sorts:
        one, same, later, other = (
            epoch(n, s, views, per_class) for n, s in ((0, 0), (0, 0), (1, 0), (0, 1))
        )
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
        assert not torch.equal(one[0], later[0])
        assert not torch.equal(one[0], other[0])
        assert len(one[0]) == max(len(views), 1) * len(one[1])


@pytest.mark.parametrize("views", [(), ("strong",), ("weak", "strong")])
def test_every_loss_sees_the_targets_of_the_scenario(views):
    """Never the true labels: a supervised loss on embeddings learns from the wrong ones, too."""
    target = (IMAGES.labels + 1) % 10
    batches = TrainBatches(IMAGES._replace(target=target), augment.pad(PIXELS), 16, 0, 0, views)
    order = torch.randperm(
        len(PIXELS), generator=torch.Generator().manual_seed(derive(0, "order", 0))
    )
    for i, (_, seen, rows) in enumerate(batches):
        assert torch.equal(rows, order[16 * i : 16 * (i + 1)])
        assert torch.equal(seen, target[rows])


def test_a_weak_view_is_a_crop_mirrored_or_not_and_a_strong_one_is_not():
    padded = augment.pad(PIXELS)
    (batch,) = TrainBatches(IMAGES, padded, 40, 0, 0, ("weak", "strong"))
    weak, strong = batch.inputs.unflatten(0, (2, 40))
    windows = [padded[:, i : i + 32, j : j + 32] for i in range(5) for j in range(5)]
    windows += [window.flip(2) for window in windows]
    every = torch.stack([augment.normalise(window, PUBLISHED) for window in windows])[
        :, batch.indices
    ]
    assert (every == weak).flatten(2).all(2).any(0).all()
    assert not (every == strong).flatten(2).all(2).any()
    mirrored = (every == weak).flatten(2).all(2).nonzero()[:, 0] >= 25
    assert 5 < mirrored.sum() < 35


@pytest.mark.parametrize("size", [2, 4, 8])
def test_batches_of_groups_hold_so_many_samples_of_a_class(size):
    wrong = torch.tensor([0] * 3 + [1] * 14 + [2] * 23)[torch.randperm(40, generator=GENERATOR)]
    images = IMAGES._replace(target=wrong)  # the labels in use, not the true ones
    batches = TrainBatches(images, augment.pad(PIXELS), 8, 0, 0, (), size)
    assert len(batches) == len(list(batches)) == 5
    for _, target, rows in batches:
        assert torch.equal(target, wrong[rows])
        assert all(len(group.unique()) == 1 for group in target.split(size))


def test_groups_leave_no_row_out_and_come_in_random_order():
    classes, generator = torch.arange(40) % 10, torch.Generator().manual_seed(0)
    rows = grouped(torch.arange(40), classes, 4, generator)
    assert sorted(rows.tolist()) == list(range(40))
    firsts = classes[rows[::4]].tolist()
    assert sorted(firsts) == list(range(10)) != firsts
    assert len(grouped(torch.arange(40), classes, 3, generator)) == 60  # 4 rows fill 2 groups
    assert grouped(torch.tensor([5]), classes, 3, generator).tolist() == [5, 5, 5]


def test_plain_batches_cover_everything_in_order():
    parts = list(PlainBatches(IMAGES, 16))
    assert [len(labels) for _, _, labels in parts] == [16, 16, 8]
    assert torch.equal(torch.cat([x for x, _, _ in parts]), augment.normalise(PIXELS, PUBLISHED))
