"""One statement of the textbook, with the experiment that decides it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from fanin.errors import InputError, UnknownNameError
from fanin.guide.checks import Check
from fanin.picture import Picture

Part = Literal["understanding", "techniques", "applying"]
Numbers = dict[str, Any]
"""What an experiment measured: JSON's types, with lists of one value a seed."""
Settings = TypeVar("Settings")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of an experiment to run.

    Args:
        quick: fewer seeds and steps; verdicts then say so.
    """

    quick: bool = False

    def pick(self, full: Value, quick: Value) -> Value:
        """The value for this effort."""
        return quick if self.quick else full

    def seeds(self, full: int, quick: int) -> range:
        """0, 1, ... up to the number for this effort."""
        return range(self.pick(full, quick))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a reader may change.

    Args:
        settings: name of a setting to its new value, e.g. ``{"std": 0.1}``.
        look: what to look for then, as a sentence.
    """

    settings: Mapping[str, Any]
    look: str


@dataclass(frozen=True, slots=True, eq=False)
class Claim(Generic[Settings]):
    """A statement, the experiment that decides it, and what to say about either outcome.

    ``measure`` runs the experiment, ``judge`` and ``draw`` only read its numbers, so that a
    verdict and a picture come out the same from numbers that were kept.

    Args:
        name: short, for the command line; the module's name.
        part: of the textbook.
        title: a heading of a few words.
        statement: the claim as textbooks put it.
        experiment: what is done, in plain words; ``{depth}`` stands for a setting.
        why: the theory behind what is seen, in a few sentences of Markdown; ``$...$`` is math.
        formula: the formula that it rests on, in LaTeX; empty where there is none.
        instead: what is true where the statement is not fully so; empty where it is.
        sources: papers, with arXiv number or venue, and the equation or section.
        settings: a frozen dataclass of int, float, str and bool: what may be changed.
        measure: (settings, effort) to numbers, through fanin's public verbs.
        judge: numbers to checks, each with its threshold.
        draw: numbers to the picture.
        try_it: one thing to change.
        flip: settings under which the truth is turned around, so that the verdict must change.
    """

    name: str
    part: Part
    title: str
    statement: str
    experiment: str
    why: str
    settings: Settings
    measure: Callable[[Settings, Effort], Numbers]
    judge: Callable[[Numbers], Sequence[Check]]
    draw: Callable[[Numbers], Picture]
    try_it: Change
    flip: Mapping[str, Any]
    sources: tuple[str, ...]
    formula: str = ""
    instead: str = ""

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """The settings with some of them replaced; text is read as the setting's type.

        Raises:
            UnknownNameError: no setting bears the name.
            InputError: a value of another type.
        """
        known = {one.name: getattr(self.settings, one.name) for one in _fields(self.settings)}
        read = {}
        for name, value in values.items():
            if name not in known:
                raise UnknownNameError(f"setting of the claim {self.name!r}", name, known)
            read[name] = _read(name, value, type(known[name]))
        return dataclasses.replace(self.settings, **read)  # type: ignore[type-var]

    def described(self, settings: Settings) -> str:
        """The experiment with the values of its settings."""
        values = {one.name: getattr(settings, one.name) for one in _fields(settings)}
        return self.experiment.format(
            **{
                name: f"{value:g}" if isinstance(value, float) else value
                for name, value in values.items()
            }
        )


def _fields(settings: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(settings)


def _read(name: str, value: Any, kind: type) -> Any:
    """A value as the type of its setting.

    Raises:
        InputError: it is none.
    """
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() in words:
            return words[str(value).lower()]
    elif isinstance(value, str) or (isinstance(value, int | float) and kind is not str):
        try:
            read = kind(value)
        except (ValueError, OverflowError):
            pass
        else:
            if kind is str or isinstance(value, str) or read == value:
                return read
    raise InputError(f"setting {name!r} must be of type {kind.__name__}, got {value!r}")


__all__ = ["Change", "Claim", "Effort", "Numbers", "Part"]
