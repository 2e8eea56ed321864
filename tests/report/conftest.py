"""Comparisons to be shown: small and real, with a diverging recipe and a name that bites."""

from __future__ import annotations

import pytest
from torch import nn

import fanin
from fanin.ensembles import Comparison
from fanin.recipes import OneScheme, Plan

HOSTILE = "<script>alert(1)</script> [red]x[/red] $y$"


class Hostile:
    """A recipe whose name is markup for a browser, a terminal and a typesetter."""

    def __str__(self) -> str:
        return HOSTILE

    def plan(self, model: nn.Module) -> Plan:
        return OneScheme(fanin.schemes.lecun_normal()).plan(model)


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    return fanin.compare(
        "mlp",
        ["zeros", "normal:5", "xavier_uniform", "he_normal", Hostile()],
        depth=24,
        width=16,
        seeds=2,
        steps=12,
        learning_rates=(0.03, 0.3),
        progress=False,
    )
