"""A user's own network as `model.arch`: that of docs/scenarios.md, and what is refused."""

import re
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from lossatlas.errors import UserError
from lossatlas.models import own
from lossatlas.training import run
from lossatlas.training.config import resolve
from lossatlas.training.identity import place

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"
IMAGES = torch.zeros(5, 3, 32, 32)
MODULE = "import torch\nclass net(torch.nn.Module):\n    def forward(self, x): return "


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Write modules that can be imported, each under a name of its own."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return tmp_path / f"{name}.py"

    return write


@pytest.fixture
def documented(nets):
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    return nets("documented_nets", next(block for block in blocks if "def small" in block))


@pytest.mark.parametrize("loss", ["focal", "nt_xent"])
def test_a_network_of_ones_own_is_trained_and_named(loss, documented, make_cfg):
    cfg = make_cfg("model.arch=documented_nets:small", f"loss={loss}", "recipe.epochs=1")
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    assert row["model"] == f"small-{own.digest('documented_nets:small')[:8]}"
    with torch.no_grad():
        net = own.build("documented_nets:small", IMAGES)
        assert net(IMAGES).shape == (5, net.feature_dim) == (5, 64)
    assert net.training
    assert row["parameters"] > sum(p.numel() for p in net.parameters()) > 10_000


def test_its_source_is_in_the_id_and_the_chosen_model_is_not(documented, make_cfg, nets):
    def name(*overrides):
        return place(resolve(make_cfg("model.arch=documented_nets:small", *overrides)))[1]

    first = name()
    assert name("model=airnet_l", "model.widths=[7,7]") == first
    assert name("model.head_scale=1") != first
    config = resolve(make_cfg("model.arch=documented_nets:small"))
    assert resolve(OmegaConf.create(config)) == config
    documented.write_text(documented.read_text().replace("Small(32)", "Small(16)"))
    assert name() != first
    with pytest.raises(UserError, match=r"model.digest is \w+, but of documented_nets:small it"):
        resolve(OmegaConf.create(config))


def test_what_it_imports_is_in_its_digest(nets):
    nets("net_parts", "WIDTH = 3\n")
    nets("net_with_parts", "from net_parts import WIDTH\n")
    before = own.digest("net_with_parts:any")
    nets("net_parts", "WIDTH = 4\n")
    assert own.digest("net_with_parts:any") != before


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ("mynet", "model.arch must be one of airnet, resnet18 or like package.module:function"),
        ("a b:c", "model.arch must be like package.module:function, not 'a b:c'"),
        (":x", "model.arch must be like package.module:function, not ':x'"),
        ("no_such_module:x", "there is no module no_such_module that is a file; install its pack"),
        ("no_such.module:x", "there is no module no_such.module that is a file"),
        ("sys:exit", "there is no module sys that is a file"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_sentence(arch, says, make_cfg):
    cfg = make_cfg()
    cfg.model.arch = arch
    with pytest.raises(UserError, match=says):
        resolve(cfg)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("import no_such_thing", "cannot be imported: ModuleNotFoundError: No module named"),
        ("", "has no function net"),
        ("net = 3", "has no function net"),
        ("def net(width): ...", "cannot be called without arguments: TypeError: "),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("def net(): raise SystemExit(3)", "cannot be called without arguments: SystemExit: 3"),
        ("def net(): return 3", "returns a int, not a torch.nn.Module"),
        (
            "import torch\nnet = lambda: torch.nn.Linear(7, 7)",
            r"cannot take images \(2, 3, 32, 32\): ",
        ),
        ("import torch\nnet = torch.nn.Identity", r"gives float32 \(2, 3, 32, 32\) for images"),
        (
            MODULE + "[x]",
            r"gives list for images \(2, 3, 32, 32\), and must give features, float32 of",
        ),
        (MODULE + "x.flatten(1).long()", r"gives int64 \(2, 3072\)"),
        (MODULE + "x.flatten(1).half()", r"gives float16 \(2, 3072\)"),
        (MODULE + "x.flatten(1)[:, :0]", r"gives float32 \(2, 0\)"),
        (MODULE + "x.mean((0, 2, 3))", r"gives float32 \(3,\)"),
        (MODULE + "x.flatten(1)[:1]", r"gives float32 \(1, 3072\)"),
    ],
)
def test_what_is_no_network_is_a_sentence(body, says, nets, request):
    module = f"wrong_nets_{request.node.callspec.indices['body']}"
    nets(module, body)
    with pytest.raises(UserError, match=says) as caught:
        own.build(f"{module}:net", IMAGES)
    assert str(caught.value).startswith(f"model.arch {module}:net")
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_network_leaves_no_run(nets, make_cfg, tmp_path):
    nets("wrong_at_last", "def net(): return 3")
    with pytest.raises(UserError, match="returns a int"):
        run.execute(make_cfg("model.arch=wrong_at_last:net"))
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
