"""Zero, random, Xavier and He initialization by hand, in plain PyTorch, as textbooks print them.

What follows knows nothing of fanin, and stands in the chapter on applying word for word.
"""

import math

import torch
from torch import Tensor, nn


def std(rule: str, weight: Tensor) -> float:
    receptive = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * receptive, weight.shape[0] * receptive
    return {
        "zero": 0.0,
        "random": 0.01,
        "xavier": math.sqrt(2 / (fan_in + fan_out)),
        "he": math.sqrt(2 / fan_in),
    }[rule]


@torch.no_grad()
def start_(model: nn.Module, rule: str, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.zero_()
        else:
            parameter.normal_(0, std(rule, parameter), generator=generator)
    return model
