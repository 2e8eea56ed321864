"""Observations written by hand: no model runs."""

from __future__ import annotations

import math

import attrs

from fanin.fans import Layout, conv, embedding, linear
from fanin.observation.observed import Observation
from fanin.observation.readouts import NonFinite, Objective, Signal, Statistics, Units
from fanin.observation.records import (
    Branch,
    Edge,
    Norm,
    Parameter,
    Region,
    Source,
    Step,
    Unmatched,
    Use,
)

HOSTILE = "<script>alert(1)</script>[red]\x1b[31m\n&amp;$y$"
GELU = 1.5335
TO_OUTPUT = Region((), 1.0, "output", "output")


def numbers(rms: float, zeros: float = 0.0) -> Statistics:
    return Statistics(rms, 4 * rms, 0 if math.isfinite(rms) else 7, 0.0, zeros, 4096, 4096)


class Builder:
    """Grows an observation step by step; each method returns the name of its step."""

    def __init__(self, model: str = "Net") -> None:
        self.model = model
        self.uses: list[Use] = []
        self.signals: list[Signal] = []
        self.parameters: list[Parameter] = []
        self.branches: list[Branch] = []
        self.steps: list[Step] = []
        self.edges: list[Edge] = []

    def step(
        self,
        name: str,
        kind: str,
        op: str,
        *sources: str,
        parameters: tuple[str, ...] = (),
        rms: float | None = None,
        gradient: float | None = None,
        functions: tuple[str, ...] = (),
    ) -> str:
        module = name.rpartition(":")[0] if ":" in name else name.rpartition(".")[0]
        self.steps.append(Step(name, kind, op, module, parameters, rms, gradient))
        for source in sources:
            origin = next(step for step in self.steps if step.name == source)
            ops = functions if origin.kind != "input" else ()
            self.edges.append(Edge(source, name, ops))
        if rms is not None and kind != "product":
            back = None if gradient is None else numbers(gradient)
            units = Units(64, 0, 0, 0.02, 512) if kind != "norm" else None
            label = "table" if op == "embedding" else kind
            self.signals.append(
                Signal(name, label, module, op, (16, 64), "float32", numbers(rms), back, units, 0.3)
            )
        return name

    def parameter(
        self, name: str, shape: tuple[int, ...], *, gradient: float | None = 0.01
    ) -> None:
        self.parameters.append(
            Parameter(name, (name,), shape, "float32", True, 0.05, gradient, matched=True)
        )

    def weight(
        self,
        module: str,
        *sources: str,
        layout: Layout,
        op: str = "linear",
        role: str = "weight",
        rms: float = 1.0,
        gradient: float | None = 0.001,
        functions: tuple[str, ...] = (),
        region: Region = TO_OUTPUT,
        branch: int | None = None,
        last: bool = False,
        attention: str | None = None,
        bias: bool = True,
    ) -> str:
        name = f"{module}.weight"
        own = (name, f"{module}.bias") if bias else (name,)
        self.step(
            name, "weight", op, *sources, parameters=own, rms=rms, gradient=gradient,
            functions=functions,
        )  # fmt: skip
        self.parameter(name, layout.shape)
        for number, parameter in enumerate(own):
            if number:
                self.parameter(parameter, layout.shape[:1])
            self.uses.append(
                Use(
                    parameter, (parameter,), module, op, "bias" if number else role,
                    None if number else layout, ("t",) if op == "linear" else (),
                    Source("input", "input", (), 1.0), (region,), Norm("layer_norm", "ln"), None,
                    branch, last, attention, signal=name,
                )
            )  # fmt: skip
        return name

    def norm(self, module: str, *sources: str, op: str = "layer_norm", rms: float = 1.0) -> str:
        own = (f"{module}.weight", f"{module}.bias")
        name = self.step(
            f"{module}:{op}", "norm", op, *sources, parameters=own, rms=rms, gradient=0.002
        )
        for parameter, role in zip(own, ("scale", "shift"), strict=True):
            self.parameter(parameter, (64,))
            self.uses.append(Use(parameter, (parameter,), module, op, role, signal=name))
        return name

    def done(self, **changes: object) -> Observation:
        values: dict[str, object] = {
            "model": self.model,
            "training": True,
            "uses": tuple(self.uses),
            "signals": tuple(self.signals),
            "parameters": tuple(self.parameters),
            "branches": tuple(self.branches),
            "steps": tuple(self.steps),
            "edges": tuple(self.edges),
            "objective": Objective("given", "cross_entropy", 2.31, 10),
            "output": numbers(0.8),
            "gradient_noise": None,
            "unmatched": (),
            "unused": (),
            "identical": (),
            "nonfinite": None,
            "notes": (),
        }
        return Observation(**(values | changes))  # type: ignore[arg-type]


