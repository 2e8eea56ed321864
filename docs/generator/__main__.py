"""``scripts/site``: stage the pages, build the site, say where it lies."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sphinx.application import Sphinx

from fanin.report import guide_site
from generator import api, commands, findings, front, recipes, schemes, staging


def main() -> int:
    arguments = _arguments()
    began = time.perf_counter()
    out = arguments.out.resolve()
    source = out.parent / f"{out.name}-source"
    written = staging.repository_pages()
    pages = (
        written
        | schemes.pages()
        | recipes.pages()
        | findings.pages(written["check.md"])
        | commands.pages()
        | api.pages()
        | front.pages()
    )
    staging.write(pages, source)
    guide_site.write_pages(source / "guide")
    drawn = time.perf_counter()
    app = Sphinx(
        source,
        staging.ROOT / "docs",
        out / "links" if arguments.links else out,
        out.parent / f"{out.name}-doctrees",
        "linkcheck" if arguments.links else "html",
        status=sys.stdout if arguments.verbose else None,
        warningiserror=not arguments.links,
    )
    app.build()
    done = time.perf_counter()
    if app.statuscode == 0:
        print(f"{len(pages)} pages: {drawn - began:.0f} s to write, {done - drawn:.0f} s to build.")
        print(f"Site: {out / ('links/output.txt' if arguments.links else 'index.html')}")
    return app.statuscode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/site", description="Build the site of the docs.")
    parser.add_argument(
        "--out", type=Path, default=staging.ROOT / "out" / "site", help="where to (out/site)"
    )
    parser.add_argument(
        "--links", action="store_true", help="look at the links to other sites, over the network"
    )
    parser.add_argument("--verbose", action="store_true", help="say what sphinx does")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
