"""The one place that writes into a model: all parameters, or none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from fanin.errors import InputError, ModelError
from fanin.noise.streams import checked_seed
from fanin.recipes.plans.row import Row
from fanin.schemes import IndependentScheme
from fanin.schemes.filling import require_fillable


def write(rows: Sequence[Row], model: nn.Module, seed: int, *, kept: Collection[str] = ()) -> None:
    """Draw each row's parameter from the noise of (seed, name); those of ``kept`` stay.

    Everything that can be checked is checked before the first write. A scheme that may fail all
    the same (another package's, one that needs memory, on a device) draws first, with a copy
    of its parameter at hand: whatever happens, all of these are put back. Independent draws of
    fanin cannot fail; an interrupt among them is raised when the last is made.

    Raises:
        ModelError: naming the parameter and what is wrong with it.
        InputError: a seed that is no integer.
    """
    parameters = dict(model.named_parameters())
    _require_same_names(rows, kept, parameters)
    draw = _checked(rows, parameters, seed)
    certain: list[Row] = []
    risky: list[Row] = []
    for row in rows:
        (certain if _cannot_fail(row, parameters[row.parameter]) else risky).append(row)
    before = {row.parameter: parameters[row.parameter].detach().clone() for row in risky}
    try:
        for row in risky:
            draw(row)
    except BaseException:
        with torch.no_grad():
            for name, values in before.items():
                parameters[name].detach().copy_(values)
        raise
    _to_the_end(draw, certain)


def overwrite(rows: Sequence[Row], model: nn.Module, seed: int) -> None:
    """Draw the parameters of rows as ``write`` does, where the caller puts them back.

    Nothing is kept for an undo; other parameters stay.

    Raises:
        ModelError: naming the parameter and what is wrong with it.
        InputError: a seed that is no integer.
    """
    draw = _checked(rows, dict(model.named_parameters()), seed)
    for row in rows:
        draw(row)


def _checked(
    rows: Sequence[Row], parameters: Mapping[str, Tensor], seed: int
) -> Callable[[Row], None]:
    """What draws a row, once all that can be checked is checked."""
    checked_seed(seed)
    names = noise_names(parameters)
    for row in rows:
        _require_writable(row, parameters[row.parameter])
    _require_apart(parameters)

    def draw(row: Row) -> None:
        _draw(row, parameters[row.parameter], seed, names[row.parameter])

    return draw


def _cannot_fail(row: Row, parameter: Tensor) -> bool:
    return (
        isinstance(row.scheme, IndependentScheme)
        and type(row.scheme).__module__.startswith("fanin.")
        and parameter.device.type == "cpu"
    )


def _to_the_end(draw: Callable[[Row], None], rows: Sequence[Row]) -> None:
    """Draw every row; a row that is interrupted is drawn again, with the same bits."""
    interrupt: KeyboardInterrupt | None = None
    done = 0
    while done < len(rows):
        try:
            draw(rows[done])
            done += 1
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


@torch.no_grad()
def _draw(row: Row, parameter: Tensor, seed: int, name: str) -> None:
    try:
        row.scheme.init_(parameter, seed=seed, name=name, layout=row.layout)
    except Exception as error:
        error.add_note(f"while {row.scheme!r} drew parameter {row.parameter!r}")
        raise
    if row.padding_index is not None:
        parameter[row.padding_index].zero_()


def noise_names(names: Iterable[str]) -> dict[str, str]:
    """Parameter name -> name of its noise: without the ``_orig_mod`` of a compiled module.

    So a model has the same weights before and after ``torch.compile``.

    Raises:
        ModelError: two parameters would then share one noise.
    """
    plain = {name: ".".join(p for p in name.split(".") if p != "_orig_mod") for name in names}
    seen: dict[str, str] = {}
    for name, noise in plain.items():
        if noise in seen:
            raise ModelError(
                f"parameters {seen[noise]!r} and {name!r} have the same name {noise!r} once the "
                "prefix of torch.compile is left out, and would get equal noise. Rename one"
            )
        seen[noise] = name
    return plain


def _require_same_names(
    rows: Sequence[Row], kept: Collection[str], parameters: Mapping[str, Tensor]
) -> None:
    planned = {row.parameter for row in rows} | set(kept)
    missing, unknown = sorted(parameters.keys() - planned), sorted(planned - parameters.keys())
    if missing or unknown:
        raise ModelError(
            "the plan is for another model: "
            + "; ".join(
                f"{what} {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
                for what, names in (("it lacks", missing), ("the model lacks", unknown))
                if names
            )
        )


def _require_writable(row: Row, parameter: Tensor) -> None:
    if tuple(parameter.shape) != row.shape:
        raise ModelError(
            f"parameter {row.parameter!r} has shape {tuple(parameter.shape)}, the plan says "
            f"{row.shape}"
        )
    try:
        require_fillable(parameter, row.parameter)
        row.std  # noqa: B018 - a scheme without the fans that it needs says so here
    except InputError as error:
        raise ModelError(f"parameter {row.parameter!r} cannot be drawn: {error}") from None


def _require_apart(parameters: Mapping[str, Tensor]) -> None:
    """Raise where two parameters lie on the same memory, so that one would overwrite the other."""
    spans: list[tuple[int, int, str]] = []
    for name, parameter in parameters.items():
        if parameter.numel():
            last = sum(
                (size - 1) * stride
                for size, stride in zip(parameter.shape, parameter.stride(), strict=True)
            )
            start = parameter.data_ptr()
            spans.append((start, start + (last + 1) * parameter.element_size(), name))
    spans.sort()
    for (_, end, first), (start, _, second) in itertools.pairwise(spans):
        if start < end:
            raise ModelError(
                f"parameters {first!r} and {second!r} share memory without being one parameter; "
                "drawing one would overwrite the other. Tie them by assigning the same "
                "nn.Parameter, or give each memory of its own"
            )
