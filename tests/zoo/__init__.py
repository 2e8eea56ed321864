"""The zoo: models of every kind that the reading of dataflow has to understand.

Importing this builds nothing and loads neither timm nor transformers.
"""

from __future__ import annotations

from tests.zoo import plain, timm_models, torch_nn, transformers_models
from tests.zoo.subject import Subject, call, scalar

__all__ = ["Subject", "call", "quick", "scalar", "subjects"]


def subjects() -> tuple[Subject, ...]:
    """The whole zoo."""
    return (
        *torch_nn.SUBJECTS,
        *plain.SUBJECTS,
        *timm_models.SUBJECTS,
        *transformers_models.SUBJECTS,
    )


def quick() -> tuple[Subject, ...]:
    """The part that every run of the tests can afford."""
    return tuple(subject for subject in subjects() if subject.quick)
