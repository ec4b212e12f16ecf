"""The chapter's order: what each section is about, its statements, and the cards it draws on."""

from typing import NamedTuple

from lossatlas.lecture import label_sets, log_loss, margins, smooth_maximum, soft_labels, two_views
from lossatlas.lecture.statement import Statement


class Section(NamedTuple):
    """A part of the chapter.

    Attributes:
        id: anchor on the page.
        title: heading.
        opening: what the section asks, in Markdown.
        statements: in the order of the lecture.
        cards: ids of the losses whose worked examples are shown.
    """

    id: str
    title: str
    opening: str
    statements: tuple[Statement, ...]
    cards: tuple[str, ...]


SECTIONS = (
    Section(
        "margins",
        "Margins and the hinge",
        "A model gives each of $K$ classes a score; the largest wins. Whether that is right is yes "
        "or no, and has no gradient. The margin says by how much the model is right or wrong.",
        (margins.margin_shift, margins.hinge_bounds_error),
        ("crammer_singer_hinge",),
    ),
    Section(
        "smooth-maximum",
        "Log-sum-exp, a smooth maximum",
        "The maximum in the margin has kinks: at a tie of two classes its gradient jumps. "
        r"$\text{LSE}(s)=\log\sum_j e^{s_j}$ is a stand-in without kinks.",
        (smooth_maximum.lse_bounds, smooth_maximum.lse_gradient, smooth_maximum.log_loss_shift),
        (),
    ),
    Section(
        "log-loss",
        "From the margin to the log loss",
        "Replace the maximum in the margin by its smooth stand-in. How far is the log loss then "
        "from hinge and error rate?",
        (
            log_loss.smoothed_margin, log_loss.margin_band, log_loss.error_costs_log_two,
            log_loss.two_classes,
        ),
        ("cross_entropy",),
    ),
    Section(
        "soft-labels",
        "Soft labels",
        "Some labels are not certain: annotators disagree, or two images are mixed. Then the label "
        "is a distribution $q$ over the classes, and the loss measures how far $p$ is from it.",
        (
            soft_labels.kl_nonnegative, soft_labels.cross_entropy_minus_entropy,
            soft_labels.one_hot_target, soft_labels.smoothing_is_kl,
        ),
        ("soft_target_kl", "label_smoothing"),
    ),
    Section(
        "label-sets",
        "Dog or cat: a set of right answers",
        "A photograph shows a dog and a cat. One may accept either answer, so that the label is a "
        r"set $S$, or ask for the split $q=(\frac{1}{2},\frac{1}{2},0,0)$. These wishes differ.",
        (
            label_sets.set_hinge, label_sets.set_log_loss, label_sets.soft_target_and_set,
            label_sets.flat_or_unique,
        ),
        ("set_margin_hinge",),
    ),
    Section(
        "two-views",
        "No labels: SimCLR",
        "Take two random views of each of $N$ images, and let every view find its partner.",
        (two_views.nt_xent_is_log_loss,),
        ("nt_xent",),
    ),
)  # fmt: skip
