"""What holds of every claim: it runs, its verdict comes from its numbers, and it can turn."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from _pytest.mark import ParameterSet

import fanin.guide as guide
from fanin.guide.claims import names
from fanin.guide.recorded import recorded
from fanin.guide.result import Result, from_dict
from fanin.report import guide_pages, markdown

PARTS = ("understanding", "techniques", "applying")
# The whole of these takes seconds. The others are run with their ground truth turned, below.
SHORT: dict[str, Result] = {
    claim.name: result
    for claim in guide.all_claims()
    if (result := recorded(claim)) is not None and result.seconds < 2.5
}


def every() -> list[ParameterSet]:
    """All claims; those whose experiments are long are turned by ``make turn``."""
    found = {claim.name: recorded(claim) for claim in guide.all_claims()}
    long = {name for name, result in found.items() if result is not None and result.seconds > 9}
    return [pytest.param(name, marks=[pytest.mark.long] if name in long else []) for name in found]


@pytest.mark.parametrize("name", every())
def test_a_claim_turns_when_its_ground_truth_is_turned(name: str) -> None:
    claim = guide.claim_by_name(name)
    as_it_is = recorded(claim)
    turned = guide.run(claim, quick=True, settings=claim.flip)

    assert as_it_is is not None
    assert turned.verdict != as_it_is.verdict, (as_it_is.checks, turned.checks)
    assert turned.changed, "nothing was changed"
    written = json.loads(json.dumps(turned.to_dict(), allow_nan=False))
    assert from_dict(claim, written).to_dict() == written
    assert "<svg" in turned.picture.svg()
    assert len(json.dumps(written)) < 40_000, "numbers are kept in the package: thin them"


@pytest.mark.parametrize("name", sorted(SHORT))
def test_a_quick_run_does_not_say_the_opposite_of_the_whole_one(name: str) -> None:
    quick = guide.run(guide.claim_by_name(name), quick=True)
    assert {quick.verdict, SHORT[name].verdict} != {"supported", "refuted"}
    assert quick.quick
    assert not quick.changed


@pytest.mark.parametrize("name", names())
def test_a_claim_is_told_whole(name: str) -> None:
    claim = guide.claim_by_name(name)
    assert claim.name == name
    assert claim.part in PARTS
    assert claim.sources
    assert "{" not in claim.described(claim.settings)
    assert claim.changed(claim.try_it.settings) != claim.settings
    if claim.formula:
        assert "<math" in markdown.mathml(claim.formula)
        assert "\\" not in markdown.latex_text(claim.formula)
    values = guide_pages.claim_values(claim, recorded(claim))
    assert values["why"]


@pytest.mark.parametrize("name", names())
def test_the_recorded_result_is_of_a_full_run_of_the_claim_as_it_is(name: str) -> None:
    claim = guide.claim_by_name(name)
    result = recorded(claim)
    assert result is not None, "record it: make guide"
    assert not result.quick
    assert not result.changed
    assert set(result.settings) == set(claim.settings.__dataclass_fields__)
    assert result.verdict == "supported" or claim.instead, "say what is true instead"


def test_every_claim_stands_in_one_chapter_and_every_chapter_has_some() -> None:
    placed = Counter(name for chapter in guide.all_chapters() for name in chapter.claims)
    assert set(placed) == set(names())
    assert set(placed.values()) == {1}
    assert [chapter.number for chapter in guide.all_chapters()] == list(range(1, 11))
    assert all(chapter.claims for chapter in guide.all_chapters())


def test_there_are_claims_of_all_three_parts() -> None:
    parts = Counter(claim.part for claim in guide.all_claims())
    assert set(parts) == set(PARTS)
    assert sum(parts.values()) >= 30


def test_claims_differ_in_name_title_and_statement() -> None:
    claims = guide.all_claims()
    for what in ("name", "title", "statement"):
        told = [getattr(claim, what) for claim in claims]
        assert len(set(told)) == len(told), what


def test_a_result_does_not_depend_on_the_global_generator_and_leaves_it_alone() -> None:
    import torch

    claim = guide.claim_by_name("he_keeps_relu")
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = guide.run(claim, quick=True)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert guide.run(claim, quick=True).numbers == first.numbers


def test_the_table_in_the_docs_is_that_of_the_recorded_results() -> None:
    from scripts.record_guide import TABLE, table

    assert TABLE.read_text(encoding="utf-8") == table(), "write it: make guide"
