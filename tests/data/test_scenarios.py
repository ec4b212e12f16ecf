"""Scenarios: which targets the training images get, and which images are left by the long tail."""

import hashlib

import pytest
import torch

from lossatlas.data import scenarios
from lossatlas.data.cifar10 import CLASSES
from lossatlas.errors import UserError
from lossatlas.evaluation.metrics import hits

CAT, DOG = CLASSES.index("cat"), CLASSES.index("dog")
LABELS = torch.arange(10).repeat(500)
PETS = (LABELS == CAT) | (LABELS == DOG)
CIFAR = torch.arange(10).repeat(5000)
NOISE = ("symmetric_noise", "asymmetric_noise")


def targets(scenario, labels, kind, seed, probability, classes=CLASSES):
    conf = {"name": scenario}
    if scenario not in ("clean", "complementary", "long_tail"):
        conf["probability"] = probability
    return scenarios.targets(conf, labels, kind, classes, seed)


def long_tail(labels, imbalance, seed, classes=CLASSES):
    return scenarios.rows({"name": "long_tail", "imbalance": imbalance}, labels, classes, seed)


def digest(tensor):
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()[:16]


# of 5000 shuffled labels, at seeds 0 and 3; made by the code of revision 981a5b2
REALISED = {
    ("clean", "class_index"): ("6efa196a3822c36f", "6efa196a3822c36f"),
    ("clean", "label_set"): ("b9f558351c38cbd8", "b9f558351c38cbd8"),
    ("clean", "distribution"): ("10781e33915d9741", "10781e33915d9741"),
    ("ambiguous_pets", "class_index"): ("adf34cad83874c42", "ad1924aff48f0bd7"),
    ("ambiguous_pets", "label_set"): ("dbf41c04c14b1f07", "543406187e935ec7"),
    ("ambiguous_pets", "distribution"): ("e21c28bfdfc3f153", "9858d07b0c9b7738"),
    ("ambiguous_pets", "two_view"): ("adf34cad83874c42", "ad1924aff48f0bd7"),
    ("symmetric_noise", "class_index"): ("c2a3be03fdac3f70", "07b69af5fb8e70d4"),
    ("symmetric_noise", "label_set"): ("f7f545d73592f919", "5e2660c2d78c27f9"),
    ("symmetric_noise", "distribution"): ("64b3619dc1b8df78", "b27b6221561b71c7"),
    ("asymmetric_noise", "class_index"): ("72adabb78304ce1f", "96c2010d31b12208"),
    ("asymmetric_noise", "label_set"): ("b1aee263c0f7fe3b", "2061d663a1b2d6a4"),
    ("asymmetric_noise", "distribution"): ("7cd5836ba94b493d", "8d81d1d34c66dc4e"),
}
TAILS = {
    10: ("8aa583018a02d80f", "522221fa1f9efdd8"),
    100: ("6bd532ad2ed7c79e", "fe8258b84cf43401"),
}


def test_the_labels_and_images_of_a_seed_are_what_they_always_were():
    labels = LABELS[torch.randperm(5000, generator=torch.Generator().manual_seed(5))]
    shares = {"ambiguous_pets": 0.5}
    for (name, kind), known in REALISED.items():
        found = [targets(name, labels, kind, seed, shares.get(name, 0.4)) for seed in (0, 3)]
        assert tuple(map(digest, found)) == known, (name, kind)
    for imbalance, known in TAILS.items():
        assert tuple(digest(long_tail(labels, imbalance, s)) for s in (0, 3)) == known


def test_clean_lifts_the_labels_and_leaves_them():
    assert torch.equal(targets("clean", LABELS, "class_index", 0, 0.5), LABELS)
    assert torch.equal(targets("clean", LABELS, "two_view", 0, 0.5), LABELS)
    one_hot = torch.nn.functional.one_hot(LABELS, 10)
    assert torch.equal(targets("clean", LABELS, "label_set", 0, 0.5), one_hot.bool())
    assert torch.equal(targets("clean", LABELS, "distribution", 0, 0.5), one_hot.float())


