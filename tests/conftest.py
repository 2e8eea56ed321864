"""For all tests: torchvision can be imported, and workers share the processors."""

from __future__ import annotations

import os
import signal

import torch

from tests.zoo.torchvision_ops import declare

declare()  # transformers and timm import torchvision

# A suite in the background of a shell ignores Ctrl-C, and so would the processes that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _workers > 1:  # threads of one worker that wait for those of another cost more than they give
    _share = max(1, (os.cpu_count() or 1) // _workers)
    torch.set_num_threads(_share)
    os.environ.setdefault("OMP_NUM_THREADS", str(_share))  # of notebooks and commands, too
