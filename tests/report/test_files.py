from __future__ import annotations

from pathlib import Path

import pytest

from fanin.ensembles import Comparison
from fanin.errors import OutputError
from fanin.report.files import replacing


@pytest.mark.parametrize(
    ("path", "reason"),
    [("absent/page.html", "there is no folder"), ("", "is a folder")],
)
def test_a_page_that_cannot_be_written_is_one_clear_error(
    comparison: Comparison, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(OutputError, match=reason):
        comparison.to_html(tmp_path / path)


def test_no_permission_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the answer of the system is given instead.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"), replacing(tmp_path / "page.html"):
        pass


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("old")

    def fail_half_way() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
