"""Wrapped and sharded models, in real processes: each reads as the plain model does."""

from __future__ import annotations

import faulthandler
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from fanin.observation import Observation, observe

WORLD = 2
PATIENCE = 120  # seconds
KINDS = ("ddp", "fsdp2", "tensor parallel")


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 16), nn.LayerNorm(16), nn.Linear(16, 4)
    )


def batch() -> Tensor:
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def wrapped(kind: str) -> nn.Module:
    model = plain()
    mesh = init_device_mesh("cpu", (WORLD,))
    if kind == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    if kind == "fsdp2":
        for layer in (model[0], model[2], model[4]):
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model
    return parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


def facts(seen: Observation) -> dict[str, object]:
    def bare(name: str) -> str:
        return name.removeprefix("module.")

    return {
        "uses": [
            [bare(use.parameter), use.op, use.role, use.fan_in, use.fan_out, use.gain]
            for use in seen.uses
        ],
        "ends": [[region.ends for region in use.regions] for use in seen.uses],
        "unmatched": [one.parameter for one in seen.unmatched],
        "unused": list(seen.unused),
        "rms": {bare(one.name): one.rms for one in seen.parameters},
        "gradient": {bare(one.name): one.gradient_rms for one in seen.parameters},
        "signals": {bare(one.name): one.forward.rms for one in seen.signals},
    }


def local(parameter: Tensor) -> Tensor:
    return parameter.to_local() if hasattr(parameter, "to_local") else parameter


def work(rank: int, kind: str, folder: str) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # a rank that hangs says where
    torch.set_num_threads(1)
    # A file, as another process may take a port between its choice and its use.
    store = dist.FileStore(f"{folder}/store", WORLD)
    patience = timedelta(seconds=PATIENCE / 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD, timeout=patience)
    model = wrapped(kind)
    before = [local(parameter).detach().clone() for parameter in model.parameters()]
    result = facts(observe(model, batch()))
    result["unchanged"] = all(
        torch.equal(old, local(new)) for old, new in zip(before, model.parameters(), strict=True)
    )
    result["gradients"] = [parameter.grad is None for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # it trains as if nothing had been
    losses = []
    for _ in range(3):
        loss = model(batch()).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    result["losses"] = losses
    if rank == 0:
        Path(folder, "facts.json").write_text(json.dumps(result))
    store.set(f"done {rank}", "")
    store.wait([f"done {other}" for other in range(WORLD)], patience)
    os._exit(0)  # what gloo and DDP do while an interpreter ends is not looked at


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_as_the_plain_model(kind: str, tmp_path: Path) -> None:
    mp.spawn(work, args=(kind, str(tmp_path)), nprocs=WORLD)
    found = json.loads((tmp_path / "facts.json").read_text())
    expected = json.loads(json.dumps(facts(observe(plain(), batch()))))
    assert found["unchanged"]
    assert all(found["gradients"])
    assert found["losses"][2] < found["losses"][0]
    for name in ("uses", "ends", "unmatched", "unused"):
        assert found[name] == expected[name], name
    for name in ("rms", "gradient", "signals"):
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name
