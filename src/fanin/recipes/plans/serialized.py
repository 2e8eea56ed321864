"""Plans as dicts that JSON can hold, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Final

import attrs

from fanin.errors import FaninError, InputError
from fanin.fans import Layout
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.schemes import Scheme
from fanin.schemes.catalogue import SCHEMES, factory, names

SCHEMA: Final = "fanin.plan/2"

_NUMBERS = ("predicted", "measured", "gradient", "learning_rate", "weight_decay")
_NAMES = ("kept", "unmatched", "notes")


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """All that a plan says, as dicts, lists, texts and numbers."""
    return {
        "schema": SCHEMA,
        "recipe": plan.recipe,
        "seed": plan.seed,
        "source": plan.source,
        "rows": [_row_to_dict(row) for row in plan.rows],
        **{name: list(getattr(plan, name)) for name in _NAMES},
    }


def plan_from_dict(data: object) -> Plan:
    """The plan that ``plan_to_dict`` told of.

    Raises:
        InputError: what is wrong with it, and where.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise InputError(f"a plan has the schema {SCHEMA!r}, got {got!r}. Make it with to_dict()")
    with _within("the plan"):
        rows = data["rows"]
        seed = data["seed"]
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise InputError(f"seed must be an integer or null, got {seed!r}")
        return Plan(
            _text(data["recipe"]),
            tuple(_row_from_dict(row, number) for number, row in enumerate(rows)),
            **{name: tuple(map(_text, data[name])) for name in _NAMES},
            source=_text(data["source"]),
            seed=seed,
        )


def _row_to_dict(row: Row) -> dict[str, Any]:
    layout = row.layout
    return {
        "parameter": row.parameter,
        "shape": list(row.shape),
        "scheme": scheme_to_dict(row.scheme),
        "std": _std(row),
        "fan_in": layout.fan_in if layout else None,
        "fan_out": layout.fan_out if layout else None,
        "layout": _layout_to_dict(layout) if layout else None,
        "padding_index": row.padding_index,
        "reason": row.reason,
        "source": row.source,
        **{name: _plain(getattr(row, name)) for name in _NUMBERS},
    }


def _std(row: Row) -> Any:
    try:
        return _plain(row.std)
    except NotImplementedError:  # another package's scheme, which does not know it
        return None


def _row_from_dict(data: Any, number: int) -> Row:
    parameter = data.get("parameter") if isinstance(data, Mapping) else None
    with _within(f"rows[{number}]" + (f" of {parameter!r}" if parameter else "")):
        layout = data["layout"]
        padding = data["padding_index"]
        if padding is not None and (isinstance(padding, bool) or not isinstance(padding, int)):
            raise InputError(f"padding_index must be an integer or null, got {padding!r}")
        return Row(
            _text(data["parameter"]),
            _sizes(data["shape"]),
            scheme_from_dict(data["scheme"]),
            _text(data["reason"]),
            _layout_from_dict(layout) if layout is not None else None,
            padding,
            _text(data["source"]),
            **{name: _number(data[name], name) for name in _NUMBERS},
        )


def _layout_to_dict(layout: Layout) -> dict[str, Any]:
    values = ((field.name, getattr(layout, field.name)) for field in fields(Layout))
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values}


def _layout_from_dict(data: Mapping[str, Any]) -> Layout:
    known: dict[str, Any] = {field.name: data[field.name] for field in fields(Layout)}
    for name, value in known.items():
        if isinstance(value, (list, tuple)):
            known[name] = _sizes(value)
    return Layout(**known)


def scheme_to_dict(scheme: Scheme) -> dict[str, Any]:
    """A scheme by its name in the catalogue and its arguments, with its repr as text.

    Of a scheme that no name of the catalogue makes, the arguments are None.
    """
    kind: Any = type(scheme)
    name = getattr(scheme, "name", None)
    if not isinstance(name, str) or not _is_made_by(kind, name):
        full = f"{kind.__module__}.{kind.__qualname__}"
        return {"name": full, "arguments": None, "text": repr(scheme)}
    arguments = {field.alias: _plain(getattr(scheme, field.name)) for field in attrs.fields(kind)}
    return {"name": name, "arguments": arguments, "text": repr(scheme)}


def _is_made_by(kind: Any, name: str) -> bool:
    """Whether the catalogue makes schemes of a class under a name, from fields that say all."""
    if name in SCHEMES:
        return SCHEMES[name] is kind
    made: Any = factory(name) if name in names() else None
    return made is kind and attrs.has(made)


def scheme_from_dict(data: object) -> Scheme:
    """The scheme that ``scheme_to_dict`` told of.

    Raises:
        InputError: it is none, or one of another package that is not registered.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        raise InputError(f"a scheme is a name with arguments, got {data!r}")
    name, arguments = data["name"], data.get("arguments")
    known = name in SCHEMES or name in names()
    if not known or not isinstance(arguments, Mapping):
        raise InputError(
            f"scheme {data.get('text', name)} ({name}) cannot be rebuilt: it is none of fanin's, "
            "and no installed package registers it under 'fanin.schemes'. Make the plan anew "
            "from its recipe"
        )
    make: Callable[..., Scheme] = factory(name)
    try:
        return make(**{key: _value(value) for key, value in arguments.items()})
    except FaninError as error:
        raise InputError(f"scheme {name!r}: {error}") from None
    except TypeError as error:
        raise InputError(f"scheme {name!r} does not take these arguments: {error}") from None


def _plain(value: Any) -> Any:
    """A value of a scheme's field as JSON can hold it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        kind = str(value.dtype).removeprefix("torch.")
        return {"tensor": value.flatten().tolist(), "shape": list(value.shape), "type": kind}
    return scheme_to_dict(value)


def _value(data: Any) -> Any:
    """What ``_plain`` told of."""
    if isinstance(data, list):
        return tuple(_value(item) for item in data)
    if not isinstance(data, Mapping):
        return data
    if "float" in data:
        return float(data["float"])
    if "tensor" in data:
        import torch

        kind = {"bool": torch.bool, "float64": torch.float64}[data["type"]]
        return torch.tensor(data["tensor"], dtype=kind).reshape(_sizes(data["shape"]))
    return scheme_from_dict(data)


def _number(data: Any, name: str) -> Any:
    value = _value(data)
    wanted = isinstance(value, (int, float)) and not isinstance(value, bool)
    optional = name not in {"learning_rate", "weight_decay"}
    if not wanted and not (value is None and optional):
        raise InputError(f"{name} must be a number, got {value!r}")
    return value


def _text(data: object) -> str:
    if not isinstance(data, str):
        raise InputError(f"expected a text, got {data!r}")
    return data


def _sizes(data: object) -> tuple[int, ...]:
    if not isinstance(data, (list, tuple)) or not all(type(size) is int for size in data):
        raise InputError(f"expected whole numbers, got {data!r}")
    return tuple(data)


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Say where, in what a reader finds wrong."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{where} lacks {error}") from None
    except FaninError as error:
        raise InputError(f"{where}: {error}") from None
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{where} cannot be read: {error}") from None
