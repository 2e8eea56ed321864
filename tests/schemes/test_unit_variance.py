"""lecun_normal on the layout of a real operation: unit variance in, unit variance out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fanin import fans
from fanin.fans import Layout
from fanin.schemes import lecun_normal
from tests.claims import assert_mean_of_replicas

REPLICAS = 40
ROWS = torch.arange(400).reshape(20, 20) % 90

USES: dict[str, tuple[Layout, tuple[int, ...], Callable[[Tensor, Tensor], Tensor]]] = {
    "linear": (fans.linear((70, 90)), (64, 90), F.linear),
    "HF Conv1D": (fans.transposed_linear((90, 70)), (64, 90), lambda x, w: x @ w),
    "convolution": (fans.conv((40, 20, 3, 3)), (4, 20, 12, 12), F.conv2d),
    "strided": (
        fans.conv((40, 20, 3, 3)),
        (8, 20, 12, 12),
        lambda x, w: F.conv2d(x, w, stride=2, dilation=2),
    ),
    "grouped": (
        fans.conv((40, 10, 5), groups=4),
        (8, 40, 30),
        lambda x, w: F.conv1d(x, w, groups=4),
    ),
    "depthwise": (
        fans.conv((96, 1, 3, 3), groups=96),
        (4, 96, 10, 10),
        lambda x, w: F.conv2d(x, w, groups=96),
    ),
    # Away from the border, where fewer taps arrive.
    "transposed": (
        fans.conv_transpose((24, 36, 4, 4), stride=2),
        (4, 24, 10, 10),
        lambda x, w: F.conv_transpose2d(x, w, stride=2)[..., 4:-4, 4:-4],
    ),
    "embedding": (fans.embedding((90, 30)), (1,), lambda _, w: F.embedding(ROWS, w)),
    "bag": (
        fans.embedding_bag((90, 120), "sum", bag=20),
        (1,),
        lambda _, w: F.embedding_bag(ROWS, w, mode="sum"),
    ),
    "packed query, key, value": (
        fans.packed(fans.linear((120, 60)), (60, 30, 30)),
        (64, 60),
        F.linear,
    ),
    "LSTM gates": (fans.recurrent((160, 60), 4), (64, 60), F.linear),
    "experts": (fans.experts((6, 40, 50)), (6, 32, 40), torch.bmm),
    "tied head": (fans.tied_head((90, 64)), (64, 64), lambda x, table: x @ table.T),
    "einsum over heads": (
        fans.einsum("bthd,hde->bte", (4, 16, 60)),
        (8, 6, 4, 16),
        lambda x, w: torch.einsum("bthd,hde->bte", x, w),
    ),
}
# The chance that any of these checks fails although all is right.
RATE = 1e-6 / len(USES)


@pytest.mark.parametrize("use", USES)
def test_unit_variance_in_is_unit_variance_out(use):
    layout, input_shape, apply = USES[use]
    generator = torch.Generator().manual_seed(0)
    outputs = []
    for replica in range(REPLICAS):
        weight = torch.empty(layout.shape)
        lecun_normal().init_(weight, seed=replica, name=use, layout=layout)
        x = torch.randn(input_shape, generator=generator)
        outputs.append(float(apply(x, weight).square().mean()))
    assert_mean_of_replicas(np.array(outputs), 1.0, RATE, 0.1, f"m2 of the output of {use}")
