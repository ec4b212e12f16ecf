"""The evaluation bundle comes back as it was written."""

import pytest
import torch

from lossatlas.evaluation import bundle


def outputs(with_logits: bool = True) -> bundle.Outputs:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 10, generator=generator) if with_logits else None
    features = torch.randn(7, 4, generator=generator)
    return bundle.Outputs(logits, features, torch.arange(7), torch.arange(100, 107))


def test_round_trip_is_exact_in_logits_and_half_precision_in_features(tmp_path):
    test, train = outputs(), outputs()
    bundle.save(tmp_path / "b.safetensors", {"test": test, "train": train})
    for name, written in (("test", test), ("train", train)):
        read = bundle.load(tmp_path / "b.safetensors", name)
        assert torch.equal(read.logits, written.logits)
        assert torch.equal(read.features, written.features.half().float())
        assert torch.equal(read.labels, written.labels)
        assert torch.equal(read.indices, written.indices)
        assert (read.logits.dtype, read.features.dtype) == (torch.float32, torch.float32)
        assert (read.labels.dtype, read.indices.dtype) == (torch.int64, torch.int64)


def test_logits_are_read_without_the_rest(tmp_path):
    test, train = outputs(), outputs()._replace(labels=torch.arange(7).flip(0))
    bundle.save(tmp_path / "b.safetensors", {"test": test, "train": train})
    for name, written in (("test", test), ("train", train)):
        logits, labels, _ = bundle.load_logits(tmp_path / "b.safetensors", name)
        assert torch.equal(logits, written.logits)
        assert torch.equal(labels, written.labels)


def test_embedders_have_no_logits(tmp_path):
    bundle.save(tmp_path / "b.safetensors", {"test": outputs(with_logits=False)})
    assert bundle.load(tmp_path / "b.safetensors").logits is None
    assert bundle.load_logits(tmp_path / "b.safetensors") is None


def test_sliced_tensors_are_saved(tmp_path):
    whole = outputs()
    every_other = bundle.Outputs(*(field[::2] for field in whole if field is not None))
    bundle.save(tmp_path / "b.safetensors", {"test": every_other})
    assert torch.equal(bundle.load(tmp_path / "b.safetensors").logits, whole.logits[::2])


def test_a_run_without_bundle_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        bundle.load(tmp_path / "b.safetensors")
