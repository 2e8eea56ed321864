"""What runs under ``untouched`` leaves no trace: no bit, no object, no mode, whatever it does."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from fanin.errors import ModelError
from fanin.observation import copies
from fanin.observation.restoring import untouched
from tests.observation.snapshot import Snapshot, differences, snapshot


def _assert_untouched(body: Callable[[], object], *models: nn.Module) -> None:
    """The body leaves traces without ``untouched``'s help, and none with it."""
    before = snapshot(*models)
    seen: list[Snapshot] = []
    with untouched(*models):
        body()
        seen.append(snapshot(*models))
    assert not differences(before, snapshot(*models))
    assert differences(before, seen[0]), "a body that leaves no trace shows nothing"


def _train(model: nn.Module, *inputs: Tensor) -> Callable[[], object]:
    def body() -> None:
        loss = model(*inputs).square().sum()
        torch.autograd.grad(
            loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True
        )

    return body


class Cache:
    def __init__(self) -> None:
        self.keys: dict[str, Tensor] = {}
        self.length = 0


class Slotted:
    __slots__ = ("count", "late")

    def __init__(self) -> None:
        self.count = 0


class Everything(nn.Module):
    """A layer of each kind, and an attribute of each kind that a forward pass may change."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.first.weight
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(0.5)
        self.old_spectral = nn.utils.spectral_norm(nn.Linear(4, 4))
        self.new_spectral = parametrizations.spectral_norm(nn.Linear(4, 4))
        self.new_weight_norm = parametrizations.weight_norm(nn.Linear(4, 4))
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.listed = nn.ParameterList([torch.ones(4), torch.ones(4)])
        self.keyed = nn.ParameterDict({"a": torch.ones(4)})
        self.hidden = [nn.Linear(4, 4), {"deep": nn.BatchNorm1d(4)}]
        self.register_buffer("wide", torch.zeros(1, 3).expand(5, 3))
        self.register_buffer("absent", None)
        self.register_buffer("large", torch.zeros(600, 600))
        self.plain = torch.tensor([1.0, float("nan"), -0.0])
        self.array = np.arange(3.0)
        self.torch_generator = torch.Generator().manual_seed(1)
        self.numpy_generator = np.random.default_rng(1)
        self.python_generator = random.Random(1)
        self.count = 0
        self.history: deque[int] = deque([1, 2], maxlen=3)
        self.names = {"a"}
        self.nested = {"list": [{"set": {1}, "tensor": torch.zeros(2)}], "tuple": ([1],)}
        self.ordered = OrderedDict(a=1, b=2)
        self.cache = Cache()
        self.slotted = Slotted()
        self.bag = SimpleNamespace(count=0)
        self.itself = [self]
        self.first.weight.mark = [1]
        self.first.bias.grad = torch.ones(4)

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        x = self.norm(self.tied(self.first(x)))
        x = self.new_weight_norm(self.new_spectral(self.old_spectral(x)))
        x = x + self.hidden[0](x) * self.listed[0] + self.keyed["a"]
        return self.frozen(self.dropout(self.hidden[1]["deep"](x)))


def _ema(model: Everything) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.lerp_(torch.zeros_like(parameter), 0.1)


def _swap(model: Everything) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data * 0.5


def _backward(model: Everything) -> None:
    model.train()
    with torch.enable_grad():
        model(torch.randn(3, 4)).sum().backward()


def _through_numpy(model: Everything) -> None:
    model.first.weight.detach().numpy()[:] = 3


def _replace_child(model: Everything) -> None:
    model.norm = nn.BatchNorm1d(4)
    model.extra = nn.Linear(1, 1)
    model._modules.pop("dropout", None)
    model.dropout = nn.Dropout(0.1)


def _late_buffer(model: Everything) -> None:
    model.register_buffer("late", torch.ones(2), persistent=False)
    model.absent = torch.ones(1)


def _containers(model: Everything) -> None:
    model.history.append(7)
    model.names |= {"b"}
    model.nested["list"][0]["set"].add(2)
    model.nested["list"][0]["tensor"].add_(1)
    model.nested["tuple"][0].clear()
    model.nested["new"] = 1
    model.ordered.move_to_end("a")
    model.itself.append(3)
    model.first.weight.mark.append(2)
    model.first.weight.other = 1


def _objects(model: Everything) -> None:
    model.cache.keys["k"] = torch.ones(1)
    model.cache.length += 1
    model.cache.extra = 1
    model.slotted.count += 1
    model.slotted.late = 1
    model.bag.count += 1
    model.array += 1
    del model.count
    model.count = 9


def _generators(model: Everything) -> None:
    torch.rand(1, generator=model.torch_generator)
    model.numpy_generator.random()
    model.python_generator.random()
    torch.rand(1)
    np.random.rand()  # noqa: NPY002 - the global one
    random.random()


def _hook(*_: object) -> None:
    pass


def _hooks(model: Everything) -> None:
    model.first.register_forward_hook(_hook)
    model.norm.register_full_backward_hook(_hook)
    model.register_forward_pre_hook(_hook)
    if model.tied.bias.requires_grad:
        model.tied.bias.register_hook(_hook)
        model.tied.bias.register_post_accumulate_grad_hook(_hook)


def _gradients(model: Everything) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.zero_()
    model.first.bias.grad = None
    model.tied.bias.grad = torch.ones_like(model.tied.bias)


def _modes(model: Everything) -> None:
    model.eval()
    torch.set_grad_enabled(not torch.is_grad_enabled())
    torch.set_default_dtype(torch.float64)
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    torch.autocast_increment_nesting()
    torch.set_autocast_cache_enabled(False)


def _tensors(model: Everything) -> None:
    with torch.no_grad():
        model.wide[:, 0].data[:1].add_(1)
        model.large.add_(1)
        model.plain.neg_()
        model.norm.running_mean.data = torch.ones(4)
        model.norm.num_batches_tracked += 1


def _freeze(model: Everything) -> None:
    model.requires_grad_(False)
    model.frozen.requires_grad_(True)


def _reshape(model: Everything) -> None:
    with torch.no_grad():
        model.frozen.bias.requires_grad_(False).resize_(2)
        model.frozen.weight.requires_grad_(False).set_(torch.zeros(7))
        model.plain.resize_(1, 2)


MUTATIONS = [
    _ema,
    _swap,
    _through_numpy,
    _late_buffer,
    _containers,
    _objects,
    _generators,
    _hooks,
    _gradients,
    _modes,
    _tensors,
    _freeze,
]
LAST = [_backward, _replace_child, _reshape, lambda model: model.double(), lambda model: None]


@pytest.mark.parametrize("mutation", [*MUTATIONS, *LAST[:-1]])
def test_each_mutation_is_undone(mutation: Callable[[Everything], object]) -> None:
    model = Everything()
    _assert_untouched(lambda: mutation(model), model)


def _interrupt(really: bool) -> None:
    if really:
        raise KeyboardInterrupt


@settings(max_examples=40, deadline=None)
@given(
    order=st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=8),
    last=st.sampled_from(LAST),
    forward=st.booleans(),
    fails=st.booleans(),
)
def test_any_mutations_in_any_order_are_undone(
    order: list[Callable[[Everything], object]],
    last: Callable[[Everything], object],
    forward: bool,
    fails: bool,
) -> None:
    model = Everything()
    before = snapshot(model)
    try:
        with untouched(model):
            if forward:
                _train(model, torch.ones(3, 4))()
            for mutation in order:
                mutation(model)
            if torch.get_default_dtype() is torch.float32:
                last(model)
            _interrupt(fails)
    except KeyboardInterrupt:
        assert fails
    assert not differences(before, snapshot(model))


def test_a_training_step_leaves_no_trace() -> None:
    model = Everything()
    _assert_untouched(_train(model, torch.randn(3, 4)), model)


def test_it_may_be_used_again_and_within_itself() -> None:
    model = Everything()
    before = snapshot(model)
    with untouched(model):
        _ema(model)
        inner = snapshot(model)
        with untouched(model):
            _swap(model)
            _backward(model)
        # Memory may have moved: parameters are shared with the outer copy until written to.
        moved = [line for line in differences(inner, snapshot(model)) if " place: " not in line]
        assert not moved
    assert not differences(before, snapshot(model))


def test_a_module_loss_is_put_back_too() -> None:
    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.seen = 0

        def forward(self, output: Tensor) -> Tensor:
            self.seen += 1
            return (self.scale * output).sum()

    model, loss = nn.BatchNorm1d(3), Loss()
    _assert_untouched(lambda: loss(model(torch.randn(4, 3))).backward(), model, loss)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_weight_norm_of_old() -> None:
    model = nn.utils.weight_norm(nn.Linear(3, 3))
    _assert_untouched(_train(model, torch.ones(2, 3)), model)


def test_parametrizations_registered_and_removed_in_the_body() -> None:
    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    model = nn.ModuleDict({"bare": nn.Linear(3, 3), "normed": nn.Linear(3, 3)})
    parametrizations.spectral_norm(model["normed"])

    def body() -> None:
        parametrize.register_parametrization(model["bare"], "weight", Double())
        parametrize.remove_parametrizations(model["normed"], "weight")

    _assert_untouched(body, model)


def test_recurrent_layers_keep_their_flat_weights() -> None:
    model = nn.LSTM(3, 4)
    _assert_untouched(lambda: model(torch.ones(2, 1, 3))[0].sum().backward(), model)


def test_a_forward_that_raises_after_changing_the_mode() -> None:
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x: Tensor) -> Tensor:
            self.norm(x)
            self.train(False)
            raise RuntimeError("broken")

    model = Breaks()
    before = snapshot(model)
    with pytest.raises(RuntimeError, match="broken") as caught, untouched(model):
        model(torch.ones(3, 2))
    assert not differences(before, snapshot(model))
    assert not getattr(caught.value, "__notes__", ())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt(kind: type[BaseException]) -> None:
    model = Everything()
    before = snapshot(model)

    @untouched(model)
    def body() -> None:
        _ema(model)
        raise kind

    with pytest.raises(kind):
        body()
    assert not differences(before, snapshot(model))


# Memory that others hold as well


def test_a_numpy_alias_from_before_sees_its_values_again() -> None:
    model = nn.Linear(3, 3)
    alias = model.weight.detach().numpy()
    values = alias.copy()

    def body() -> None:
        alias[:] = 5

    _assert_untouched(body, model)
    assert np.array_equal(alias, values)
    alias[0, 0] = 7
    assert model.weight[0, 0] == 7


def test_a_parameter_made_from_numpy() -> None:
    array = np.ones((3, 3), dtype=np.float32)
    model = nn.Linear(3, 3)
    model.weight = nn.Parameter(torch.from_numpy(array))

    def body() -> None:
        array[:] = 5

    _assert_untouched(body, model)
    assert (array == 1).all()


def test_parameters_that_are_views_of_one_flat_buffer() -> None:
    flat = torch.randn(12)
    model = nn.Linear(3, 3)
    model.weight, model.bias = nn.Parameter(flat[:9].view(3, 3)), nn.Parameter(flat[9:])
    values = flat.clone()
    _assert_untouched(lambda: flat.mul_(2), model)
    _assert_untouched(lambda: _swap(model), model)
    assert torch.equal(flat, values)
    flat[0] = 7
    assert model.weight[0, 0] == 7, "it still lies on the flat buffer"


def test_a_view_from_before_still_shares_after_a_write() -> None:
    model = nn.Linear(3, 3)
    view = model.weight.detach().T
    _assert_untouched(lambda: _ema(model), model)
    view[0, 0] = 7
    assert model.weight[0, 0] == 7


def test_memory_shared_between_processes() -> None:
    model = nn.Linear(3, 3).share_memory()
    _assert_untouched(lambda: _ema(model), model)
    assert model.weight.is_shared()


def test_read_only_memory_is_not_written_to(tmp_path: Any) -> None:
    np.save(tmp_path / "weights.npy", np.ones((300, 2), dtype=np.float32))
    mapped = np.load(tmp_path / "weights.npy", mmap_mode="r")
    model = nn.Linear(2, 300)
    with pytest.warns(UserWarning, match="not writable"):
        model.register_buffer("mapped", torch.from_numpy(mapped))
    with untouched(model):  # a write would end the process
        model(torch.ones(1, 2))


def test_a_graph_from_before_can_still_go_backward() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)).eval()
    loss = model(torch.ones(2, 3)).sum()
    with untouched(model):
        _train(model, torch.randn(4, 3))()
    loss.backward()


# Modes and kinds of tensor


def test_within_inference_mode() -> None:
    model = Everything().eval()
    with torch.inference_mode():
        before = snapshot(model)
        with untouched(model):
            model.train()(torch.ones(3, 4))
            _ema(model)
        assert not differences(before, snapshot(model))
    with torch.no_grad():
        _assert_untouched(lambda: _ema(model), model)


def test_a_body_in_inference_mode() -> None:
    model = Everything()

    def body() -> None:
        with torch.inference_mode():
            model(torch.ones(3, 4))
            _ema(model)

    _assert_untouched(body, model)


def test_a_model_made_in_inference_mode() -> None:
    with torch.inference_mode():
        model = nn.BatchNorm1d(3)
        values = [bytes(t.numpy()) for t in model.state_dict().values()]
    with untouched(model), torch.inference_mode():
        model(torch.randn(4, 3))
        model.weight.add_(1)
        model.bias.data = torch.ones(3)
    assert [bytes(t.numpy()) for t in model.state_dict().values()] == values


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(3, device="meta"),
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.ones(3, dtype=torch.complex128),
        lambda: torch.ones(3, dtype=torch.complex64).conj(),
        lambda: torch.ones(3, dtype=torch.bfloat16),
        lambda: torch.ones(0),
        lambda: torch.ones(3, dtype=torch.bool),
        lambda: torch.arange(4).expand(3, 4),
        lambda: torch.randn(6, 6)[::2, 1::2],
    ],
)
def test_tensors_of_every_kind(make: Callable[[], Tensor]) -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("kept", make())

    def body() -> None:
        held = model.kept
        if held.layout is torch.strided and held.numel() and not held.is_meta:
            held[tuple(0 if s == 0 else slice(None) for s in held.stride())].zero_()
        held.data = held.data.clone()

    before = snapshot(model)
    with untouched(model):
        body()
    assert not differences(before, snapshot(model))


def test_subclasses_of_tensor_are_not_asked() -> None:
    calls: list[str] = []

    class Counting(Tensor):
        @classmethod
        def __torch_function__(cls, function: Any, kinds: Any, args: Any = (), kwargs: Any = None):
            calls.append(str(function))
            return super().__torch_function__(function, kinds, args, kwargs or {})

    model = nn.Linear(2, 2)
    model.special = torch.ones(3).as_subclass(Counting)
    calls.clear()
    with untouched(model):
        assert not calls
        model.special.add_(1)
        calls.clear()
    assert not calls
    assert model.special.tolist() == [1.0] * 3


def test_a_plain_tensor_that_the_body_made_part_of_a_graph() -> None:
    model = nn.Linear(2, 2)
    model.state = torch.zeros(2)

    def body() -> None:
        model.state.add_(model(torch.ones(2)))

    _assert_untouched(body, model)
    assert model.state.is_leaf


def test_memory_that_the_body_gave_back() -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("kept", torch.ones(8))
    model.kept.alias = model.kept[:4]
    with untouched(model):
        model.kept.untyped_storage().resize_(0)
        model.weight.untyped_storage().resize_(0)
    assert torch.equal(model.kept, torch.ones(8))
    assert model.weight.isfinite().all()


def test_tensors_enlarged_in_place() -> None:
    model = nn.Linear(2, 2).requires_grad_(False)
    model.register_buffer("kept", torch.arange(8.0))
    weight = model.weight.clone()
    with untouched(model):
        model.weight.resize_(50)
        model.kept.resize_(50)
    assert torch.equal(model.weight, weight)
    assert torch.equal(model.kept, torch.arange(8.0))


def test_swapped_parameter_objects() -> None:
    model = nn.Linear(2, 2)
    _assert_untouched(
        lambda: torch.utils.swap_tensors(model.weight, nn.Parameter(torch.zeros(5))), model
    )


def test_parameters_are_not_copied_where_nothing_writes() -> None:
    model = nn.Linear(300, 300)
    places = [p.data_ptr() for p in model.parameters()]
    with untouched(model):
        _train(model, torch.ones(1, 300))()
        assert all(torch._C._is_cow_tensor(p) for p in model.parameters())
    assert not any(torch._C._is_cow_tensor(p) for p in model.parameters())
    assert [p.data_ptr() for p in model.parameters()] == places


@pytest.mark.parametrize("missing", ["_lazy_clone", "_is_shared", "_holders"])
def test_without_the_private_functions_of_torch(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, missing, None)
    model = Everything()
    _assert_untouched(lambda: (_ema(model), _swap(model), _backward(model)), model)


# Modules of every kind


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("total", torch.zeros(2))
        self.count = 0
        self.sizes = torch.jit.annotate(list[int], [7])

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.total = self.total + 1
        self.sizes.append(1)
        return self.norm(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_part() -> None:
    part = torch.jit.script(Scripted())
    model = nn.Sequential(nn.Linear(2, 2), part)

    def body() -> None:
        model(torch.randn(3, 2)).sum().backward()
        model.eval()

    _assert_untouched(body, model)
    assert (part.count, part.sizes, part.training) == (0, [7], True)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_part() -> None:
    part = torch.jit.trace(nn.BatchNorm1d(2), torch.randn(3, 2))
    model = nn.Sequential(part)
    _assert_untouched(lambda: model(torch.randn(3, 2)).sum().backward(), model)


def test_a_compiled_model() -> None:
    model = torch.compile(nn.BatchNorm1d(2), backend="eager")
    _assert_untouched(lambda: model._orig_mod(torch.randn(3, 2)).sum().backward(), model)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)), "'1.weight'"),
        (lambda: nn.LazyBatchNorm1d(), "'weight'"),
        (lambda: _hiding(nn.LazyLinear(3)), "'weight' of a LazyLinear"),
    ],
)
def test_lazy_parameters_are_refused(make: Callable[[], nn.Module], name: str) -> None:
    with pytest.raises(ModelError, match=name) as caught, untouched(make()):
        pytest.fail("the body must not run")
    assert "Run one forward pass first" in str(caught.value)


def _hiding(module: nn.Module) -> nn.Module:
    model = nn.Linear(2, 2)
    model.hidden = [module]
    return model


def test_no_code_of_the_model_is_called() -> None:
    class Jealous:
        def _refuse(self, *_: object) -> Any:
            raise AssertionError("called")

        __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __deepcopy__ = __copy__ = _refuse
        __getattr__ = __setattr__ = _refuse

    class Keys(dict):
        def _refuse(self, *_: object) -> Any:
            raise AssertionError("called")

        __eq__ = __len__ = __iter__ = __getitem__ = __setitem__ = keys = values = items = _refuse
        clear = update = copy = __bool__ = _refuse

    model = nn.Linear(2, 2)
    model.jealous = jealous = Jealous()
    vars(jealous)["count"] = 0
    model.keys = keys = Keys(a=[1])
    with untouched(model):
        vars(jealous)["count"] = 5
        dict.__setitem__(keys, "b", 2)
        dict.get(keys, "a").append(2)
    assert vars(jealous) == {"count": 0}
    assert dict(dict.items(keys)) == {"a": [1]}


# Exit


class Stuck(nn.Linear):
    """Holds something that cannot be put back once the body has run."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.generator = torch.Generator()
        self.array = np.zeros(2)


