"""What an observation costs, against the same forward and backward pass without it.

Run: ``.venv/bin/python benchmarks/observe.py`` (about two minutes). Plain step and observation
take turns in one process; the median of the ratios of neighbours is printed. The extra memory
is the difference in the highest resident size (Linux) of two processes, one with plain steps
and one with observations as well. torchlens and unit-scaling are measured where they are installed
(``pip install torchlens unit-scaling``).
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from fanin.observation import observe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TURNS = 25
Case = tuple[nn.Module, Any, Any, Callable[..., Tensor] | None]


def mlp(depth: int = 20, width: int = 512, batch: int = 128) -> Case:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    return model, torch.randn(batch, width), torch.randint(10, (batch,)), cross_entropy


class Block(nn.Module):
    def __init__(self, fan_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.skip: nn.Module = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(
                nn.Conv2d(fan_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(out)) + self.skip(x))


def resnet20() -> Case:
    widths = [16] * 3 + [32] * 3 + [64] * 3
    blocks = [
        Block(before, width, 1 if before == width else 2)
        for before, width in zip([16, *widths], widths, strict=False)
    ]
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    return model, torch.randn(32, 3, 32, 32), torch.randint(10, (32,)), cross_entropy


def gpt2() -> Case:
    _prepare()
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=6, n_embd=256, n_head=4, vocab_size=8192, n_positions=128, bos_token_id=0,
        eos_token_id=0, loss_type="ForCausalLM",
    )  # fmt: skip
    ids = torch.randint(8192, (4, 128))
    return GPT2LMHeadModel(config), {"input_ids": ids, "labels": ids}, None, None


def vit_tiny() -> Case:
    _prepare()
    import timm

    model = timm.create_model("vit_tiny_patch16_224", num_classes=10)
    return model, torch.randn(4, 3, 224, 224), torch.randint(10, (4,)), cross_entropy


def _prepare() -> None:
    """timm and transformers import torchvision, whose wheel may lack its operations."""
    from tests.zoo.torchvision_ops import declare

    declare()


CASES: dict[str, Callable[[], Case]] = {
    "MLP 20 x 512, batch 128": mlp,
    "MLP 20 x 512, batch 512": partial(mlp, batch=512),
    "ResNet-20": resnet20,
    "GPT-2 6 x 256": gpt2,
    "ViT-Tiny": vit_tiny,
}


def step(model: nn.Module, inputs: Any, targets: Any, loss: Callable[..., Tensor] | None) -> None:
    """What training does, without the optimizer."""
    output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
    value = output.loss if loss is None else loss(output, targets)
    value.backward()
    model.zero_grad(set_to_none=True)


def look(model: nn.Module, inputs: Any, targets: Any, loss: Callable[..., Tensor] | None) -> None:
    observe(model, inputs, targets, loss=loss)


def trace(case: Case) -> Callable[[], None]:
    """torchlens: every operation of one forward pass, with its output."""
    import torchlens

    model, inputs, *_ = case
    if isinstance(inputs, dict):
        return partial(torchlens.trace, model, input_args=(), input_kwargs=inputs)
    return partial(torchlens.trace, model, inputs)


def tracked(case: Case) -> Callable[[], None]:
    """unit-scaling: scales of forward and backward of each operation, by a compiled graph."""
    from unit_scaling.transforms import track_scales

    model, *rest = case
    return partial(step, track_scales(model), *rest)


def ratio(plain: Callable[[], None], other: Callable[[], None], turns: int) -> tuple[float, float]:
    """Median milliseconds of the plain step, and median ratio of neighbours."""
    plain()
    other()
    times, ratios = [], []
    for _ in range(turns):
        began = time.perf_counter()
        plain()
        between = time.perf_counter()
        other()
        times.append(between - began)
        ratios.append((time.perf_counter() - between) / times[-1])
    return statistics.median(times) * 1e3, statistics.median(ratios)


def shown(call: Callable[[], tuple[float, float]], module: str) -> str:
    if importlib.util.find_spec(module) is None:
        return "not installed"
    try:
        return f"{call()[1]:.1f}x"
    except Exception as error:  # noqa: BLE001 - another package's code may raise anything
        return f"fails: {type(error).__name__}"


def memory(name: str, *, observing: bool) -> int:
    """Highest resident size in MiB of a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", name, *(["--observing"] if observing else [])],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout.split()[-1])


def print_memory(name: str, *, observing: bool) -> None:
    case = CASES[name]()
    small = mlp(1, 8)
    observe(small[0], small[1], small[2], loss=small[3])  # what is loaded once is no part of it
    for _ in range(4):
        step(*case)
        if observing:
            look(*case)
    status = Path("/proc/self/status").read_text()
    print(next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) // 1024)


def main() -> None:
    warnings.simplefilter("ignore")
    if "--memory" in sys.argv:
        print_memory(sys.argv[sys.argv.index("--memory") + 1], observing="--observing" in sys.argv)
        return
    torch.manual_seed(0)
    print("| model | plain step ms | observe | extra MiB | torchlens | unit-scaling |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, build in CASES.items():
        case = build()
        plain = partial(step, *case)
        milliseconds, cost = ratio(plain, partial(look, *case), TURNS)
        extra = memory(name, observing=True) - memory(name, observing=False)
        lens = shown(lambda plain=plain, case=case: ratio(plain, trace(case), 3), "torchlens")
        unit = shown(lambda plain=plain, case=case: ratio(plain, tracked(case), 3), "unit_scaling")
        print(
            f"| {name} | {milliseconds:.1f} | {cost:.2f}x | {extra} | {lens} | {unit} |", flush=True
        )
    print("\n| layers of an MLP 64 wide | observe ms | ms a layer |\n| --- | --- | --- |")
    for depth in (20, 80, 320, 1280):
        case = mlp(depth, 64)
        look(*case)
        times = []
        for _ in range(5):
            began = time.perf_counter()
            look(*case)
            times.append(time.perf_counter() - began)
        milliseconds = statistics.median(times) * 1e3
        print(f"| {depth} | {milliseconds:.0f} | {milliseconds / depth:.3f} |", flush=True)


if __name__ == "__main__":
    main()
