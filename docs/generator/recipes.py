"""A page for each recipe, and the list of them."""

from __future__ import annotations

from fanin.recipes import recipe_factory
from fanin.report.recipe_facts import NEEDS, Facts, all_facts
from generator import markdown as md
from generator.schemes import source_of

# What the module fanin.recipes has under another name than the recipe's.
_HOMES = {"auto": "fanin.recipes.auto.Auto", "default": "fanin.recipes.Default"}


def pages() -> dict[str, str]:
    """Names and texts of all pages."""
    known = all_facts()
    made = {f"recipes/{one.name}.md": _page(one) for one in known}
    rows = [
        (f"[{one.name}]({one.name}.md)", NEEDS[one.needs], md.plain(one.rule), md.plain(one.use))
        for one in known
    ]
    made["recipes/index.md"] = "\n\n".join(
        (
            "# Recipes, one by one",
            (
                f"{len(known)} recipes, as `fanin recipes` lists them; every "
                "[scheme](../schemes/index.md) is one, too. Plans, patterns, measured recipes and "
                "a recipe of your own: [recipes](../recipes.md)."
            ),
            md.table(("recipe", "needs", "rule", "when"), rows),
            md.toctree(one.name for one in known),
        )
    )
    return made


def _page(one: Facts) -> str:
    facts = [
        ("rule", md.plain(one.rule)),
        ("when", md.plain(one.use)),
        ("needs", NEEDS[one.needs]),
        ("source", md.plain(one.citation)),
    ]
    if one.aliases:
        facts.append(("also called", ", ".join(f"`{alias}`" for alias in one.aliases)))
    if one.argument is not None:
        facts.append(("as text", f"`{one.name}:NUMBER` sets `{one.argument}`"))
    home = _HOMES.get(one.name, f"fanin.recipes.{one.name}")
    return "\n\n".join(
        (
            f"# {one.name}",
            md.facts(facts),
            md.fence("python", f"model = {one.example}"),
            "In a shell:",
            md.fence("sh", _command(one)),
            "## Arguments",
            md.rst(f".. autoclass:: {home}\n"),
            "## Code",
            source_of(recipe_factory(one.name)),
        )
    )


def _command(one: Facts) -> str:
    batch = {"model": "", "inputs": " --batch package.module:batch"}
    given = batch.get(one.needs, " --batch package.module:batch_with_targets_and_loss")
    needed = any(argument.default is None for argument in one.arguments)
    name = f"{one.name}:NUMBER" if needed and one.argument else one.name
    return (
        f"fanin recipes show {one.name}\n"
        f"fanin init package.module:model --recipe {name}{given} --out weights.safetensors"
    )