def _break(model: Stuck) -> None:
    model.array[:] = 1
    model.array.flags.writeable = False
    _ema(model)
    model.eval()


def test_what_fails_does_not_keep_the_rest_from_being_put_back() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Stuck(), nn.BatchNorm1d(2))
    weights = [p.detach().clone() for p in model.parameters()]

    @untouched(model)
    def body() -> None:
        _break(model[1])
        _ema(model)

    with pytest.raises(ModelError, match="ndarray could not be put back"):
        body()
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))
    assert model[1].training


def test_a_failure_does_not_hide_the_error_of_the_body() -> None:
    model = Stuck()

    @untouched(model)
    def body() -> None:
        _break(model)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        body()
    assert "could not be put back" in "".join(caught.value.__notes__)


def test_an_interrupt_while_putting_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Everything()
    before = snapshot(model)
    put_back = copies.TensorCopy.put_back
    pending = [1, 1]

    def interrupted(self: copies.TensorCopy) -> None:
        put_back(self)
        if pending:
            pending.pop()
            raise KeyboardInterrupt

    monkeypatch.setattr(copies.TensorCopy, "put_back", interrupted)

    @untouched(model)
    def body() -> None:
        _ema(model)
        _containers(model)

    with pytest.raises(KeyboardInterrupt):
        body()
    assert not differences(before, snapshot(model))


def test_a_real_loss() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    before = snapshot(model)
    with untouched(model):
        F.cross_entropy(model(torch.randn(3, 4)), torch.tensor([0, 1, 0])).backward()
    assert not differences(before, snapshot(model))
