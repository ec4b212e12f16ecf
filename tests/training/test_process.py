"""Runs have the process to themselves: what a loss's file or code changes is no other run's."""

import os
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import torch

from lossatlas.errors import UserError
from lossatlas.losses import process, registry
from lossatlas.training import run
from lossatlas.training.config import resolve
from lossatlas.training.identity import place

CE = "return torch.nn.functional.cross_entropy(logits, target, reduction='none')"
CHANGES = {
    "torch.set_default_dtype(torch.float64)": "default dtype (from torch.float32 to torch.float64)",
    "torch.set_default_device('meta')": "torch's default device (from cpu to meta)",
    "torch.set_grad_enabled(False)": "torch's gradient mode (from True to False)",
    "torch.use_deterministic_algorithms(True)": "torch's deterministic algorithms",
    "torch.set_num_threads(torch.get_num_threads() + 1)": "torch's number of threads",
    "torch.backends.mkldnn.enabled = False": "torch.backends.mkldnn.enabled (from True to False)",
    "torch.backends.mkldnn.deterministic = True": "torch.backends.mkldnn.deterministic",
    "torch.backends.cudnn.benchmark = True": "torch.backends.cudnn.benchmark",
    "torch._C._set_nnpack_enabled(False)": "torch.backends.nnpack",
    "torch.set_float32_matmul_precision('medium')": "torch's float32 matmul precision",
    "torch.autograd.set_detect_anomaly(True)": "autograd's anomaly mode (from False to True)",
    "torch.set_flush_denormal(True)": "torch's flushing of denormals",
    "torch.set_autocast_enabled('cpu', True)": "autocast on cpu",
    "torch.nn.modules.module.register_module_forward_hook(print)": "torch's global forward hooks",
    "import torch.optim.optimizer as o; o.register_optimizer_step_pre_hook(print)": (
        "torch's global optimizer pre hooks"
    ),
    "torch.overrides.TorchFunctionMode().__enter__()": "torch's function modes",
    "import numpy; numpy.seterr(all='raise')": "NumPy's handling of errors",
    "torch.nn.functional.relu = torch.nn.functional.gelu": "torch.nn.functional.relu",
    "torch.Tensor.exp = lambda s: s": "torch.Tensor.exp",
    "torch.exp = torch.log": "torch.exp",
    "torch.nn.Linear.forward = lambda s, x: x": "torch.nn.modules.linear.Linear.forward",
    "torch.nn.Linear.__call__ = lambda s, x: x": "torch.nn.modules.linear.Linear.__call__",
    "torch.nn.modules.conv._ConvNd.reset_parameters = print": "_ConvNd.reset_parameters",
    "torch.optim.lr_scheduler.LambdaLR.get_lr = print": "lr_scheduler.LambdaLR.get_lr",
    "torch.nn.utils.clip_grad_norm_ = print": "torch.nn.utils.clip_grad_norm_",
    "import pytorch_lightning as pl; pl.Trainer.fit = print": "trainer.Trainer.fit",
    "import builtins; builtins.sum = max": "builtins.sum",
    "torch.backends.cudnn.allow_tf32 = False": "torch.backends.cudnn.allow_tf32",
    "import math; math.log1p = math.log": "math.log1p",
    "import lossatlas.losses.quantities as q; q.margin = max": "lossatlas.losses.quantities.margin",
    "LogitLoss.check = lambda *a: None": "lossatlas.losses.base.LogitLoss.check",
    "torch.nn.init.normal_.__code__ = (lambda tensor, *a, **k: tensor).__code__": (
        "torch.nn.init.normal_"
    ),
    "torch.nn.BatchNorm2d.__init__.__defaults__ = (0.1, 0.1, True, True, None, None)": (
        "torch.nn.modules.batchnorm._BatchNorm.__init__"
    ),
    "import lossatlas.data.batches as b; b.VIEWS['strong'] = b.VIEWS['weak']": (
        "lossatlas.data.batches.VIEWS"
    ),
    "import lossatlas.data.cifar10 as c; c.PUBLISHED = None": "lossatlas.data.cifar10.PUBLISHED",
}  # fmt: skip


