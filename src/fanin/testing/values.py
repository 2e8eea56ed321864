"""Promises about the scheme itself: a frozen, printable, copyable, cited value."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import attrs

from fanin.testing.case import Case, Complaints, difference


def frozen(case: Case) -> Complaints:
    scheme: object = case.scheme
    for name in (*_fields(scheme), "something_new"):
        value = getattr(scheme, name, None)
        try:
            setattr(scheme, name, value)
        except Exception:  # noqa: BLE001, S112 - any will do
            continue
        yield f"its attribute {name!r} can be set"


def _fields(scheme: object) -> list[str]:
    names = [*getattr(scheme, "__dict__", ())]
    kind: Any = type(scheme)
    if attrs.has(kind):
        names += [field.name for field in attrs.fields(kind)]
    if dataclasses.is_dataclass(scheme):
        names += [field.name for field in dataclasses.fields(scheme)]
    return list(dict.fromkeys(names))


def _is_local(scheme: object) -> bool:
    """Whether a class was made within a function or typed in, where pickle finds none."""
    kinds = [type(scheme), *(type(getattr(scheme, name, None)) for name in _fields(scheme))]
    return any("<locals>" in kind.__qualname__ or kind.__module__ == "__main__" for kind in kinds)


def _pickled(scheme: object) -> Any:
    return pickle.loads(pickle.dumps(scheme))  # noqa: S301 - of our own making


_COPIES: dict[str, Callable[[Any], Any]] = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": _pickled,
}


def equal_to_its_copies(case: Case) -> Complaints:
    scheme = case.scheme
    for how, copied in _COPIES.items():
        try:
            twin = copied(scheme)
        except Exception as error:  # noqa: BLE001 - whatever a scheme may raise
            if how == "pickle" and _is_local(scheme):
                continue
            yield f"{how} raises {type(error).__name__} ({error})"
            continue
        if twin != scheme or not twin == scheme:  # noqa: SIM201 - both are asked
            yield f"the copy that {how} makes is not equal to it"
            continue
        if hash(twin) != hash(scheme):
            yield f"the copy that {how} makes is equal to it and has another hash"
        if repr(twin) != repr(scheme):
            yield f"the copy that {how} makes is equal to it and has another repr, {twin!r}"
        changed = difference(dataclasses.replace(case, scheme=twin).drawn(), case.drawn())
        if changed:
            yield f"{changed} between it and the copy that {how} makes"


def readable(case: Case) -> Complaints:
    text = repr(case.scheme)
    if not text.strip() or len(text.splitlines()) != 1:
        yield f"its repr is {text!r}"


def cited(case: Case) -> Complaints:
    citation: object = case.scheme.citation
    if not isinstance(citation, str) or not citation.strip():
        yield f"its citation is {citation!r}"
