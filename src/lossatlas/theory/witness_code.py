"""A witness as Python that anyone can paste."""

from typing import Any

import torch

from lossatlas.losses.kinds import KINDS
from lossatlas.losses.registry import get_loss
from lossatlas.losses.targets import lift
from lossatlas.theory.verdict import Term, Witness


def python(name: str, witness: Witness) -> str:
    """The witness as three lines of Python that anyone can paste."""
    provide = f".provide(class_counts={witness.class_counts})" if witness.class_counts else ""
    build = f"import torch, lossatlas; loss = {_built(name, witness)}{provide}"
    weights = [term.weight for term in witness.terms]
    if any(term.along or term.loss for term in witness.terms):
        values = ", ".join(_computation(term, witness, provide) for term in witness.terms)
        total = f"sum(w * v for w, v in zip({weights}, values))"
        return f"{build}\nvalues = [{values}]\nprint({total})  # {_comment(witness)}"
    if KINDS[witness.kind].on_embeddings or any(t.precision != "float64" for t in witness.terms):
        points = ", ".join(f"({_point(term, witness)})" for term in witness.terms)
        value = (
            f"sum(w * loss(x, y).double().mean().item() for w, (x, y) in zip({weights}, points))"
        )
        return f"{build}\npoints = [{points}]\nprint({value})  # {_comment(witness)}"
    inputs = [term.inputs for term in witness.terms]
    targets = [_target_of(term, witness) for term in witness.terms]
    points = f"s, y = torch.tensor({inputs}, dtype=torch.float64), {_tensor(targets)}"
    value = f"(torch.tensor({weights}, dtype=torch.float64) @ loss(s, y)).item()"
    return f"{build}\n{points}\nprint({value})  # {_comment(witness)}"


def _built(name: str, witness: Witness) -> str:
    """The code that builds a loss; where it needs more than class counts, from stand-ins."""
    if set(get_loss(name).requires) <= {"class_counts"}:
        return f'lossatlas.get_loss("{name}", "none")'
    return f'lossatlas.losses.examples.ready("{name}", {witness.k})'


def _computation(term: Term, witness: Witness, provide: str) -> str:
    call = f"{_built(term.loss, witness)}{provide}" if term.loss else "loss"
    batch = KINDS[witness.kind].on_embeddings
    if term.along is None:
        return f"{call}({_point(term, witness)}).double().mean().item()"
    along = _tensor(term.along if batch else [term.along])
    return (
        f"(lambda x, y: (torch.autograd.grad({call}(x.requires_grad_(), y).double().mean(), x)[0]"
        f".double() * {along}).sum().item())({_point(term, witness)})"
    )


def _comment(witness: Witness) -> str:
    return f"{witness.value:.6g} > 0: {witness.says}"


def _point(term: Term, witness: Witness) -> str:
    batch = KINDS[witness.kind].on_embeddings
    inputs = term.inputs if batch else [term.inputs]
    target = _target_of(term, witness)
    written = "None" if target is None else _tensor(target if batch else [target])
    return f"torch.tensor({inputs}, dtype=torch.float64).to(torch.{term.precision}), {written}"


def _target_of(term: Term, witness: Witness) -> Any:
    kind = get_loss(term.loss).target if term.loss else witness.kind
    if isinstance(term.target, int) and KINDS[kind].several:
        return lift(torch.tensor([term.target]), kind, witness.k)[0].tolist()
    return term.target


def _tensor(values: Any) -> str:
    first = values
    while isinstance(first, list):
        first = first[0]
    return f"torch.tensor({values}{', dtype=torch.float64' if isinstance(first, float) else ''})"
