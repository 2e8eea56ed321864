"""The site, built once for all tests, and a browser that looks at it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

from tests.report.test_page import FLAGS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Built:
    """What the command left.

    Args:
        folder: of the pages.
        status: of the command.
        printed: on both streams.
    """

    folder: Path
    status: int
    printed: str


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Built:
    """The site; the workers of one run share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, log, code = shared / "site", shared / "site.log", shared / "site.code"
    with FileLock(shared / "site.lock"):
        if not code.exists():
            done = subprocess.run(
                [ROOT / "scripts" / "site", "--out", folder],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            log.write_text(done.stdout)
            code.write_text(str(done.returncode))
    return Built(folder, int(code.read_text()), log.read_text())


@pytest.fixture(scope="session")
def site(built: Built) -> Path:
    assert built.status == 0, built.printed
    return built.folder


@pytest.fixture(scope="session")
def browser() -> Iterator[WebDriver]:
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert binary, "pages are tested in Chromium: apt-get install chromium chromium-driver"
    assert driver, "Chromium is driven by chromedriver: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
        yield opened
        opened.quit()
