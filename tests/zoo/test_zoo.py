"""The zoo itself: it builds, it runs, and it is as wide as it is said to be."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from tests.zoo import Subject, call, quick, scalar, subjects

FAMILIES = 60  # at least, of timm and of transformers each


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of several workers on the same cores wait for each other ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("subject", quick(), ids=str)
def test_it_runs_forward_and_backward(subject: Subject) -> None:
    torch.manual_seed(0)
    model, inputs = subject.build()
    assert model.training
    assert list(model.parameters())
    loss = scalar(call(model, inputs))
    loss.backward()
    assert torch.isfinite(loss)
    assert any(p.grad is not None for p in model.parameters())


def test_names_are_unique() -> None:
    counts = Counter(subject.name for subject in subjects())
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("library", ["timm", "hf"])
def test_families_are_many(library: str) -> None:
    families = {s.family for s in subjects() if s.name.startswith(f"{library}/")}
    assert len(families) >= FAMILIES


def test_the_quick_part_has_every_kind() -> None:
    kinds = Counter(subject.name.partition("/")[0] for subject in quick())
    everything = Counter(subject.name.partition("/")[0] for subject in subjects())
    assert kinds["nn"] == everything["nn"]
    assert kinds["plain"] == everything["plain"]
    assert kinds["timm"] >= 20
    assert kinds["hf"] >= 25


@pytest.mark.parametrize("name", ["nn/Transformer", "plain/experts listed", "hf/mixtral"])
def test_the_seed_decides_the_model(name: str) -> None:
    (subject,) = (subject for subject in subjects() if subject.name == name)
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        losses.append(scalar(call(*subject.build())).item())
    assert losses[0] == losses[1]


def test_importing_it_loads_no_library_of_models() -> None:
    code = "import sys, tests.zoo; print({'timm', 'transformers', 'torchvision'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
