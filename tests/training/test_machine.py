"""What a row says of the machine that made it."""

import pytest
import torch

from lossatlas.losses.likelihood.cross_entropy import CrossEntropy
from lossatlas.training import machine, run

INFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: {model}
model name\t: AMD EPYC
stepping\t: 1

processor\t: 1
model\t\t: 99
"""


@pytest.fixture
def describe(monkeypatch):
    for variable in machine.VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def of(model="1", capability="AVX2"):
        monkeypatch.setattr(machine.Path, "read_text", lambda _: INFO.format(model=model))
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        return machine.describe(torch.device("cpu"))

    return of


def test_processors_of_one_name_are_told_apart(describe):
    zen3, zen4 = describe("1", "AVX2"), describe("17", "AVX512")
    assert zen3["hardware"] == zen4["hardware"]
    assert zen3["hardware"].startswith("AMD EPYC, ")
    assert zen3["cpu"] == "AuthenticAMD, cpu family 25, model 1, stepping 1"
    assert zen4["cpu"] == "AuthenticAMD, cpu family 25, model 17, stepping 1"
    assert (zen3["cpu_capability"], zen4["cpu_capability"]) == ("AVX2", "AVX512")


def test_what_the_environment_forbids_is_told(describe, monkeypatch):
    plain = describe()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert describe()["cpu_capability"] == "AVX2, ONEDNN_MAX_CPU_ISA=SSE41"
    assert describe() | {"cpu_capability": "AVX2"} == plain


@pytest.mark.parametrize(
    ("flags", "asked", "has"),
    [
        ("avx512f avx512_bf16", "bf16-mixed", "bf16-mixed"),
        ("amx_bf16", "bf16-mixed", "bf16-mixed"),
        ("avx512f avx512_vnni", "bf16-mixed", "32-true"),
        ("avx512_bf16", "16-mixed", "32-true"),
        ("avx512_bf16", "32-true", "32-true"),
    ],
)
def test_a_processor_has_bf16_where_it_has_instructions_for_it(flags, asked, has, monkeypatch):
    monkeypatch.setattr(machine.Path, "read_text", lambda _: f"flags\t\t: {flags}\n\nflags\t: no")
    assert machine.precision(asked, torch.device("cpu")) == has
    assert machine.precision(asked, torch.device("cuda")) == asked


def test_losses_are_computed_in_float32_whatever_the_network_is(make_cfg, monkeypatch):
    monkeypatch.setattr(machine, "precision", lambda asked, device: asked)
    seen = []
    kept = CrossEntropy.per_sample

    def watched(self, logits, target):
        seen.append(logits.dtype)
        return kept(self, logits, target)

    monkeypatch.setattr(CrossEntropy, "per_sample", watched)
    rows = [
        run.execute(make_cfg(f"recipe.precision={precision}"))
        for precision in ("bf16-mixed", "32-true")
    ]
    assert [row["precision"] for row in rows] == ["bf16-mixed", "32-true"]
    assert torch.float32 in seen
    assert torch.bfloat16 not in seen
    assert rows[0]["weights_sha256"] != rows[1]["weights_sha256"]  # it was not computed in float32


def test_a_machine_without_cpuinfo_has_a_name_all_the_same(monkeypatch):
    def gone(_):
        raise FileNotFoundError

    monkeypatch.setattr(machine.Path, "read_text", gone)
    assert all(machine.describe(torch.device("cpu")).values())


def test_a_run_that_went_on_elsewhere_names_both_machines(describe):
    """Also after a third start; a second start on the same machine adds nothing."""
    one, other = describe("1", "AVX2"), describe("17", "AVX512")
    assert machine.joined(one, one) == one
    both = machine.joined(one, other)
    assert both["cpu"] == f"{one['cpu']}; {other['cpu']}"
    assert both["cpu_capability"] == "AVX2; AVX512"
    assert both["hardware"] == one["hardware"] == other["hardware"]
    assert machine.joined(both, one) == both
    assert machine.joined({}, one) == one
