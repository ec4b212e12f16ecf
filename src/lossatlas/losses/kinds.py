"""What a loss is fed, and what its target says: one table, a line a type of target.

Whoever asks what kind of loss this is looks here. The rules of the targets themselves are in
`targets`, how reports speak of each kind in `analysis.judges`. This module does not import torch.
"""

from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """How losses with one type of target are fed.

    Attributes:
        inputs: "logits" (N, K), or "embeddings" (V, N, D) of V views of each sample.
        names: what the target says of a class: that it is "right", that it is "wrong", or nothing.
        several: whether a target can hold several classes: a row of K numbers a sample.
    """

    inputs: Literal["logits", "embeddings"] = "logits"
    names: Literal["right", "wrong", "nothing"] = "right"
    several: bool = False

    @property
    def on_embeddings(self) -> bool:
        """Whether the loss is fed embeddings."""
        return self.inputs == "embeddings"


KINDS: dict[str, Kind] = {
    "class_index": Kind(),
    "distribution": Kind(several=True),
    "label_set": Kind(several=True),
    "complementary": Kind(names="wrong"),
    "two_view": Kind("embeddings", names="nothing"),
    "two_view_labelled": Kind("embeddings"),
    "labelled_embedding": Kind("embeddings"),
}