def mlp(depth: int = 3) -> Observation:
    made = Builder("Sequential")
    at = made.step("input", "input", "input")
    for layer in range(depth + 1):
        last = layer == depth
        region = (
            Region((), 1.0, "output", "output")
            if last
            else Region(("relu",), math.sqrt(2), "weight", f"{2 * layer + 2}.weight")
        )
        at = made.weight(
            str(2 * layer), at, layout=linear((10 if last else 64, 64)), region=region,
            functions=("relu",), rms=0.5**layer, gradient=1e-3 * 0.5 ** (depth - layer),
        )  # fmt: skip
    made.step("output", "output", "output", at)
    return made.done()


def transformer(blocks: int = 12) -> Observation:
    """Pre-norm, with query, key and value in one weight, as GPT-2."""
    made = Builder("GPT2LMHeadModel")
    ids = made.step("input_ids", "input", "input_ids")
    to_join = Region((), 1.0, "join", "transformer:add")
    tables = [
        made.weight(
            f"transformer.{name}", *source, layout=embedding((size, 64)), op="embedding",
            role="table", rms=0.02, region=to_join, bias=False,
        )
        for name, size, source in (("wte", 50257, (ids,)), ("wpe", 1024, ()))
    ]  # fmt: skip
    stream = made.step("transformer:add", "join", "add", *tables, rms=0.03, gradient=0.01)
    for block in range(blocks):
        at = f"transformer.h.{block}"
        grown = 0.03 * math.sqrt(1 + block)
        normed = made.norm(f"{at}.ln_1", stream)
        packed = made.weight(
            f"{at}.attn.c_attn", normed, layout=linear((192, 64)), op="addmm",
            attention="query+key+value", branch=2 * block, rms=0.9 + 0.01 * block,
            region=Region((), 1.0, "product", f"{at}.attn:sdpa"), gradient=1e-5 * (block + 1),
        )  # fmt: skip
        mixed = made.step(
            f"{at}.attn:scaled_dot_product_attention", "product", "scaled_dot_product_attention",
            packed, rms=0.4, gradient=1e-4,
        )  # fmt: skip
        out = made.weight(
            f"{at}.attn.c_proj", mixed, layout=linear((64, 64)), op="addmm", attention="output",
            branch=2 * block, last=True, rms=0.1, region=to_join,
        )  # fmt: skip
        name = f"{at}:add#0"
        middle = made.step(name, "join", "add", stream, out, rms=grown, gradient=0.02)
        normed = made.norm(f"{at}.ln_2", middle)
        up = made.weight(
            f"{at}.mlp.c_fc", normed, layout=linear((256, 64)), op="addmm", branch=2 * block + 1,
            region=Region(("gelu",), GELU, "weight", f"{at}.mlp.c_proj.weight"),
        )  # fmt: skip
        down = made.weight(
            f"{at}.mlp.c_proj", up, layout=linear((64, 256)), op="addmm", functions=("gelu",),
            branch=2 * block + 1, last=True, rms=0.1, region=to_join,
        )  # fmt: skip
        name = f"{at}:add#1"
        made.branches += [
            Branch(
                2 * block, middle, stream, None,
                (f"{at}.attn.c_attn.weight", f"{at}.attn.c_proj.weight"),
                (f"{at}.attn.c_proj.weight",),
            ),
            Branch(
                2 * block + 1, name, middle, None,
                (f"{at}.mlp.c_fc.weight", f"{at}.mlp.c_proj.weight"), (f"{at}.mlp.c_proj.weight",),
            ),
        ]  # fmt: skip
        stream = made.step(name, "join", "add", middle, down, rms=grown * 1.2, gradient=0.01)
    head = made.norm("transformer.ln_f", stream)
    made.weight(
        "lm_head",
        head,
        layout=linear((50257, 64)),
        op="linear",
        rms=0.16,
        bias=False,
        gradient=1e-6,
    )
    made.step("output", "output", "output", "lm_head.weight")
    return made.done(notes=("The table is tied to the head.",), gradient_noise=12.5)


