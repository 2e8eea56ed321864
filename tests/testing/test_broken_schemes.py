"""For each promise schemes that break it, and the words in which it is told."""

from __future__ import annotations

import copy
import itertools
import math
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from fanin.errors import FanError, InputError
from fanin.fans import Layout, conv, linear
from fanin.noise import Distribution, Normal
from fanin.schemes import IndependentScheme, MatrixScheme, orthogonal, scaled
from fanin.schemes.scheme import Source
from fanin.testing import check_scheme
from tests.testing.others import Numbers, Plain

LAYOUT = linear((24, 40))


def assert_broken(scheme: Any, duty: str, measured: str, layout: Layout | None = LAYOUT) -> None:
    with pytest.raises(AssertionError) as failure:
        check_scheme(scheme, layout)
    message = str(failure.value)
    assert f"must {duty}, but " in message, message
    told = message.split(", but ", 1)[1]
    assert re.search(measured, told), message
    assert "; " in told, f"no remedy in {message}"


class Broken(Plain):
    """A subclass breaks one thing; it is frozen without saying so."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


class FromTorch(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return self.spread * torch.randn(count).numpy()


class Counting(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed + next(CALLS), name)


CALLS = itertools.count()


class SeedsTorch(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        torch.manual_seed(seed)
        return super().numbers(count, seed, name)


class SeedsNumpy(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        np.random.seed(seed)  # noqa: NPY002 - the global one is meant
        return super().numbers(count, seed, name)


class SeedsPython(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        random.seed(name)
        return super().numbers(count, seed, name)


class NoGradForEver(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        torch.set_grad_enabled(False)
        return super().numbers(count, seed, name)


class HearsTorch(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed + torch.initial_seed() % 1000, name)


class SumsOnThreads(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed, name) * np.float32(1 + 1e-6 * torch.get_num_threads())


class CutsForThreads(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        threads = int(os.environ.get("FANIN_NUM_THREADS", "1")) if count > 30_000 else 1
        parts = np.array_split(np.arange(count), threads)
        draw = super().numbers
        return np.concatenate([draw(part.size, seed, f"{name}{i}") for i, part in enumerate(parts)])


class Adds(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        tensor.detach().mul_(0.0).add_(torch.from_numpy(numbers).reshape(tensor.shape))


class WithoutSeed(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, 0, name)


class ShortSeed(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed & 0xFFFF_FFFF, name)


class WithoutName(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed, "")


class LastOfName(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed, name.rpartition(".")[2])


@attrs.frozen(repr=False)
class OfSize(IndependentScheme):
    name = "of_size"
    citation = "Nobody. 2024"

    def law(self, layout: Layout | None) -> Distribution:
        return Normal(0.0, 0.5)

    def draw_(
        self, tensor: Tensor, layout: Layout | None, source: Source, factor: float = 1.0
    ) -> None:
        sized = Source(source.seed, f"{source.name} {tensor.numel()}")
        super().draw_(tensor, layout, sized, factor)


ANY_ORDER = "draw the same bits in any order of calls"
ALONE = "leave the state of the process alone"
SEED_AND_NAME = "draw other numbers for another seed and another name, or always the same"
BY_PLACE = "draw element i from number i of the noise, however many elements there are"
BITS = [
    (FromTorch(), ANY_ORDER, "960 of 960 elements differ"),
    (Counting(), ANY_ORDER, "960 of 960 elements differ"),
    (SeedsTorch(), ALONE, "it changes the global random state of torch"),
    (SeedsNumpy(), ALONE, "it changes the global random state of NumPy"),
    (SeedsPython(), ALONE, "it changes the global random state of Python"),
    (NoGradForEver(), ALONE, "it changes the gradient mode"),
    (HearsTorch(), "draw the same bits whatever the global random states are", "manual_seed"),
    (SumsOnThreads(), "draw the same bits for any number of threads", r"set_num_threads\(2\)"),
    (Adds(), "overwrite every element", "960 of 960 elements differ .*NaN"),
    (WithoutSeed(), SEED_AND_NAME, "seeds 0 and 1 give the same numbers"),
    (ShortSeed(), SEED_AND_NAME, "seeds 0 and 4294967296 give the same numbers"),
    (WithoutName(), SEED_AND_NAME, "names '' and 'weight' give the same numbers"),
    (LastOfName(), SEED_AND_NAME, "'weight' and 'layers.0.weight' give the same"),
    (
        OfSize(),
        BY_PLACE,
        "between 1 elements and the first of 2",
    ),
]


class ReturnsNothing(Broken):
    def init_(self, tensor: Tensor, **options: Any) -> Any:
        super().init_(tensor, **options)


class ReturnsACopy(Broken):
    def init_(self, tensor: Tensor, **options: Any) -> Tensor:
        copied = super().init_(tensor, **options)
        return copied.clone() if copied.numel() else copied


class RoundsTwice(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        narrow = torch.from_numpy(numbers).reshape(tensor.shape)
        if tensor.dtype is torch.bfloat16:
            narrow = narrow.half()
        tensor.detach().copy_(narrow)


class Widens(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        if tensor.dtype is torch.bfloat16:
            tensor.data = tensor.data.float()
        super().write_(tensor, numbers)


class OtherDoubles(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        super().write_(tensor, numbers[::-1].copy() if tensor.dtype is torch.float64 else numbers)


class IgnoresStrides(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        if tensor.numel():
            flat = tensor.detach().as_strided((tensor.numel(),), (1,))
            flat.copy_(torch.from_numpy(numbers))


class MakesContiguous(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        if not tensor.is_contiguous():
            tensor.data = tensor.data.contiguous()
        super().write_(tensor, numbers)


class ClearsTheRest(Broken):
    @torch.no_grad()
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        storage = torch.empty(0, dtype=tensor.dtype).set_(tensor.detach().untyped_storage())
        if tensor.is_contiguous():
            storage.zero_()
        super().write_(tensor, numbers)


ONCE = "keep the type of the tensor and round the float32 draw once"
STRIDES = "give every element the same value whatever the strides"
TENSORS = [
    (ReturnsNothing(), "return a tensor without elements as it is", "it returns None"),
    (ReturnsACopy(), "return the tensor that it was given", "it returns another Tensor"),
    (RoundsTwice(), ONCE, r"differ .* between the torch.bfloat16 draw and the float32 draw"),
    (Widens(), ONCE, "a tensor of torch.bfloat16 becomes one of torch.float32"),
    (OtherDoubles(), ONCE, "the float64 draw is .* away from the float32 draw"),
    (IgnoresStrides(), STRIDES, "differ .* in a transposed tensor of torch.float32"),
    (MakesContiguous(), STRIDES, r"the strides \(1, 24\) of a transposed tensor become \(40, 1\)"),
    (ClearsTheRest(), STRIDES, "it writes 80 elements outside of a neighboured tensor"),
]


@attrs.frozen(repr=False)
class Law(IndependentScheme):
    claimed: float = 0.5
    shift: float = 0.0
    refuses: bool = False

    name = "law"
    citation = "Nobody. 2024"

    def law(self, layout: Layout | None) -> Distribution:
        return Normal(0.25, 0.5)

    def std(self, layout: Layout | None = None) -> float:
        return self.claimed

    def draw_(
        self, tensor: Tensor, layout: Layout | None, source: Source, factor: float = 1.0
    ) -> None:
        if self.refuses and not tensor.ndim:
            raise FanError("no axes")
        values = torch.empty(tensor.shape)
        super().draw_(values, layout, source, factor)
        with torch.no_grad():
            tensor.copy_(values + self.shift)


class DividesByCount(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        return super().numbers(count, seed, name) + np.float32(0 // count)


class NeedsAnAxis(Broken):
    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        super().require(tensor, layout)
        assert tensor.shape[0] >= 0


class SpoilsANumber(Broken):
    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        super().require(tensor, layout)
        if not tensor.ndim:
            tensor.zero_()
            raise InputError("no axes")


class TakesAnything(Broken):
    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        pass


class SpeaksTorch(Broken):
    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        if tensor.is_meta:
            raise TypeError("meta")
        super().require(tensor, layout)


class SpoilsWhatItRefuses(Broken):
    def require(self, tensor: Tensor, layout: Layout | None) -> None:
        if tensor.dtype is torch.int64:
            tensor.zero_()
        super().require(tensor, layout)


EMPTY = "return a tensor without elements as it is"
NUMBER = "draw a tensor of no axes, or refuse it with FanError or InputError"
REFUSE = "refuse integer, meta and sparse tensors with an error of fanin, and leave them alone"
SMALL_AND_WRONG = [
    (DividesByCount(), EMPTY, "it raised ZeroDivisionError"),
    (NeedsAnAxis(), NUMBER, "it raised IndexError"),
    (Law(refuses=True), NUMBER, r"it needs no layout, yet it refuses .*\(no axes\)"),
    (SpoilsANumber(), NUMBER, "has written 0.0 into it"),
    (TakesAnything(), REFUSE, "it takes an integer tensor"),
    (SpeaksTorch(), REFUSE, r"a meta tensor makes it raise TypeError \(meta\)"),
    (SpoilsWhatItRefuses(), REFUSE, "it refuses an integer tensor and has written into it"),
]


class ForgetsNoGrad(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        tensor.copy_(torch.from_numpy(numbers).reshape(tensor.shape))


class Freezes(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        super().write_(tensor.requires_grad_(False), numbers)


class Thaws(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        super().write_(tensor, numbers)
        if isinstance(tensor, torch.nn.Parameter):
            tensor.requires_grad_()


class DropsTheGradient(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        super().write_(tensor, numbers)
        tensor.grad = None


class ZeroesTheGradient(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        super().write_(tensor, numbers)
        if tensor.grad is not None:
            tensor.grad.zero_()


class BehindTorch(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        if tensor.dtype is torch.float32:
            tensor.detach().numpy()[...] = numbers.reshape(tensor.shape)
        else:
            super().write_(tensor, numbers)


class CountsVersions(Broken):
    def write_(self, tensor: Tensor, numbers: Numbers) -> None:
        assert tensor._version >= 0
        super().write_(tensor, numbers)


LEAF = "leave a parameter a leaf with its requires_grad and its gradient"
AUTOGRAD = [
    (ForgetsNoGrad(), LEAF, r"it raised RuntimeError \(a leaf Variable that requires grad"),
    (Freezes(), LEAF, "with gradients enabled requires_grad=True becomes False"),
    (Thaws(), LEAF, "with gradients enabled requires_grad=False becomes True"),
    (DropsTheGradient(), LEAF, "the gradient of the parameter changes"),
    (ZeroesTheGradient(), LEAF, "the gradient of the parameter changes"),
    (BehindTorch(), "tell autograd that the values are new", "takes for the old ones"),
    (CountsVersions(), "draw tensors that were made in inference mode", "it raised RuntimeError"),
]


class Overflows(Broken):
    def std(self, layout: Layout | None = None) -> float:
        return self.spread * (math.exp(layout.fan_in / 1e4) / math.exp(layout.fan_in / 1e4))


class Vanishing(Broken):
    def std(self, layout: Layout | None = None) -> float:
        with np.errstate(all="ignore"):
            fans = np.float32(layout.fan_in if layout else 1) ** 4
            return float(self.spread * fans / fans)


class Negative(Broken):
    def std(self, layout: Layout | None = None) -> float:
        return -self.spread


class Wordy(Broken):
    def std(self, layout: Layout | None = None) -> Any:
        return "0.5"


class RefusesItsOwn(Broken):
    def std(self, layout: Layout | None = None) -> float:
        raise FanError("no fans")


class TooWide(Broken):
    def std(self, layout: Layout | None = None) -> float:
        return self.spread / 1.03


class AlmostShared(Broken):
    def numbers(self, count: int, seed: int, name: str) -> Numbers:
        own, shared = (super(AlmostShared, self).numbers(count, seed, n) for n in (name, "all"))
        return np.float32(math.sqrt(0.9)) * own + np.float32(math.sqrt(0.1)) * shared


@attrs.frozen(repr=False)
class TooLong(MatrixScheme):
    name = "too_long"
    citation = "Nobody. 2024"

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return 1.06 * min(outputs, inputs * taps)

    def make_(self, weight: Any, stream: Any) -> None:
        orthogonal().make_(weight, stream)


FANS = "have a std for any fans that is finite and not negative"
SCALE = "draw at the scale that std promises"
MOMENTS = [
    (Overflows(), FANS, "it raised OverflowError"),
    (Vanishing(), FANS, "std is nan for fan_in 1e.12 and fan_out 1e.06 of a linear weight"),
    (Negative(), FANS, "std is -0.5 for fan_in 40"),
    (Wordy(), FANS, "std is '0.5'"),
    (RefusesItsOwn(), FANS, r"std refuses the layout that init_ draws \(no fans\)"),
    (TooWide(), SCALE, r"std says 0.485437 and the RMS of the elements .* is (0.49|0.50)"),
    (Law(claimed=0.5 / 1.03), SCALE, "about the mean 0.25 is 0.49|0.50"),
    (Law(shift=0.02), SCALE, "the mean of .* numbers is 0.0(19|20).* off 0.25"),
    (TooLong(), SCALE, "std says 0.16.* is 0.158"),
    (AlmostShared(), "draw uncorrelated numbers for different names", r"correlation of \+0.(09|1)"),
]


class Mutable(Plain):
    pass


class MutableFields(Plain):
    __setattr__ = object.__setattr__


class Identical(Broken):
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Plain.__hash__


@dataclass(frozen=True)
class Unhashable(Plain):
    sizes: Any = ()


class Unlike(Broken):
    def __hash__(self) -> int:
        return id(self)


class Unpicklable(Broken):
    rule: Callable[[int], int] | None = None


class ByAddress(Broken):
    def __repr__(self) -> str:
        return object.__repr__(self)


class Forgets(Broken):
    def __deepcopy__(self, memo: object) -> Forgets:
        return Forgets(0.25)

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Forgets()"


class Prints(Broken):
    text: str = ""

    def __repr__(self) -> str:
        return self.text


class Cites(Broken):
    text: Any = ""

    @property
    def citation(self) -> Any:  # type: ignore[override]
        return self.text


VALUE = "be a value: equal to its copies, and so is their hash"
LINE = "have a repr of one line"
VALUES = [
    (Mutable(), "be frozen", "its attribute 'something_new' can be set"),
    (MutableFields(), "be frozen", "its attribute 'spread' can be set"),
    (Identical(), VALUE, "the copy that copy.copy makes is not equal to it"),
    (Unhashable(sizes=[1]), VALUE, r"it raised TypeError \(unhashable type: 'list'\)"),
    (Unlike(), VALUE, "equal to it and has another hash"),
    (Unpicklable(rule=lambda n: n), VALUE, "pickle raises .*Error"),
    (ByAddress(), VALUE, "equal to it and has another repr"),
    (Forgets(), VALUE, "960 of 960 elements differ .* the copy that copy.deepcopy makes"),
    (Prints(text=""), LINE, "its repr is ''"),
    (Prints(text="a\nb"), LINE, r"its repr is 'a\\nb'"),
    (Cites(text=" "), "cite its source", "its citation is ' '"),
    (Cites(text=None), "cite its source", "its citation is None"),
]

ALL = [*BITS, *TENSORS, *SMALL_AND_WRONG, *AUTOGRAD, *MOMENTS, *VALUES]


@pytest.mark.parametrize(
    ("scheme", "duty", "measured"), ALL, ids=[f"{type(row[0]).__name__}" for row in ALL]
)
def test_a_broken_promise_is_named(scheme, duty, measured):
    assert_broken(scheme, duty, measured)


def test_the_whole_message():
    with pytest.raises(AssertionError) as failure:
        check_scheme(SumsOnThreads(), linear((2, 3)))
    assert re.fullmatch(
        r"SumsOnThreads\(spread=0\.5\) on a linear weight of shape \(2, 3\) must draw the same "
        r"bits for any number of threads, but \d of 6 elements differ \(element \d is -?\d\.\d+ "
        r"instead of -?\d\.\d+\) with FANIN_NUM_THREADS=1 and torch\.set_num_threads\(2\); keep "
        r"the order of sums fixed, and use nothing that torch cuts for threads",
        str(failure.value),
    )


def test_threads_are_tried_on_a_large_weight():
    measured = "with FANIN_NUM_THREADS=2"
    assert_broken(CutsForThreads(), "draw the same bits for any number of threads", measured, None)


def test_draws_of_different_seeds_are_told_apart():
    """Half of the noise is the same for every seed and name, unseen by equal bits."""

    @attrs.frozen(repr=False)
    class half_shared(IndependentScheme):
        name = "half_shared"
        citation = "Nobody. 2024"

        def law(self, layout):
            return Normal(0.0, 0.5)

        def draw_(self, tensor, layout, source, factor=1.0):
            own, all_ = torch.empty(tensor.shape), torch.empty(tensor.shape)
            super().draw_(own, layout, source)
            super().draw_(all_, layout, Source(0, "all"))
            with torch.no_grad():
                tensor.copy_((own + all_) * math.sqrt(0.5))

    assert_broken(half_shared(), SCALE, "draws of different seeds are correlated")


def test_a_wrapper_bears_what_is_wrong_inside():
    assert_broken(scaled(TooWide(), 0.5), SCALE, "std says 0.242")


def test_one_layout_among_many():
    class OnlyConvs(Broken):
        def std(self, layout=None):
            return self.spread * (1.1 if layout and layout.groups > 1 else 1.0)

    with pytest.raises(AssertionError, match=r"on a conv weight of shape \(24, 4, 3, 3\) must"):
        check_scheme(OnlyConvs())


class TestLayouts:
    @staticmethod
    def refusing(error: Callable[[Tensor], Exception]) -> Any:
        class Picky(Broken):
            def require(self, tensor, layout):
                super().require(tensor, layout)
                if layout is None or layout.op != "conv":
                    raise error(tensor)

        return Picky()

    def test_what_is_refused_with_fan_error_is_left_out(self):
        picky = self.refusing(lambda tensor: FanError("convolutions only"))
        check_scheme(picky)
        check_scheme(picky, conv((4, 3, 5)))

    def test_nothing_is_left(self):
        picky = self.refusing(lambda tensor: FanError("convolutions only"))
        text = r"must draw at least one weight, .* refuses all 1 .*convolutions only.*; give the"
        with pytest.raises(AssertionError, match=text):
            check_scheme(picky, LAYOUT)

    def test_an_error_of_another_kind(self):
        picky = self.refusing(lambda tensor: KeyError("op"))
        with pytest.raises(AssertionError, match=r"must draw it or refuse it with FanError, but"):
            check_scheme(picky)

    def test_a_refusal_that_comes_too_late(self):
        picky = self.refusing(lambda tensor: FanError(f"too late for {tensor.zero_().shape}"))
        with pytest.raises(AssertionError, match="must leave a tensor that it refuses as it was"):
            check_scheme(picky)


def test_a_repr_that_fails_is_told():
    class Speechless(Broken):
        def __repr__(self):
            raise RuntimeError("no words")

    with pytest.raises(AssertionError, match=r"the scheme .*Speechless.* it raised RuntimeError"):
        check_scheme(copy.copy(Speechless()), LAYOUT)