@pytest.mark.parametrize(("code", "said"), CHANGES.items())
def test_what_an_import_changes_is_put_back_and_named(code, said, own_loss):
    with process.kept() as before:  # a failure of this test spoils no other
        file = own_loss("changing", CE)
        file.write_text(f"import torch\n{file.read_text()}\n{code}\n")
        with process.kept() as left:
            loss = registry.get_loss("changing")
        assert left == []
        (sentence,) = registry.changes(loss)
        assert sentence.startswith(f"{file} changes ")
        assert said in sentence
        with (
            pytest.raises(process.ProcessChanged, match="a loss must not do so"),
            process.undisturbed(registry.changes(loss)),
        ):
            pass
    assert before == []


def test_a_loss_may_let_torch_load_the_rules_of_vmap():
    with process.kept() as changed:
        mean = torch.func.vmap(torch.func.grad(lambda s: torch.nn.functional.mse_loss(s, s * 0)))
        mean(torch.ones(2, 3))
    assert changed == []


def test_filters_folder_and_seeds_are_put_back_without_a_word(own_loss, tmp_path):
    file = own_loss("seeding", CE)
    file.write_text(
        f"import os, random, warnings, numpy\n{file.read_text()}\n"
        "torch.manual_seed(1); random.seed(1); numpy.random.seed(1)\n"
        f"warnings.simplefilter('error'); os.chdir({str(tmp_path)!r})\n"
        "import sys; sys.setrecursionlimit(99); sys.stdout = None\n"
        "os.environ['ONEDNN_MAX_CPU_ISA'] = 'SSE41'; os.environ.pop('PATH')\n"
    )
    environment = dict(os.environ)
    expected = (torch.get_rng_state(), np.random.get_state()[1].copy(), os.getcwd())
    filters, console = list(warnings.filters), (sys.getrecursionlimit(), sys.stdout)
    assert registry.changes(registry.get_loss("seeding")) == []
    assert torch.equal(torch.get_rng_state(), expected[0])
    assert (np.random.get_state()[1] == expected[1]).all()
    assert os.getcwd() == expected[2]
    assert (sys.getrecursionlimit(), sys.stdout) == console
    assert warnings.filters == filters
    assert dict(os.environ) == environment


def test_what_changes_places_inside_a_module_is_put_back(monkeypatch):
    module = types.ModuleType("lossatlas.probe")
    module.one, module.other, module.TABLE, module.NOTHING = min, max, {"a": 1}, None
    before, table = dict(vars(module)), module.TABLE
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with process.kept() as changed:
        pass
    assert changed == []
    with process.kept() as changed:
        del module.one, module.other, module.TABLE, module.NOTHING
        module.other, module.one = min, max  # the same values, one after the other
        module.TABLE, module.NOTHING = table, None
    assert changed == ["lossatlas.probe.one", "lossatlas.probe.other"]
    assert vars(module) == before
    with process.kept() as changed:
        del module.NOTHING
        table["a"] = 2
    assert sorted(changed) == ["lossatlas.probe.NOTHING", "lossatlas.probe.TABLE"]
    assert vars(module) == before
    assert table == {"a": 1}


