"""All that a model and the process hold, by bits and by identity, and where two such differ.

A walk of its own, by public means where there are any, deeper than what is promised; nothing in
it comes from the code that it is to judge.
"""

from __future__ import annotations

import pickle
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DEPTH = 6
PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


@dataclass
class Snapshot:
    """Path -> what is there; the things themselves are kept, so that no id is used again."""

    facts: dict[str, Any] = field(default_factory=dict)
    kept: list[object] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)

    def note(self, path: str, fact: Any) -> None:
        assert path not in self.facts, path
        self.facts[path] = fact


def snapshot(*models: nn.Module) -> Snapshot:
    """Everything that can be reached from the models, and the modes and generators around."""
    taken = Snapshot()
    for number, model in enumerate(models):
        _walk(taken, f"model{number or ''}", model, 0)
    for name, fact in surroundings().items():
        taken.note(f"<{name}>", fact)
    return taken


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """One line for each place that differs, in the order of the walk."""
    return [
        f"{path}: {_short(before.facts.get(path, 'absent'))} -> "
        f"{_short(after.facts.get(path, 'absent'))}"
        for path in {**before.facts, **after.facts}
        if path not in before.facts
        or path not in after.facts
        or before.facts[path] != after.facts[path]
    ]


def _short(fact: Any) -> str:
    text = repr(fact)
    return text if len(text) < 120 else f"{text[:60]}...{text[-57:]}"


def surroundings() -> dict[str, Any]:
    facts: dict[str, Any] = {
        "torch generator": torch.get_rng_state().numpy().tobytes(),
        "numpy generator": pickle.dumps(np.random.get_state()),  # noqa: NPY002 - the global one
        "python generator": pickle.dumps(random.getstate()),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "default dtype": torch.get_default_dtype(),
        "autocast cache": torch.is_autocast_cache_enabled(),
        "autocast nesting": torch.autocast_increment_nesting(),
    }
    torch.autocast_decrement_nesting()
    for device in ("cpu", "cuda"):
        facts[f"autocast {device}"] = (
            torch.is_autocast_enabled(device),
            torch.get_autocast_dtype(device),
        )
    return facts


def _walk(taken: Snapshot, path: str, thing: Any, depth: int) -> None:
    if isinstance(thing, PLAIN):
        taken.note(path, (type(thing).__name__, repr(thing)))
        return
    taken.kept.append(thing)
    taken.note(path, (id(thing), type(thing).__name__))
    if id(thing) in taken.paths:
        taken.note(f"{path}@", taken.paths[id(thing)])
        return
    taken.paths[id(thing)] = path
    if isinstance(thing, Tensor):
        _tensor(taken, path, thing, depth)
    elif isinstance(thing, nn.Module):
        _module(taken, path, thing)
    elif depth <= DEPTH:
        _held(taken, path, thing, depth)


def _module(taken: Snapshot, path: str, module: nn.Module) -> None:
    taken.note(f"{path}.training", module.training)
    for kind, named in (
        ("parameter", module.named_parameters(recurse=False, remove_duplicate=False)),
        ("buffer", module.named_buffers(recurse=False, remove_duplicate=False)),
        ("child", module.named_children()),
    ):
        for name, thing in named:
            _walk(taken, f"{path}.{name} ({kind})", thing, 0)
    _attributes(taken, path, thing=module, depth=0)


def _attributes(taken: Snapshot, path: str, thing: Any, depth: int) -> None:
    attributes = object.__getattribute__(thing, "__dict__")
    taken.note(f"{path}.__dict__", list(attributes))
    for name, value in attributes.items():
        if name != "training":
            _walk(taken, f"{path}.{name}", value, depth + 1)


def _held(taken: Snapshot, path: str, thing: Any, depth: int) -> None:
    if isinstance(thing, dict):
        taken.note(
            f"{path} keys", [repr(key) if isinstance(key, str) else id(key) for key in thing]
        )
        for number, (key, value) in enumerate(thing.items()):
            label = repr(key) if isinstance(key, str | int) else f"#{number}"
            _walk(taken, f"{path}[{label}]", value, depth + 1)
    elif isinstance(thing, list | tuple | deque):
        taken.note(f"{path} length", len(thing))
        for number, value in enumerate(thing):
            _walk(taken, f"{path}[{number}]", value, depth + 1)
    elif isinstance(thing, set | frozenset):
        taken.note(f"{path} elements", sorted(id(element) for element in thing))
        taken.kept.extend(thing)
    elif isinstance(thing, np.ndarray):
        taken.note(f"{path} bits", (thing.dtype, thing.shape, thing.ctypes.data, thing.tobytes()))
    elif isinstance(thing, torch.Generator):
        taken.note(f"{path} state", thing.get_state().numpy().tobytes())
    elif isinstance(thing, np.random.Generator):
        taken.note(f"{path} state", pickle.dumps(thing.bit_generator.state))
    elif isinstance(thing, random.Random):
        taken.note(f"{path} state", pickle.dumps(thing.getstate()))
    elif type(thing).__module__.partition(".")[0] not in ("torch", "numpy", "builtins"):
        if hasattr(thing, "__dict__") and not isinstance(thing, type):
            _attributes(taken, path, thing, depth)
        for name in getattr(type(thing), "__slots__", ()):
            if name != "__weakref__" and hasattr(thing, name):
                _walk(taken, f"{path}.{name}", getattr(thing, name), depth + 1)


def _tensor(taken: Snapshot, path: str, tensor: Tensor, depth: int) -> None:
    facts = (tensor.dtype, tensor.shape, tensor.device, tensor.layout, tensor.requires_grad)
    taken.note(f"{path} kind", (*facts, tensor.is_leaf))
    if tensor.layout is torch.strided:
        taken.note(f"{path} place", (tensor.stride(), tensor.storage_offset(), tensor.data_ptr()))
    taken.note(f"{path} bits", bits(tensor))
    if tensor.is_leaf:
        if tensor.grad is not None:
            _walk(taken, f"{path}.grad", tensor.grad, depth)
        for name in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            if getattr(tensor, name) is not None:
                _walk(taken, f"{path}.{name}", getattr(tensor, name), depth)
    if tensor.__dict__:
        _attributes(taken, path, tensor, depth)


def bits(tensor: Tensor) -> bytes | tuple[bytes, ...]:
    """The elements, in order; a tensor without memory has none."""
    tensor = tensor.detach()
    if tensor.is_meta:
        return b""
    if tensor.layout is torch.sparse_coo:
        return bits(tensor._indices()), bits(tensor._values())  # type: ignore[return-value]
    return tensor.clone().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
