"""What losses share: each quantity against its definition, and where rounding would spoil it."""

import pytest
import torch

from lossatlas.losses import quantities

LOGITS = torch.tensor(
    [[0.3, -1.2, 2.0, 0.1], [1.0, 1.0, 1.0, -4.0], [-3.0, 0.5, 0.5, 7.0]], dtype=torch.float64
)
LABELS = torch.tensor([1, 0, 3])
P = torch.softmax(LOGITS, 1)
P_Y = torch.stack([P[i, y] for i, y in enumerate(LABELS)])
SETS = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1]]).bool()


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-14)


def test_entries_of_the_label() -> None:
    hot = torch.nn.functional.one_hot(LABELS, 4).bool()
    assert torch.equal(quantities.one_hot(LABELS, 4), hot)
    assert torch.equal(quantities.of_label(LOGITS, LABELS), LOGITS[hot])
    changed = quantities.with_label(LOGITS, LABELS, 5.0)
    assert torch.equal(changed, torch.where(hot, 5.0, LOGITS))
    close(quantities.lead(LOGITS, LABELS), LOGITS - LOGITS[hot][:, None])


def test_masses_of_labels_and_sets() -> None:
    close(quantities.rest(LOGITS, LABELS), 1 - P_Y)
    close(quantities.log_odds(LOGITS, LABELS), (P_Y / (1 - P_Y)).log())
    inside = (P * SETS).sum(1)
    close(quantities.log_odds(LOGITS, SETS), (inside / (1 - inside)).log())
    close(quantities.log_miss(P.log()), (1 - P).log())
    others = torch.where(quantities.one_hot(LABELS, 4), 1.0, P / (1 - P_Y)[:, None])
    close(quantities.log_softmax_of_rest(LOGITS, LABELS), others.log())
    ahead = quantities.lead(LOGITS, LABELS)
    close(quantities.cross_entropy_of_rivals(ahead, LABELS), -P_Y.log())
    counts = torch.tensor([5.0, 1.0, 7.0, 2.0], dtype=torch.float64)
    ratios = (counts / counts[LABELS][:, None]).log()
    close(quantities.log_ratios(counts, LOGITS, LABELS), ratios)


@pytest.mark.parametrize("size", [60.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 2.0**30])
def test_odds_keep_their_digits_where_probabilities_round(size: float, offset: float) -> None:
    lead = size * torch.tensor([[1, 0, 0], [0, 1, 1]], dtype=torch.float64)
    label = torch.tensor([0, 0])
    log_2 = torch.tensor(2, dtype=torch.float64).log()
    wanted = torch.stack([size - log_2, -size - log_2])
    close(quantities.log_odds(offset + lead, label), wanted)
    close(quantities.log_odds(offset + lead, quantities.one_hot(label, 3)), wanted)


def test_margins_are_of_the_best_on_either_side() -> None:
    close(quantities.margin(LOGITS, LABELS), torch.tensor([-3.2, 0.0, 6.5], dtype=torch.float64))
    close(quantities.margin(LOGITS, SETS), torch.tensor([-1.7, 0.0, 6.5], dtype=torch.float64))


def test_the_guess_is_the_best_score_also_where_log_probabilities_tie() -> None:
    below = torch.nextafter(torch.tensor(0.5), torch.tensor(0.0))
    logits = torch.cat([torch.stack([below, torch.tensor(0.5)]), torch.full((8,), 0.4)])[None]
    log_p = torch.log_softmax(logits, 1)
    assert log_p[0, 0] == log_p[0, 1]  # rounded
    for label in (0, 1):
        r, gap = quantities.confidence_gap(logits, torch.tensor([label]))
        assert torch.sign(gap).item() == (1 if label == 1 else -1)
        close(r, log_p[:, 1].exp())


def test_vectors_at_length_one() -> None:
    x = torch.tensor([[3.0, 4], [0, 0], [1e-15, 0]], dtype=torch.float64, requires_grad=True)
    found = quantities.unit(x)
    close(found, torch.tensor([[0.6, 0.8], [0, 0], [1, 0]], dtype=torch.float64))
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert slope.isfinite().all()
    close(slope[1], torch.ones(2, dtype=torch.float64))