def transformer_with(edges: tuple[Edge, ...]) -> Observation:
    """The same with other edges."""
    return attrs.evolve(transformer(), edges=edges)


def resnet(stages: int = 4, blocks: int = 2) -> Observation:
    made = Builder("ResNet")

    def convolution(
        name: str, source: str, kernel: int, *, branch: int | None = None, last: bool = False,
        functions: tuple[str, ...] = ("relu",),
    ) -> str:  # fmt: skip
        weight = made.weight(
            name, source, layout=conv((64, 64, kernel, kernel)), op="conv2d", bias=False, rms=1.4,
            functions=functions, branch=branch, last=last, region=Region((), 1.0, "norm", name),
        )  # fmt: skip
        normed = name.replace("conv", "bn").replace("downsample.0", "downsample.1")
        return made.norm(normed, weight, op="batch_norm")

    at = convolution("conv1", made.step("x", "input", "x"), 7)
    at = made.step("maxpool:max_pool2d", "pool", "max_pool2d", at, functions=("relu",))
    index = 0
    for stage in range(1, stages + 1):
        for block in range(blocks):
            path = f"layer{stage}.{block}"
            inner = convolution(f"{path}.conv1", at, 3, branch=index)
            inner = convolution(f"{path}.conv2", inner, 3, branch=index, last=True)
            skip = at
            if stage > 1 and block == 0:
                skip = convolution(f"{path}.downsample.0", at, 1)
            name = f"{path}:add"
            made.branches.append(Branch(index, name, at, None, (), (f"{path}.conv2.weight",)))
            at = made.step(name, "join", "add", inner, skip, rms=1.5 + 2 * block, gradient=1e-3)
            index += 1
    at = made.step("avgpool:mean", "pool", "mean", at, functions=("relu",))
    head = made.weight("fc", at, layout=linear((10, 64)))
    made.step("output", "output", "output", head)
    return made.done()


def hostile() -> Observation:
    """Names that are markup for browsers and terminals, and numbers that are none."""
    made = Builder(HOSTILE)
    at = made.step(HOSTILE, "input", HOSTILE)
    at = made.weight(
        f"a{HOSTILE}", at, layout=linear((8, 8)), rms=math.nan, gradient=math.inf,
        functions=(HOSTILE,), region=Region((HOSTILE,), None, "weight", HOSTILE, HOSTILE),
    )  # fmt: skip
    at = made.weight(f"b{HOSTILE}", at, layout=linear((8, 8)), rms=math.inf, gradient=0.0)
    at = made.weight(f"c{HOSTILE}", at, layout=linear((8, 8)), rms=0.0, functions=(HOSTILE,))
    made.step("output", "output", "output", at)
    return made.done(
        objective=Objective("projection", HOSTILE, math.nan),
        output=numbers(math.inf),
        unmatched=(Unmatched(f"d{HOSTILE}", HOSTILE, HOSTILE, f"{HOSTILE} is not known."),),
        unused=(f"e{HOSTILE}",),
        identical=((f"f{HOSTILE}", f"g{HOSTILE}"),),
        nonfinite=NonFinite(HOSTILE, HOSTILE, 7),
        notes=(f"A note about {HOSTILE}.",),
    )


def bare() -> Observation:
    """One weight, no gradient, no dataflow, nothing else."""
    made = Builder()
    made.weight("only", layout=linear((2, 2)), gradient=None, bias=False)
    return made.done(steps=(), edges=(), signals=())


def empty() -> Observation:
    return Builder().done()
