"""Layouts: which axes of a weight are in, out and receptive field, as the operation uses them.

fan_in is the number of products that one output sums; fan_out is the number of outputs that
one input reaches, which is what its gradient sums. Both follow from the operation, never
from a bare shape: a transposed convolution stores its axes the other way round, a grouped
one joins only a part of its channels, an embedding looks one row up and sums nothing, and a
weight of attention or of an LSTM is several weights in one tensor.
"""

from fanin.fans.contractions import einsum, experts, matmul
from fanin.fans.convolutions import conv, conv_transpose
from fanin.fans.layout import Layout
from fanin.fans.matrices import (
    bilinear,
    linear,
    of_plain_weight,
    packed,
    recurrent,
    tied_head,
    transposed_linear,
)
from fanin.fans.tables import embedding, embedding_bag

__all__ = [
    "Layout",
    "bilinear",
    "conv",
    "conv_transpose",
    "einsum",
    "embedding",
    "embedding_bag",
    "experts",
    "linear",
    "matmul",
    "of_plain_weight",
    "packed",
    "recurrent",
    "tied_head",
    "transposed_linear",
]
