"""Over the zoo: every parameter is accounted for, and no model shows a trace."""

from __future__ import annotations

import json

import pytest
import torch

from fanin.observation import observe
from tests.observation.snapshot import differences, snapshot
from tests.zoo import Subject, quick

UNREADABLE = {
    "plain/vmap": {"first", "second", "bias"},
}
"""Code that calls no function of torch which can be recorded: each parameter must be named."""


@pytest.mark.parametrize("subject", quick(), ids=str)
def test_every_parameter_is_accounted_for_and_nothing_changes(subject: Subject) -> None:
    torch.manual_seed(0)
    model, inputs = subject.build()
    before = snapshot(model)
    seen = observe(model, inputs)
    assert differences(before, snapshot(model)) == []
    used = {name for use in seen.uses for name in use.names}
    missed = {one.parameter for one in seen.unmatched}
    every = [parameter.name for parameter in seen.parameters]
    assert every == [name for name, _ in model.named_parameters()]
    assert set(every) <= used | missed | set(seen.unused)
    assert missed == UNREADABLE.get(subject.name, set())
    names = [signal.name for signal in seen.signals]
    assert len(names) == len(set(names))
    assert {use.signal for use in seen.uses} - {None} <= set(names)
    json.dumps(seen.to_dict(), allow_nan=False)
