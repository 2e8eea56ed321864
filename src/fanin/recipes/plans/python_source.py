"""A plan as plain torch code, without fanin, of the same distributions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import wrap

from fanin.errors import InputError
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.plans.torch_code.compositions import COMPOSITIONS
from fanin.recipes.plans.torch_code.drawing import Drawing, Target
from fanin.recipes.plans.torch_code.formulas import formula
from fanin.recipes.plans.torch_code.functions import functions_of
from fanin.recipes.plans.torch_code.matrices import MATRICES
from fanin.recipes.plans.torch_code.statements import WIDTH, Call, Statement, quoted

_WEIGHT = "weight"
_USED = re.compile(rf"\b{_WEIGHT}\b")
_WRITINGS = {**MATRICES, **COMPOSITIONS}
# Names that the code may use beside that of the model.
_TAKEN = {
    "torch", "nn", "name", _WEIGHT, "parts", "part", "group", "matrix", "whole", "flat", "block",
    "mask", "copies", "first", "half", "factors", "units", "column", "values", "gates", "shared",
    "init_weights", "float", "dict", "tuple", "str", "int",
}  # fmt: skip
# Different reasons that a comment gives before it says that there are more.
_REASONS = 3


@dataclass(frozen=True, slots=True)
class _Action:
    """What some parameters have in common."""

    statements: tuple[Statement, ...]
    padding: int | None
    learning_rate: float
    weight_decay: float


@dataclass
class _Group:
    """The parameters of one action, and what is said of them."""

    names: list[str] = field(default_factory=list)
    reasons: dict[str, None] = field(default_factory=dict)
    formulas: dict[str, None] = field(default_factory=dict)


def python_source(plan: Plan, model_name: str = "model") -> str:
    """A module with a function ``init_weights(model)`` that draws what the plan draws.

    Raises:
        InputError: a scheme that has no plain torch code, naming the parameter; or model_name
            cannot name an argument.
    """
    taken = model_name.rstrip("0123456789").rstrip("_") in _TAKEN
    if taken or not model_name.isidentifier() or keyword.iskeyword(model_name):
        raise InputError(f"model_name must be a name that the code can use, got {model_name!r}")
    groups: dict[_Action, _Group] = {}
    functions: set[str] = set()
    empty: list[str] = []
    for row in plan.rows:
        if not all(row.shape):
            empty.append(row.parameter)
            continue
        drawing = Drawing(row.parameter, _WRITINGS)
        drawing.draw(row.scheme, row.layout, Target(_WEIGHT, row.shape))
        functions |= drawing.functions
        action = _Action(
            tuple(drawing.statements), row.padding_index, row.learning_rate, row.weight_decay
        )
        group = groups.setdefault(action, _Group())
        group.names.append(row.parameter)
        group.reasons[row.reason] = None
        group.formulas[_formula(row)] = None
    body = [_block(action, group, model_name) for action, group in groups.items()]
    left = {
        "Kept as the model made them": plan.kept,
        "Not known to the recipe, left as they are": plan.unmatched,
        "Without elements": tuple(empty),
    }
    body += [
        list(_comment(f"{what}: {', '.join(names)}.")) for what, names in left.items() if names
    ]
    if "mimetic_" in functions:
        body.insert(0, [
            "    # The noise that both weights of a pair are made from.",
            "    shared: dict[tuple[str, int, int], torch.Tensor] = {}",
        ])  # fmt: skip
    lines = [
        "@torch.no_grad()",
        f"def init_weights({model_name}: nn.Module) -> None:",
        '    """Draw the parameters anew, from torch\'s generator."""',
    ]
    paragraphs = "\n\n".join("\n".join(block) for block in body)
    function = "\n".join(lines) + (f"\n{paragraphs}" if paragraphs else "") + "\n"
    imports = "import torch\nfrom torch import nn\n"
    return "\n\n".join([f"{_docstring(plan)}\n{imports}", *functions_of(functions), function])


def _formula(row: Row) -> str:
    return formula(row.scheme, row.layout)


def _docstring(plan: Plan) -> str:
    said = [f"Initial weights by the recipe {plan}.", *plan.source.splitlines()]
    if plan.seed is not None:
        said.append(
            f"The scales were measured on weights that fanin drew for seed {plan.seed}; with other "
            "draws they hold on average only."
        )
    said += [f"Note: {note}" for note in plan.notes]
    paragraphs = ["\n".join(_wrapped(text)) for text in map(_harmless, said) if text.strip()]
    text = "\n\n".join(paragraphs)
    end = "\n" if "\n" in text or len(text) > WIDTH - 6 else ""
    return f'"""{text}{end}"""\n'


def _harmless(text: str) -> str:
    """Text that a docstring holds as it is."""
    return text.replace("\\", "/").replace('"', "'")


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH - 3, break_on_hyphens=False)


def _block(action: _Action, group: _Group, model_name: str) -> list[str]:
    """A comment and the statements under it."""
    reasons = list(group.reasons)
    lines = [line for reason in reasons[:_REASONS] for line in _comment(reason)]
    if len(reasons) > _REASONS:
        lines += _comment(f"and {len(reasons) - _REASONS} more reasons of this kind")
    for text in list(group.formulas)[:_REASONS]:
        lines += _comment(text)
    factors = {"learning rate": action.learning_rate, "weight decay": action.weight_decay}
    said = [f"{what} times {factor:.6g}" for what, factor in factors.items() if factor != 1.0]
    if said:
        lines += _comment(f"The recipe asks for {' and '.join(said)}.")
    return lines + list(_code(action, group.names, model_name))


def _comment(text: str) -> Iterator[str]:
    for line in wrap(" ".join(text.split()), WIDTH - 6, break_on_hyphens=False):
        yield f"    # {line}"


def _code(action: _Action, names: list[str], model_name: str) -> Iterator[str]:
    depth, listed = 1, ", ".join(map(quoted, names))
    name = quoted(names[0])
    if len(names) > 1:
        depth, name = 2, "name"
        if len(line := f"    for name in ({listed}):") <= WIDTH:
            yield line
        else:
            yield "    for name in ("
            yield from (f"        {quoted(one)}," for one in names)
            yield "    ):"
    first = action.statements[0]
    if len(action.statements) == 1 and action.padding is None and isinstance(first, Call):
        used = [_USED.findall(text) for text in (first.head, *first.arguments)]
        if [len(found) for found in used] == [0, 1, *[0] * (len(first.arguments) - 1)]:
            parameter = f"{model_name}.get_parameter({name})"
            target = _USED.sub(lambda _: parameter, first.arguments[0])
            yield from Call(first.head, (target, *first.arguments[1:])).lines(depth)
            return
    yield from Call(f"{_WEIGHT} = {model_name}.get_parameter", (name,)).lines(depth)
    for statement in action.statements:
        yield from statement.lines(depth)
    if action.padding is not None:
        yield from Call(f"{_WEIGHT}[{action.padding}].zero_", ()).lines(depth)
