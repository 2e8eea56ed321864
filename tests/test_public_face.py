"""The public surface: names, lazy imports, and what each entry point may load."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import fanin

HEAVY = ("torch", "numba", "matplotlib", "sklearn", "scipy", "jinja2", "rich", "numpy")
PROGRAM = "import fanin.cli.program as p; p.program"
# numba itself looks for scipy.
NOISE = {"numpy", "numba", "scipy"}


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter holds after running the code."""
    script = f"{code}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import fanin", set()),
        ("import fanin.errors", set()),
        ("import fanin; fanin.fans.linear((3, 4))", set()),
        (f"{PROGRAM}(['--help'], standalone_mode=False)", set()),
        (f"{PROGRAM}(['compare', '--help'], standalone_mode=False)", set()),
        (f"{PROGRAM}(['init', '--help'], standalone_mode=False)", set()),
        (f"{PROGRAM}(['recommend', '--help'], standalone_mode=False)", set()),
        (f"{PROGRAM}(['recipes', '--help'], standalone_mode=False)", set()),
        ("import fanin; fanin.noise.normal(0, 'a', 0, 8)", NOISE),
        (
            "import fanin, torch; fanin.schemes.he_normal().init_(torch.empty(4, 4))",
            {*NOISE, "torch"},
        ),
        (
            "import fanin, torch; fanin.init_(torch.nn.Linear(4, 4), 'he_normal')",
            {*NOISE, "torch"},
        ),
    ],
)
def test_what_each_entry_point_may_import(code: str, allowed: set[str]) -> None:
    assert loaded_by(code) <= allowed


def test_all_is_sorted_and_is_what_can_be_had() -> None:
    assert fanin.__all__ == sorted(fanin.__all__)
    for name in fanin.__all__:
        assert getattr(fanin, name) is not None
    assert dir(fanin) == fanin.__all__
    assert len(fanin.__all__) <= 24


def test_packages_export_sorted_names_that_exist() -> None:
    for package in ("noise", "schemes", "recipes", "ensembles"):
        module = importlib.import_module(f"fanin.{package}")
        assert sorted(module.__all__) == sorted(set(module.__all__))
        for name in module.__all__:
            assert hasattr(module, name), f"fanin.{package}.{name}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = fanin.chekc  # type: ignore[attr-defined]


def test_no_module_bears_the_name_of_something_exported_beside_it() -> None:
    for info in pkgutil.walk_packages(fanin.__path__, "fanin."):
        parent, _, name = info.name.rpartition(".")
        exported = getattr(importlib.import_module(parent), "__all__", [])
        value = getattr(importlib.import_module(parent), name) if name in exported else None
        assert name not in exported or value is sys.modules[info.name], info.name


def test_every_public_callable_is_documented() -> None:
    for package in ("noise", "schemes", "recipes", "ensembles", "fans", "errors"):
        module = importlib.import_module(f"fanin.{package}")
        for name in getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]):
            value = getattr(module, name)
            if callable(value) and getattr(value, "__module__", "").startswith("fanin"):
                assert (value.__doc__ or "").strip(), f"fanin.{package}.{name}"
