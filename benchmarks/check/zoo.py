"""Check every timm and Hugging Face model of the zoo at its own init: nothing should be broken.

``python -m benchmarks.check.zoo [--only 'timm/*']``. Their authors train them from that init, so
that each error is a false one unless training says otherwise; batches of two small inputs.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections import Counter
from fnmatch import fnmatch

import torch
from rich.console import Console
from rich.progress import track
from tests.zoo import subjects
from tests.zoo.torchvision_ops import declare

import fanin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    declare()
    console = Console(width=120, highlight=False)
    counts: Counter[str] = Counter()
    chosen = [s for s in subjects() if s.name.startswith(("timm/", "hf/"))]
    for subject in track([s for s in chosen if fnmatch(s.name, options.only)], "checking"):
        torch.manual_seed(0)
        model, inputs = subject.build()
        report = fanin.check(model, inputs)
        counts[report.verdict] += 1
        for finding in report.findings:
            said = f"{finding.severity} {finding.kind} at {finding.where[0]}: {finding.evidence}"
            console.print(f"{subject.name}: {said}", markup=False)
    console.print(f"{sum(counts.values())} models: {dict(counts)}")


if __name__ == "__main__":
    main()
