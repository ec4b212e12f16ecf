"""Gradients that belong to a function, and gradients that belong to none."""

import pytest
import torch

from lossatlas.theory.properties.integrability import integrable
from lossatlas.theory.subject import Subject, examine


def detached_focal(s, y):
    """Its gradient is a function of p_y times that of log p_y: that of a function of p_y."""
    log_p = torch.log_softmax(s, 1).gather(1, y[:, None])[:, 0]
    return -((1 - log_p.exp()) ** 2).detach() * log_p


def weighted_by_brier(s, y):
    """The weight |p - e_y|^2 hangs on more than p_y as soon as there are three classes."""
    log_p = torch.log_softmax(s, 1)
    brier = ((log_p.exp() - torch.eye(s.shape[1], dtype=s.dtype)[y]) ** 2).sum(1)
    return -brier.detach() * log_p.gather(1, y[:, None])[:, 0]


def test_a_field_of_no_function_leaves_a_witness():
    finding = integrable(Subject("weighted", weighted_by_brier, k=3))
    assert finding.verdict == "evidence_against"
    assert finding.worst > 0.1
    s, y = torch.tensor(finding.witness.terms[0].inputs).double(), finding.witness.terms[0].target
    p, e = torch.softmax(s, 0), torch.eye(3).double()
    # With g = w (p - e_y): J - J' = (grad w) (p - e_y)' - (p - e_y) (grad w)', by hand.
    slope = 2 * (torch.diag(p) - torch.outer(p, p)) @ (p - e[y])
    turn = torch.outer(p - e[y], slope) - torch.outer(slope, p - e[y])
    assert turn.abs().max().item() == pytest.approx(finding.witness.value, rel=0.05)


@pytest.mark.parametrize(
    "subject",
    [
        Subject("two classes", weighted_by_brier, k=2),
        Subject("detached", detached_focal),
        Subject("kinks", lambda s, y: (s.amax(1) - s.gather(1, y[:, None])[:, 0]) ** 2),
        examine("sparsemax_loss"),
        examine("cross_entropy"),
        examine("soft_target_kl"),
    ],
    ids=lambda subject: subject.name,
)
def test_a_gradient_of_a_function_is_not_refuted(subject):
    assert integrable(subject).verdict == "not_refuted"
