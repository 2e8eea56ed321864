"""What every scheme promises, and the function that holds one to it."""

from __future__ import annotations

from typing import Final

import torch

from fanin.errors import InputError
from fanin.fans import Layout
from fanin.noise import Stream
from fanin.schemes import IndependentScheme, Scheme
from fanin.testing import bits, layouts, moments, tensors, values
from fanin.testing.case import Case, Promise, accepts, surroundings_kept

_NOISE = "take all randomness from fanin.noise.Stream(seed, name) and keep nothing between calls"
_ROW_MAJOR = "write through the view that was given, in row-major order, as tensor.copy_ does"
_ONCE = "compute in float32 or float64 and copy into the tensor, which rounds once"
_NO_GRAD = "write with torch operations into tensor.detach() under torch.no_grad()"
_VALUE = "make the class a frozen dataclass or attrs class with fields that can be hashed"

THREADS: Final = Promise(
    "draw the same bits for any number of threads",
    "keep the order of sums fixed, and use nothing that torch cuts for threads",
    bits.of_any_thread_count,
)

ANY_ORDER: Final = Promise(
    "draw the same bits in any order of calls", _NOISE, bits.of_any_order_of_calls
)

OF_THE_SCHEME: Final = (
    Promise("cite its source", "let citation name author, title and year", values.cited),
    Promise("have a repr of one line", "name the class and its arguments", values.readable),
    Promise("be frozen", _VALUE, values.frozen),
    ANY_ORDER,
    Promise(
        "be a value: equal to its copies, and so is their hash", _VALUE, values.equal_to_its_copies
    ),
    Promise(
        "have a std for any fans that is finite and not negative",
        "divide by fans one after the other, and check for zero",
        moments.finite_for_any_fans,
    ),
    Promise(
        "return a tensor without elements as it is",
        "return early where tensor.numel() is 0",
        tensors.without_elements,
    ),
    Promise(
        "draw a tensor of no axes, or refuse it with FanError or InputError",
        "raise fanin.errors.FanError where a layout is needed and there is none",
        tensors.of_one_number,
    ),
)

OF_EACH_WEIGHT: Final = (
    ANY_ORDER,
    Promise("leave the state of the process alone", _NOISE, bits.without_touching_global_states),
    Promise(
        "draw the same bits whatever the global random states are",
        _NOISE,
        bits.without_hearing_global_states,
    ),
    THREADS,
    Promise(
        "overwrite every element", "write all elements, zeros too", bits.whatever_was_there_before
    ),
    Promise(
        "draw other numbers for another seed and another name, or always the same",
        _NOISE,
        bits.by_seed_and_name,
    ),
    Promise(
        "draw element i from number i of the noise, however many elements there are",
        "leave draw_ of IndependentScheme as it is, and give a law",
        bits.by_place,
    ),
    Promise("return the tensor that it was given", "return tensor", tensors.returned),
    Promise(
        "keep the type of the tensor and round the float32 draw once", _ONCE, bits.rounded_once
    ),
    Promise(
        "give every element the same value whatever the strides", _ROW_MAJOR, bits.of_any_strides
    ),
    Promise(
        "leave a parameter a leaf with its requires_grad and its gradient",
        _NO_GRAD,
        tensors.in_a_parameter,
    ),
    Promise("tell autograd that the values are new", _NO_GRAD, tensors.with_autograd_told),
    Promise("draw tensors that were made in inference mode", _NO_GRAD, tensors.in_inference_mode),
    Promise(
        "refuse integer, meta and sparse tensors with an error of fanin, and leave them alone",
        "raise fanin.errors.InputError before the first write",
        tensors.refused,
    ),
    Promise("draw at the scale that std promises", "mend std or the draw", moments.as_std_says),
    Promise("draw uncorrelated numbers for different names", _NOISE, moments.unlike_other_names),
)


