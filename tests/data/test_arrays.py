"""Files of arrays: what is read, and a sentence for each way in which one can be wrong."""

import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lossatlas.data import arrays, sets
from lossatlas.errors import UserError


def content(k=3, n=30, **changes):
    rng = np.random.default_rng(0)
    split = {
        "train_images": rng.integers(0, 256, (n, 32, 32, 3), np.uint8),
        "train_labels": np.arange(n) % k,
        "test_images": rng.integers(0, 256, (4, 32, 32, 3), np.uint8),
        "test_labels": np.arange(4) % k,
    }
    return {key: value for key, value in (split | changes).items() if value is not None}


@pytest.fixture
def write(tmp_path):
    """Write arrays into a file; returns its path."""

    def into(name="some.npz", save=np.savez, **changes):
        save(tmp_path / name, **content(**changes))
        return str(tmp_path / name)

    return into


def test_images_labels_names_and_statistics_are_those_of_the_file(write):
    given = content(class_names=np.array(["ant", "bee", "cow"]))
    (train, test, classes, statistics), digest = arrays.read(
        write(class_names=given["class_names"])
    )
    assert classes == ("ant", "bee", "cow")
    assert np.array_equal(np.moveaxis(train.images, 1, 3), given["train_images"])
    assert np.array_equal(test.labels, given["test_labels"])
    assert test.labels.dtype == np.int64
    pixels = given["train_images"] / 255
    np.testing.assert_allclose(statistics.mean, pixels.mean((0, 1, 2)))
    np.testing.assert_allclose(statistics.std, pixels.std((0, 1, 2)))
    assert len(digest) == 16


def test_the_digest_is_of_the_content_and_not_of_the_packing(write):
    one = arrays.read(write()).digest
    labels = content()["train_labels"]
    assert arrays.read(write("other.npz", np.savez_compressed)).digest == one
    assert arrays.read(write(train_labels=labels.astype(np.uint8))).digest == one
    images = np.asfortranarray(content()["train_images"])
    assert arrays.read(write(train_images=images)).digest == one
    changed = content()["train_images"] ^ (np.arange(30) == 29)[:, None, None, None]
    assert arrays.read(write(train_images=changed)).digest != one
    assert arrays.read(write(test_labels=np.array([0, 1, 2, 1]))).digest != one
    assert arrays.read(write(class_names=np.array(["a", "b", "c"]))).digest != one
    assert arrays.read(write(train_labels=labels[::-1])).digest != one


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train_labels": None}, "has no train_labels"),
        ({"test_images": None}, "has no test_images"),
        (
            {"train_images": np.zeros((30, 32, 32, 3))},
            "train_images is float64 of shape",
        ),
        (
            {"train_images": np.zeros((30, 3, 32, 32), np.uint8)},
            "must be uint8 of shape .N, 32",
        ),
        ({"train_images": np.zeros((30, 28, 28), np.uint8)}, r"is uint8 of shape \(30, 28, 28\)"),
        ({"test_images": np.zeros((0, 32, 32, 3), np.uint8)}, r"shape \(0, 32, 32, 3\)"),
        (
            {"train_labels": np.arange(29)},
            r"whole numbers of shape \(30,\), a label for",
        ),
        ({"train_labels": np.ones(30)}, "train_labels is float64"),
        ({"train_labels": np.array(["a"] * 30)}, "train_labels is <U1"),
        ({"train_labels": np.array([{}] * 30)}, "train_labels is object"),
        ({"train_labels": np.arange(30) % 3 - 1}, "train_labels holds -1; labels are 0 to K"),
        (
            {"train_labels": np.arange(30) % 3 + 1},
            "has no 0, but a 3; labels are 0 to K",
        ),
        ({"train_labels": np.arange(30) % 2 * 2}, "has no 1, but a 2"),
        ({"train_labels": np.arange(30) + 9999}, "train_labels holds 10000; labels are"),
        ({"train_labels": np.zeros(30, int)}, "one class only, and 2 are needed"),
        (
            {"test_labels": np.array([0, 1, 2, 3])},
            "test_labels holds 3, but train_l",
        ),
        ({"class_names": np.array(["a", "b"])}, r"must be text of shape \(3,\)"),
        ({"class_names": np.array(["a", "b", "b"])}, "class_names has a name twice"),
        ({"class_names": np.array(["a", "b", "x" * 101])}, "at most 100 characters"),
        ({"class_names": np.array(["a", "b", "\n"])}, r"class_names holds '\\n', which cannot be"),
        ({"class_names": np.array([1, 2, 3])}, "class_names is int64"),
        ({"train_images": np.zeros((30, 32, 32, 3), np.uint8)}, "a channel that is the same every"),
    ],
)
def test_what_is_not_as_it_must_be_is_a_sentence(changes, says, write):
    with pytest.raises(UserError, match=says) as caught:
        arrays.read(write(**changes))
    assert str(caught.value).startswith("data.path /")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_none_is_a_sentence(tmp_path, write):
    with pytest.raises(UserError, match=r"data.path /.*nothing.npz: cannot be read \(No such file"):
        arrays.read(str(tmp_path / "nothing.npz"))
    with pytest.raises(UserError, match="is no plain file"):
        arrays.read(str(tmp_path))
    whole = Path(write()).read_bytes()
    for text in (b"", b"PK", whole[: len(whole) // 2], pickle.dumps({"train_images": 1})):
        (tmp_path / "x.npz").write_bytes(text)
        with pytest.raises(UserError, match=r"is no whole .npz file \("):
            arrays.read(str(tmp_path / "x.npz"))
    broken = bytearray(whole)
    broken[5000] ^= 1  # a pixel
    (tmp_path / "x.npz").write_bytes(broken)
    with pytest.raises(UserError, match=r"is no whole .npz file \(Bad CRC-32"):
        arrays.read(str(tmp_path / "x.npz"))


def header(shape, descr="'|u1'"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (header("(1000001, 32, 32, 3)"), r"train_images is uint8 of shape \(1000001, 32, 32, 3\)"),
        (header("(10**9, 32, 32, 3)"), "train_images has no header of NumPy that can be"),
        (
            header("(9, 32, 32, 3)"),
            r"is not as long as its shape \(9, 32, 32, 3\) says",
        ),
        (header("(1, 32, 32, 3)") + bytes(10**8), "is not as long as its shape"),  # a bomb
        (header("(1, 32, 32, 3), 'x': " + "(" * 5000), "train_images has no header of NumPy"),
        (b"no array", "has no header of NumPy"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "has no header of NumPy"),
    ],
)
def test_nothing_is_unpacked_that_its_header_does_not_announce(member, says, tmp_path, monkeypatch):
    unpacked = []
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: unpacked.append(1))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("train_images.npy", member)
    with pytest.raises(UserError, match=says) as caught:
        arrays.read(str(tmp_path / "x.npz"))
    assert len(str(caught.value)) < 500
    assert not unpacked