@pytest.mark.filterwarnings("ignore:Warning only once for all operators")
def test_kernels_in_the_place_of_torchs_are_taken_away_and_named(own_loss):
    file = own_loss("kernels", CE)
    file.write_text(
        f"{file.read_text()}\nlibrary = torch.library.Library('aten', 'IMPL')\n"
        "library.impl('erf', lambda s: s, 'CPU')\n"
        "torch.library.impl('aten::erfc', 'cpu')(lambda s: s)\n"
        "torch.library.custom_op('own::f', lambda s: s.clone(), mutates_args=(), "
        "schema='(Tensor s) -> Tensor')\n"  # one's own operators are nobody else's
    )
    (said,) = registry.changes(registry.get_loss("kernels"))
    assert said.endswith(
        "kernels in the place of torch's (from () to ('aten/erf/CPU', 'aten/erfc/CPU'))"
    )
    assert torch.tensor(1.0).erf().item() == pytest.approx(0.8427008)
    assert torch.tensor(1.0).erfc().item() == pytest.approx(0.1572992)
    assert torch.ops.own.f(torch.ones(2)).tolist() == [1, 1]


# Both in one process, in which torch is imported once: each in a child that has neither.
IMPORTS = """
import importlib, os
from lossatlas.losses import process
for module in ("pytorch_lightning", "lightning_fabric"):
    if not os.fork():
        with process.kept() as changed:
            importlib.import_module(module)
        assert changed == [], (module, changed)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def test_a_loss_may_import_lightning_which_wraps_torch_compile():
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)


def test_a_loss_that_changes_the_process_fails_and_the_next_run_is_as_ever(make_cfg, own_loss):
    expected = run.execute(make_cfg("loss=cross_entropy"))["weights_sha256"]
    file = own_loss("changing", CE)
    file.write_text(f"{file.read_text()}\ntorch.set_default_dtype(torch.float64)\n")
    row = run.execute(make_cfg("loss=changing"))
    assert row["state"] == "failed"
    assert f"{file} changes torch's default dtype" in row["reason"]
    own_loss("hidden", f"torch.backends.mkldnn.enabled = False\n        {CE}")
    row = run.execute(make_cfg("loss=hidden"))
    assert row["state"] == "failed"
    assert "its loss changed torch.backends.mkldnn.enabled (from True to False)" in row["reason"]
    again = run.execute(make_cfg("loss=cross_entropy", "runs=" + str(file.parent / "again")))
    assert again["weights_sha256"] == expected


def test_the_program_around_a_run_must_not_change_its_numbers():
    with process.kept():
        torch.set_default_dtype(torch.float64)
        with (
            pytest.raises(process.ProcessChanged, match="around the run has changed torch's def"),
            process.undisturbed([]),
        ):
            pass
    with process.undisturbed([]):
        pass


def test_only_the_named_loss_is_imported(make_cfg, own_loss):
    own_loss("unnamed", CE).write_text("raise SystemExit('imported')  # register")
    own_loss("named", CE)
    cfg = make_cfg("loss=named")
    assert cfg.loss.name == "named"
    assert not any("unnamed" in module for module in sys.modules)
    with pytest.raises(UserError, match=r"unnamed.py:1: cannot be imported: SystemExit: imported"):
        make_cfg("loss=unnamed")


def test_annotations_written_as_text_keep_their_type(make_cfg, own_loss):
    file = own_loss("texted", CE)
    file.write_text(
        "from __future__ import annotations\n" + file.read_text() +
        "\n    def __init__(self, q: float = 1, k: float | None = None):\n"
        "        super().__init__()\n"
    )  # fmt: skip
    ids = {
        place(resolve(make_cfg("loss=texted", f"loss.q={q}", f"loss.k={q}")))[1]
        for q in ("1", "1.0", "1e0")
    }
    assert len(ids) == 1


def test_learned_weights_of_a_logit_loss_are_refused(make_cfg, own_loss):
    file = own_loss("learning", CE)
    file.write_text(
        file.read_text() + "\n    def __init__(self):\n        super().__init__()\n"
        "        self.scale = torch.nn.Parameter(torch.ones(()))\n"
    )
    with pytest.raises(
        UserError, match=r"'learning' learns weights of its own \(scale\), but runs"
    ):
        run.execute(make_cfg("loss=learning"))
    with pytest.raises(UserError, match=r"\(losses.0.scale\)"):
        run.execute(make_cfg("loss=sum", "loss.terms=learning + cross_entropy"))