def check_scheme(
    scheme: Scheme, layout: Layout | None = None, *, false_alarm: float = 1e-9, seed: int = 0
) -> None:
    """Hold a scheme to what every scheme promises; the first promise that it breaks is named.

    For any object that satisfies ``fanin.schemes.Scheme``, of fanin, of your own or of a
    package. In a test: ``check_scheme(mine())``. It needs about a second. The promises:

    1. Bits. The same for any FANIN_NUM_THREADS and torch.set_num_threads, any order of calls
       and whatever the tensor held before. The global random states of torch, NumPy and
       Python and the gradient mode are neither touched nor heard. Other seeds and other names
       give other numbers, unless all draws are equal. (Names are not asked of an
       ``AbstractScheme`` whose ``shares_noise`` is true, as one half of a pair's.)
    2. Windows. Of an ``IndependentScheme`` a longer tensor begins with the shorter one's bits.
       (Not asked of others, nor of packed weights: a matrix is made as a whole.)
    3. Types. bfloat16 and float16 are the float32 draw rounded once, bit for bit; float64
       agrees with it within 2e-5 of the RMS.
    4. Strides. Transposed, sliced and channels-last tensors get the same values, keep their
       strides, and memory beside them is left alone.
    5. Small tensors. One without elements is returned; one without axes is drawn, or refused
       with ``InputError`` or, where a layout is needed, ``FanError``.
    6. Autograd. A parameter stays a leaf with its requires_grad and its gradient, with
       gradients, under no_grad and in inference mode; autograd notices that values changed.
    7. Tensors. The very tensor is returned; integer, meta and sparse tensors are refused with
       a ``FaninError`` and keep their values.
    8. Huge fans. ``std`` is finite and not negative where fans are 10^12.
    9. Scale. ``std(layout)`` is the RMS of the elements: for a known law of independent
       elements about its mean, otherwise about 0, about the mean of all or of each about its
       own. A scheme whose ``std`` raises NotImplementedError is not asked. The numbers of
       different names are uncorrelated.
    10. Value. Attributes cannot be set; copies, also pickled ones, are equal, hash alike, read
       alike and draw alike (a class within a function cannot be pickled, and is not asked); the
       repr is one line; there is a citation.

    Args:
        scheme: what is checked.
        layout: the weight to draw. None: each of a list (linear, convolutions, experts, packed
            weights, ...) that the scheme does not refuse with ``FanError``.
        false_alarm: the chance that a right scheme fails, over all seeds, shared out among the
            checks of random numbers. (Where laws are not known it is that of Student's t for
            mean squares, which is rougher the fewer random numbers a weight has.) A scale that
            is 3% off is found from about 1000 random numbers a weight on.
        seed: of the draws; with it the outcome is always the same.

    Raises:
        AssertionError: a promise is broken: which, what was measured and what to do.
        InputError: the object is no scheme, the layout no layout, or false_alarm no chance.

    Example:
        >>> import fanin
        >>> check_scheme(fanin.schemes.he_normal(), fanin.fans.linear((20, 30)))
    """
    if isinstance(scheme, type) or not isinstance(scheme, Scheme):
        raise InputError(
            "a scheme is an object, not a class, with a citation, std(layout) and "
            f"init_(tensor, *, seed, name, layout); got {scheme!r}"
        )
    if layout is not None and not isinstance(layout, Layout):
        raise InputError(f"layout must be a layout, e.g. fanin.fans.linear((3, 4)), got {layout!r}")
    if not 0 < false_alarm < 1:
        raise InputError(f"false_alarm must lie between 0 and 1, got {false_alarm!r}")
    seed = Stream(seed, "").seed
    with surroundings_kept():
        tried = (layout,) if layout else layouts.USUAL
        rate = false_alarm / len(tried)
        cases = [Case(scheme, tried_one, seed, rate) for tried_one in _accepted(scheme, tried)]
        _hold(OF_THE_SCHEME, cases[0])
        for case in cases:
            _hold(OF_EACH_WEIGHT, case)
        if layout is None:
            for large in _large(scheme):
                _hold((THREADS,), Case(scheme, large, seed, rate))


def _accepted(scheme: Scheme, tried: tuple[Layout, ...]) -> list[Layout]:
    """The layouts that the scheme does not refuse, one at least."""
    accepted: list[Layout] = []
    refusal: InputError | None = None
    for layout in tried:
        tensor = torch.full(layout.shape, 7.0)
        where = f"{_text(scheme)} on a {layout.op} weight of shape {layout.shape} must"
        try:
            scheme.init_(tensor, layout=layout)
        except InputError as error:
            refusal = error
            if not torch.all(tensor == 7.0):
                raise AssertionError(
                    f"{where} leave a tensor that it refuses as it was, but it has written into "
                    f"it ({error}); check the layout before the first write"
                ) from error
        except Exception as error:
            raise AssertionError(
                f"{where} draw it or refuse it with FanError, but it raised "
                f"{type(error).__name__} ({error}); raise fanin.errors.FanError for what it is "
                "not made for"
            ) from error
        else:
            accepted.append(layout)
    if not accepted:
        raise AssertionError(
            f"{_text(scheme)} must draw at least one weight, but it refuses all {len(tried)} that "
            f"were tried ({refusal}); give the layout that it is made for: "
            "check_scheme(scheme, layout)"
        ) from refusal
    return accepted


def _large(scheme: Scheme) -> list[Layout]:
    of_elements = isinstance(scheme, IndependentScheme)
    tried = layouts.LARGE_OF_ELEMENTS if of_elements else layouts.LARGE_OF_MATRICES
    return [layout for layout in tried if accepts(scheme, layout, layout.shape)]


def _hold(promises: tuple[Promise, ...], case: Case) -> None:
    for promise in promises:
        cause: Exception | None = None
        try:
            complaint = next(promise.complaints(case), None)
        except Exception as error:  # noqa: BLE001 - whatever a scheme may raise
            complaint, cause = f"it raised {type(error).__name__} ({error})", error
        if complaint:
            raise AssertionError(
                f"{_text(case.scheme)} on {case} must {promise.duty}, but {complaint}; "
                f"{promise.remedy}"
            ) from cause


def _text(scheme: object) -> str:
    """The repr, where it can be had."""
    try:
        return repr(scheme)
    except Exception:  # noqa: BLE001
        return f"the scheme {type(scheme).__name__}"
