"""Lets torchvision be imported beside a torch for CPUs.

PyPI's torchvision is built for CUDA: beside another build its library does not load, and its
import then fails at the first operator that it describes to torch. No model of the zoo runs
one of these operators, so a declaration is enough. timm and transformers import torchvision for
its transforms.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import torch

# What torchvision describes while it is imported, whether or not its library was loaded.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def declare() -> torch.library.Library | None:
    """Declare what torchvision's own library would define, if that does not load."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        for library in Path(spec.origin).parent.glob("_C*"):
            torch.ops.load_library(library)
            return None
    except OSError:
        pass
    # It lasts as long as this object, which the cache holds.
    fragment = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        fragment.define(schema)
    return fragment
