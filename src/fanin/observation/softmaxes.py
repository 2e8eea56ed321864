"""How sharp softmaxes are: of attention, of routers, of gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import attrs
import torch
from torch import Tensor

from fanin.observation.graph import Call, Value
from fanin.observation.operations import ATTENTIONS, SOFTMAXES

_MOST_ROWS: Final = 64
_MOST_GROUPS: Final = 16
_MOST_KEYS: Final = 1 << 14


@attrs.frozen
class Sharpness:
    """Of sampled rows of one softmax.

    Args:
        keys: numbers in a row.
        rows: how many rows with two numbers or more above zero allowed were seen.
        largest: mean of the largest probability of a row.
        entropy: mean entropy of a row over the entropy of equal shares among those allowed.
    """

    keys: int
    rows: int
    largest: float
    entropy: float


def sharpness(
    call: Call, operands: Sequence[Tensor], results: Sequence[Tensor]
) -> Sharpness | None:
    """Of a softmax, or of the one inside a fused attention; None for another call."""
    with torch.no_grad():
        if call.op in ATTENTIONS:
            return _of_attention(call, operands)
        if call.op not in SOFTMAXES or call.op.startswith("log"):
            return None
        axis = call.argument(1, "dim")
        made, scores = results[0].detach(), operands[0].detach()
        if not isinstance(axis, int) or not made.numel() > 0 or made.dim() < 2:
            return None
        if type(made) is not Tensor or made.is_meta or scores.shape != made.shape:
            return None
        # Odd, so that of causal attention not only the first query is seen.
        step = max(1, made.numel() // made.shape[axis] // _MOST_ROWS) | 1
        shares = made.movedim(axis, -1).flatten(0, -2)[::step]
        from_scores = scores.movedim(axis, -1).flatten(0, -2)[::step]
        lowest = torch.finfo(scores.dtype).min if scores.is_floating_point() else -math.inf
        return _of_rows(shares.float(), from_scores > lowest / 2)


def _of_rows(shares: Tensor, allowed: Tensor) -> Sharpness | None:
    open_to = allowed.sum(-1)
    kept = open_to >= 2
    shares, open_to = shares[kept], open_to[kept]
    if not len(shares):
        return None
    entropy = torch.special.entr(shares).sum(-1) / open_to.float().log()
    return Sharpness(
        allowed.shape[-1], len(shares), float(shares.amax(-1).mean()), float(entropy.mean())
    )


def _of_attention(call: Call, operands: Sequence[Tensor]) -> Sharpness | None:
    """The scores of sampled queries, computed again."""
    tensors = {
        id(value): tensor.detach() for value, tensor in zip(call.operands, operands, strict=False)
    }

    def given(place: int, name: str) -> Any:
        argument = call.argument(place, name)
        return tensors.get(id(argument)) if isinstance(argument, Value) else argument

    query, key, mask = given(0, "query"), given(1, "key"), given(3, "attn_mask")
    if not isinstance(query, Tensor) or not isinstance(key, Tensor) or query.dim() < 2:
        return None
    if not query.is_floating_point() or query.is_meta or type(query) is not Tensor:
        return None
    length, keys = query.shape[-2], key.shape[-2]
    if keys < 2 or keys > _MOST_KEYS:
        return None
    lead = query.shape[:-2]
    groups = math.prod(lead)
    places = torch.arange(0, groups, max(1, math.ceil(groups / _MOST_GROUPS)))
    steps = torch.arange(0, length, max(1, math.ceil(length / max(1, _MOST_ROWS // len(places)))))
    if len(steps) < length:
        steps = (length - 1) - steps.flip(0) + steps[0]  # with the last, which sees all keys
    if key.dim() == query.dim() and key.dim() > 2 and key.shape[-3] != query.shape[-3]:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)  # shared by heads
    key = key.expand(*lead, *key.shape[-2:])
    index = torch.unravel_index(places, lead) if lead else ()
    q = query[index][..., steps, :].float() if lead else query[None][:, steps].float()
    k = key[index].float() if lead else key[None].float()
    scale = given(6, "scale")
    scores = q @ k.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    allowed = torch.ones_like(scores, dtype=torch.bool)
    if isinstance(mask, Tensor):
        whole = mask.expand(*lead, length, keys)
        own = whole[index][..., steps, :] if lead else whole[None][:, steps]
        if own.dtype is torch.bool:
            allowed = own
        else:
            scores = scores + own.float()
            allowed = own > torch.finfo(mask.dtype).min / 2
    if given(5, "is_causal"):
        allowed = allowed & (torch.arange(keys) <= steps[:, None])
    scores = scores.masked_fill(~allowed, -math.inf)
    rows = scores.softmax(-1).nan_to_num(0.0).flatten(0, -2)
    return _of_rows(rows, allowed.flatten(0, -2))
