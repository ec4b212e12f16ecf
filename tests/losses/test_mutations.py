"""The contract catches slips of the pen: mutants of losses drawn at random break one of its laws.

A mutant is a loss whose `per_sample` differs in one place, by a mistake that published code is
known to make. Those that give the same values and gradients as the loss are no mistakes.
"""

import ast
import copy
import inspect
import random
import textwrap

import pytest
import torch

from lossatlas.contract import suite
from lossatlas.losses import registry
from lossatlas.losses.examples import ready

DRAWN = 10
SEED = 2026
EPS = 1e-8
MOST = 3  # mutants of one kind and loss
FIRST = ("values_equal_the_reference", "gradient_is_that_of_the_value", "examples_hold")


def is_call(node, *names):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in names


def call(template, **parts):
    """The expression of a template, with nodes in the places of names."""
    tree = ast.parse(template, mode="eval").body

    class Put(ast.NodeTransformer):
        def visit_Name(self, node):
            return copy.deepcopy(parts.get(node.id, node))

    return Put().visit(tree)


def swap(node, other):
    return ast.copy_location(ast.BinOp(node.left, other, node.right), node)


def binary(kind):
    return lambda n: isinstance(n, ast.BinOp) and isinstance(n.op, kind)


# What is mistaken: which nodes it can befall, and what stands in their place.
MISTAKES = {
    "wrong sign": (binary(ast.Add), lambda n: swap(n, ast.Sub())),
    "added, not subtracted": (binary(ast.Sub), lambda n: swap(n, ast.Add())),
    "lost minus": (
        lambda n: isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub),
        lambda n: n.operand,
    ),
    "missing factor": (binary(ast.Mult), lambda n: n.right),
    "other factor missing": (binary(ast.Mult), lambda n: n.left),
    "detached factor": (
        binary(ast.Mult),
        lambda n: call("torch.as_tensor(a).detach() * b", a=n.left, b=n.right),
    ),
    "missing divisor": (binary(ast.Div), lambda n: n.left),
    "higher power": (binary(ast.Pow), lambda n: call("a ** (b + 1)", a=n.left, b=n.right)),
    "eps in the log": (
        lambda n: is_call(n, "log_softmax"),
        lambda n: call("torch.log(f + 1e-8)", f=renamed(n, "softmax")),
    ),
    "eps in another log": (
        lambda n: is_call(n, "log", "log1p") and n.args,
        lambda n: (
            call("torch.log(a + 1e-8)", a=n.args[0])
            if n.func.attr == "log"
            else call("torch.log(1 + a + 1e-8)", a=n.args[0])
        ),
    ),
    "log-sum-exp by hand": (
        lambda n: is_call(n, "logsumexp") and len(n.args) == 2,
        lambda n: call("a.exp().sum(b).log()", a=n.args[0], b=n.args[1]),
    ),
    "sum, not largest": (lambda n: is_call(n, "amax"), lambda n: renamed(n, "sum")),
    "mean, not sum": (lambda n: is_call(n, "sum"), lambda n: renamed(n, "mean")),
    "mean over N K": (
        lambda n: isinstance(n, ast.Return),
        lambda n: ast.Return(call("a / inputs.shape[1]", a=n.value)),
    ),
    "next class": (
        lambda n: isinstance(n, ast.Return),
        lambda n: ast.Return(call("a.roll(1)", a=n.value)),
    ),
    "capped": (
        lambda n: isinstance(n, ast.Return),
        lambda n: ast.Return(call("a.clamp(max=10.0)", a=n.value)),
    ),
}


def renamed(node, name):
    node = copy.deepcopy(node)
    node.func.attr = name
    return node


def drawn():
    """Ten verified losses with a value per sample and a formula of their own."""
    fit = [
        name
        for name in registry.list_losses()
        if registry.status(registry.find(name)) == "verified"
        and registry.get_class(name).target == "class_index"
        and registry.get_class(name).per == "sample"
        and "per_sample" in vars(registry.get_class(name))
        and not registry.get_card(name).gradient
        and not registry.get_class(name).requires
    ]
    return sorted(random.Random(SEED).sample(fit, DRAWN))


def mutants(cls, mistake):
    """`per_sample` with one mistake made at one place, for up to MOST places."""
    befalls, instead = MISTAKES[mistake]
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls.per_sample)))
    names = [arg.arg for arg in tree.body[0].args.args]
    places = [i for i, node in enumerate(ast.walk(tree)) if befalls(node)]
    for place in places[:MOST]:
        spoiled = copy.deepcopy(tree)
        hit = list(ast.walk(spoiled))[place]

        class Spoil(ast.NodeTransformer):
            def visit(self, node, hit=hit):
                return instead(node) if node is hit else self.generic_visit(node)

        spoiled = ast.fix_missing_locations(Spoil().visit(spoiled))
        where = {**vars(inspect.getmodule(cls)), "torch": torch}
        text = ast.unparse(spoiled).replace("inputs.shape", f"{names[1]}.shape")
        exec(compile(text, cls.__name__, "exec"), where)
        yield where["per_sample"]


def numbers(name):
    """Values and gradients at ordinary, tied and large logits."""
    loss = ready(name, 4)
    loss.reduction = "none"
    g = torch.Generator().manual_seed(0)
    found = []
    for size in (0.0, 0.1, 1.0, 10.0, 1e3):
        s = (size * torch.randn(32, 4, generator=g)).requires_grad_()
        values = loss(s, torch.arange(32) % 4)
        values.sum().backward()
        found += [values.detach(), s.grad]
    return torch.cat([each.flatten() for each in found])


def is_caught(name):
    found = suite.cases(name)
    for case in sorted(found, key=lambda case: case.law not in FIRST):
        try:
            case.check()
        except Exception:
            return True
    return False


@pytest.mark.parametrize("name", drawn())
def test_every_mutant_breaks_a_law(name, monkeypatch):
    cls = registry.get_class(name)
    right, tried, missed = numbers(name), 0, []
    for mistake in MISTAKES:
        for spoiled in mutants(cls, mistake):
            with monkeypatch.context() as patch:
                patch.setattr(cls, "per_sample", spoiled)
                try:
                    same = torch.allclose(
                        numbers(name), right, rtol=1e-6, atol=1e-6, equal_nan=True
                    )
                except Exception:
                    same = False
                if not same:
                    tried += 1
                    if not is_caught(name):
                        missed.append(mistake)
    assert tried >= 3
    assert not missed
    assert not is_caught(name)  # the loss itself is whole again