def test_ambiguous_pets_agree_across_types_of_target():
    sets = targets("ambiguous_pets", LABELS, "label_set", 7, 0.5)
    soft = targets("ambiguous_pets", LABELS, "distribution", 7, 0.5)
    hard = targets("ambiguous_pets", LABELS, "class_index", 7, 0.5)
    unclear = sets.sum(1) == 2
    assert not unclear[~PETS].any()
    assert abs(unclear[PETS].float().mean() - 0.5) < 0.05  # 1000 fair coins: sd 0.016
    assert sets[unclear][:, [CAT, DOG]].all()
    assert torch.equal(soft, sets / sets.sum(1, keepdim=True))
    assert torch.equal(hard[~unclear], LABELS[~unclear])
    assert set(hard[unclear].tolist()) == {CAT, DOG}
    wrong = (hard != LABELS)[unclear].float().mean()
    assert abs(wrong - 0.5) < 0.08
    assert hits(torch.nn.functional.one_hot(hard, 10).float(), sets).all()


def test_the_labels_depend_on_the_seed_and_probability_alone():
    def draw(seed, p=0.5):
        return targets("ambiguous_pets", LABELS, "class_index", seed, p)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(draw(1, 0.0), LABELS)
    assert (targets("ambiguous_pets", LABELS, "label_set", 1, 1.0)[PETS].sum(1) == 2).all()


def noise(scenario, labels=CIFAR, share=0.4, seed=0, kind="class_index"):
    return targets(scenario, labels, kind, seed, share)


@pytest.mark.parametrize(("share", "count"), [(0.2, 1000), (0.4, 2000), (0.6, 3000), (0.8, 4000)])
def test_symmetric_noise_gives_that_share_of_each_class_another_class(share, count):
    labels = noise("symmetric_noise", share=share)
    for k in range(10):
        others = torch.bincount(labels[k::10], minlength=10)
        assert others[k] == 5000 - count
        expected, others = count / 9, others[torch.arange(10) != k]
        assert ((others - expected) ** 2 / expected).sum() < 30  # chi-squared, 8 degrees: p < 3e-4


@pytest.mark.parametrize(("share", "count"), [(0.2, 1000), (0.3, 1500), (0.4, 2000)])
def test_asymmetric_noise_takes_the_class_that_looks_alike(share, count):
    labels = noise("asymmetric_noise", share=share)
    found = torch.zeros(10, 10, dtype=torch.int64).index_put_(
        (CIFAR, labels), torch.tensor(1), accumulate=True
    )
    expected = 5000 * torch.eye(10, dtype=torch.int64)
    # truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog
    for true, given in ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3)):
        expected[true, true], expected[true, given] = 5000 - count, count
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("share", "n", "count"), [(0.29, 100, 29), (0.999, 10, 9), (0.0, 7, 0), (1.0, 7, 7)]
)
def test_the_share_of_a_class_is_rounded_down(share, n, count):
    """0.29 of 100 is 29, although the product of floats is 28.999999999999996."""
    labels = torch.cat([torch.full((n,), CAT), torch.full((1000,), DOG)])
    for scenario in NOISE:
        assert (noise(scenario, labels, share) != labels)[:n].sum() == count


@pytest.mark.parametrize("scenario", NOISE)
def test_noise_depends_on_the_seed_and_grows_with_the_share(scenario):
    labels = noise(scenario)
    assert torch.equal(noise(scenario), labels)
    assert not torch.equal(noise(scenario, seed=1), labels)
    fewer, wrong = noise(scenario, share=0.2), labels != CIFAR
    assert torch.equal(fewer[fewer != CIFAR], labels[fewer != CIFAR])
    assert 0 < (fewer != CIFAR).sum() < wrong.sum()


@pytest.mark.parametrize("scenario", NOISE)
def test_every_type_of_target_has_the_same_wrong_labels(scenario):
    labels = noise(scenario)
    one_hot = torch.nn.functional.one_hot(labels, 10)
    assert torch.equal(noise(scenario, kind="two_view"), labels)
    assert torch.equal(noise(scenario, kind="label_set"), one_hot.bool())
    assert torch.equal(noise(scenario, kind="distribution"), one_hot.float())


@pytest.mark.parametrize(
    ("imbalance", "sizes"),
    [
        (10, [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]),
        (100, [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]),
        (1, [5000] * 10),
    ],
)
def test_the_long_tail_has_the_published_sizes(imbalance, sizes):
    rows = long_tail(CIFAR, imbalance, 0)
    assert torch.bincount(CIFAR[rows]).tolist() == sizes
    assert (rows.diff() > 0).all()


