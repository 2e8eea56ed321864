"""What recipes say of themselves, and the table of the documentation."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from fanin.errors import InputError
from fanin.recipes import as_recipe, recipe_factory, recipe_names
from fanin.report.recipe_facts import all_facts, facts, markdown_table

PAGE = Path(__file__).parent.parent.parent / "docs" / "recipes.md"


def test_the_table_of_the_page_is_that_of_the_classes() -> None:
    assert markdown_table() in PAGE.read_text(encoding="utf-8"), (
        "write fanin.report.recipe_facts.markdown_table() into docs/recipes.md"
    )


def test_every_recipe_of_the_catalogue_is_in_it() -> None:
    assert [one.name for one in all_facts()] == list(recipe_names())
    for one in all_facts():
        assert one.rule, one.name
        assert one.use, one.name
        assert one.citation, one.name


@pytest.mark.parametrize("name", recipe_names())
def test_facts_are_those_of_the_class(name: str) -> None:
    told, factory = facts(name), recipe_factory(name)
    assert (told.rule, told.use, told.citation) == (factory.rule, factory.use, factory.citation)
    fields = {field.alias: field.default for field in attrs.fields(factory) if field.init}
    assert {argument.name for argument in told.arguments} == set(fields)
    for argument in told.arguments:
        assert (argument.default is None) == (fields[argument.name] is attrs.NOTHING)
        assert argument.about.strip(), f"{name}.{argument.name} is not documented"


@pytest.mark.parametrize("name", recipe_names())
def test_the_example_names_a_recipe_that_can_be_made(name: str) -> None:
    told = facts(name)
    assert told.example.startswith("fanin.init_(model, ")
    if f'"{name}"' in told.example:
        assert as_recipe(name) is not None
    assert ("inputs=x" in told.example) == (told.needs != "model")


def test_a_recipe_that_cannot_be_loaded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise InputError(f"recipe {name!r} cannot be loaded: the disk is full")

    monkeypatch.setattr("fanin.report.recipe_facts.recipe_factory", broken)
    assert {one.rule.split(": ")[1] for one in all_facts()} == {"the disk is full"}