def test_members_that_are_there_twice_or_packed_otherwise_are_refused(tmp_path, write):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(write(), "a") as packed:
        packed.writestr("train_labels.npy", header("(30,)") + bytes(30))
    with pytest.raises(UserError, match="has several train_labels"):
        arrays.read(str(tmp_path / "some.npz"))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("train_images.npy", header("(1, 32, 32, 3)") + bytes(3072))
    with pytest.raises(UserError, match="train_images is packed in a way that NumPy does not use"):
        arrays.read(str(tmp_path / "x.npz"))


def test_a_configuration_is_completed_from_the_file_and_must_fit_it(write):
    conf = dict.fromkeys(("digest", "n_train", "n_test", "num_classes"))
    conf |= {"name": "arrays", "path": write()}
    done = sets.completed(conf)
    assert (done["n_train"], done["n_test"], done["num_classes"]) == (30, 4, 3)
    assert sets.completed(done) == done
    assert sets.classes(done) == ("0", "1", "2")
    write(test_labels=np.array([0, 1, 2, 1]))
    with pytest.raises(UserError, match=r"data.digest is \w{16}, but of /.*some.npz it is \w{16}"):
        sets.completed(done)
    for wrong, says in (
        ({"path": ""}, "data.path must be the path of a .npz file, not ''"),
        ({"name": "mnist"}, "there is no data 'mnist'; legal: cifar10, synthetic, arrays"),
        ({"digest": "x"}, "data.digest must be 16 hexadecimal digits or null, not 'x'"),
        ({"x": 1}, "data.x is no field of the configuration"),
    ):
        with pytest.raises(UserError, match=says):
            sets.completed(conf | wrong)


def test_the_documented_way_from_cifar100_gives_such_a_file(tmp_path, monkeypatch):
    """Made-up records in the layout of its binary version: coarse and fine label, then planes."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 300), ("test", 100)):
        labels = np.stack([np.zeros(n), np.arange(n) % 100], 1).astype(np.uint8)
        pixels = rng.integers(0, 256, (n, 3072), np.uint8)
        np.hstack([labels, pixels]).tofile(tmp_path / f"{split}.bin")
    docs = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    block = next(b for b in re.findall(r"```python\n(.*?)```", docs, re.S) if "cifar100.npz" in b)
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    data = arrays.read("cifar100.npz").data
    assert len(data.classes) == 100
    assert data.train.images.shape == (300, 3, 32, 32)
    assert np.array_equal(data.test.images[-1].ravel(), pixels[-1])
    assert data.test.labels.tolist() == list(range(100))