def test_the_long_tail_depends_on_the_seed_and_shrinks_with_the_imbalance():
    rows = long_tail(CIFAR, 100, 0)
    assert torch.equal(long_tail(CIFAR, 100, 0), rows)
    other = long_tail(CIFAR, 100, 1)
    rare = [set(r[CIFAR[r] == 9].tolist()) for r in (rows, other)]
    assert len(rare[0] & rare[1]) < 5  # 50 of 5000, twice: half an image is expected in both
    assert set(rows.tolist()) < set(long_tail(CIFAR, 10, 0).tolist())
    assert torch.equal(targets("long_tail", CIFAR, "class_index", 0, 0.0), CIFAR)


def test_the_long_tail_starts_from_the_largest_class():
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate([90, 100, *[95] * 8])])
    kept = torch.bincount(labels[long_tail(labels, 1.08, 0)]).tolist()
    assert kept == [90, 99, 95, 95, 95, 95, 94, 94, 93, 92]  # 100 1.08^(-k/9), or all there are


def test_a_class_without_an_image_is_refused():
    assert len(long_tail(LABELS, 500, 0)[LABELS[long_tail(LABELS, 500, 0)] == 9]) == 1
    with pytest.raises(UserError, match=r"501 leaves no image of class truck \(the largest"):
        long_tail(LABELS, 501, 0)
    with pytest.raises(UserError, match="leaves no image of class airplane, "):
        long_tail(LABELS[LABELS > 2], 1, 0)


def test_what_a_scenario_does_not_give_is_refused():
    with pytest.raises(UserError, match="no scenario 'murky'; legal: ambiguous_pets, asymm"):
        targets("murky", LABELS, "class_index", 0, 0.5)
    for name in ("clean", "symmetric_noise"):
        with pytest.raises(UserError, match=f"scenario {name}: it gives no complementary labels"):
            targets(name, LABELS, "complementary", 0, 0.5)


def test_a_complementary_label_is_any_other_class_and_the_same_for_every_kind_of_loss():
    wrong = targets("complementary", CIFAR, "complementary", 0, 0)
    assert not (wrong == CIFAR).any()
    counts = torch.bincount(10 * CIFAR + wrong, minlength=100).view(10, 10)
    assert (counts.fill_diagonal_(556) - 556).abs().max() < 120  # five standard deviations
    sets = targets("complementary", CIFAR, "label_set", 0, 0)
    assert torch.equal((~sets).nonzero()[:, 1], wrong)
    shares = targets("complementary", CIFAR, "distribution", 0, 0)
    assert torch.equal(shares > 0, sets)
    assert torch.allclose(shares.sum(1), torch.ones(()))
    guess = targets("complementary", CIFAR, "class_index", 0, 0)
    assert not (guess == wrong).any()
    assert 0.1 < (guess == CIFAR).double().mean() < 0.12  # 1 / 9


@pytest.mark.parametrize("k", [2, 100])
def test_scenarios_that_name_no_class_know_any_number_of_them(k):
    labels, names = torch.arange(k).repeat(50), [str(i) for i in range(k)]
    wrong = targets("symmetric_noise", labels, "class_index", 0, 0.4, names)
    assert set(wrong.tolist()) == set(range(k))
    assert torch.bincount(labels[wrong != labels]).tolist() == [20] * k
    assert targets("symmetric_noise", labels, "label_set", 0, 0.4, names).shape == (50 * k, k)
    sizes = torch.bincount(labels[long_tail(labels, 10, 0, names)])
    assert sizes[0] == 50
    assert sizes[-1] == 5
    for name in ("ambiguous_pets", "asymmetric_noise"):
        with pytest.raises(UserError, match=f"{name} is about the classes .*, but data arrays has"):
            scenarios.check({"name": name, "probability": 0.4}, names, "arrays")


def test_classes_count_by_name_and_not_by_place():
    """Of the same images with their classes in another order, the same get the same labels."""
    names = CLASSES[::-1]
    for name in ("ambiguous_pets", "asymmetric_noise"):
        scenarios.check({"name": name, "probability": 0.4}, names, "arrays")
        found = targets(name, 9 - CIFAR, "class_index", 0, 1.0, names)
        assert set(found[CIFAR == CAT].tolist()) <= {9 - CAT, 9 - DOG}
        assert (found[CIFAR == CAT] == 9 - DOG).any()


def test_every_scenario_is_described():
    said = [scenarios.says(name) for name in scenarios.names()]
    assert "clean" in scenarios.names()
    assert len(set(said)) == len(said) > 4
    for text in said:
        assert text
        assert not text.endswith(".")
        assert "\n" not in text
    assert scenarios.says("clean") == "the labels as published"
