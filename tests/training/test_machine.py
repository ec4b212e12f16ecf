"""What a row says of the machine that made it."""

import pytest
import torch

from lossatlas.training import machine

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
