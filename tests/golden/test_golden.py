"""The bits that are part of the public promise: of every scheme, and of the noise below.

``scripts/golden.py`` says what is hashed and how; ``bits.json`` holds what came out.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fanin.schemes import SCHEMES
from tests.noise import reference
from tests.noise.processors import run_for_target, runnable_targets

SCRIPT = Path(__file__).parents[2] / "scripts" / "golden.py"
FILE = Path(__file__).with_name("bits.json")
BREAKING = "a change of bits is a breaking change: say so in CHANGELOG.md and run scripts/golden.py"

script = runpy.run_path(str(SCRIPT))
golden: dict[str, Any] = json.loads(FILE.read_text())


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Every hash by the keys that lead to it."""
    found: dict[tuple[str, ...], str] = {}
    for key, value in tree.items():
        here = (*path, key)
        found |= {here: value} if isinstance(value, str) else leaves(value, here)
    return found


def assert_golden(drawn: Mapping[str, Any], where: str) -> None:
    expected, got = leaves(golden), leaves(drawn)
    assert got.keys() == expected.keys(), "what is hashed has changed; run scripts/golden.py"
    wrong = [" / ".join(key) for key, value in got.items() if value != expected[key]]
    assert not wrong, (
        f"{len(wrong)} of {len(expected)} hashes differ {where}, the first is {wrong[0]}; "
        f"{BREAKING}"
    )


def test_bits_are_golden():
    assert_golden(script["golden"](), "here")


@pytest.mark.timeout(900)  # compiles every kernel anew
@pytest.mark.parametrize("target", runnable_targets())
def test_code_for_any_processor_gives_golden_bits(target, tmp_path):
    path = tmp_path / "bits.json"
    run_for_target(target, [str(SCRIPT), str(path)], tmp_path / "cache")
    assert_golden(json.loads(path.read_text()), f"in code for {target}")


NOISE: dict[str, Callable[[int, str, int, int], np.ndarray]] = {
    "words": reference.words,
    "uniform": reference.uniform,
    "normal": reference.normal,
    "truncated_normal": reference.truncated_normal,
    "truncated_normal from 5 to 6": lambda *window: reference.truncated_normal(*window, 5.0, 6.0),
}


@pytest.mark.parametrize("law", NOISE)
def test_the_noise_of_the_file_is_that_of_the_slow_reference(law):
    """So the file is right on its own account, and with it every processor that agrees with it."""
    hashed, name = script["hash_of"], script["NAME"]
    found = golden["noise"][law]
    assert found.keys() == {f"{start} to {start + count}" for start, count in script["WINDOWS"]}
    for start, count in script["WINDOWS"]:
        for seed in script["SEEDS"]:
            expected = hashed(NOISE[law](seed, name, start, count))
            assert found[f"{start} to {start + count}"][str(seed)] == expected


def test_the_file_holds_every_scheme_but_the_one_that_rests_on_lapack():
    written = sum(len(layouts) for _, layouts in script["SCHEMES"])
    assert len(golden["schemes"]) == written, "two entries have one name"
    names = {key.partition("(")[0] for key in golden["schemes"]}
    assert names == set(SCHEMES) - {"mimetic"}
    assert golden["schema"] == "fanin.golden/1"
    for key, hashes in golden["schemes"].items():
        assert set(hashes) == {"float32", "bfloat16", "float16", "float64"}, key
        assert all(len(set(seeds)) == 3 for seeds in hashes.values()), key


def test_a_hash_is_of_little_endian_bytes_in_row_major_order():
    values = np.array([[1, 2], [3, 4]], np.uint16)
    expected = script["hash_of"](values)
    assert script["hash_of"](values.astype(">u2")) == expected
    assert script["hash_of"](np.asfortranarray(values)) == expected
    assert script["hash_of"](np.frombuffer(b"\1\0\2\0\3\0\4\0", "<u2")) == expected


def test_a_changed_bit_is_reported_with_what_to_do():
    other = json.loads(FILE.read_text())
    key = next(iter(other["schemes"]))
    other["schemes"][key]["float32"]["0"] = "0" * 32
    with pytest.raises(AssertionError, match=r"run scripts/golden\.py") as error:
        assert_golden(other, "here")
    assert key in str(error.value)
    assert "1 of" in str(error.value)
