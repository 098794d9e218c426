"""What a stage keeps about where it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusion.training.stage_runs import PUBLISHED, PublishedError, read_published


def test_where_a_stage_is_published_is_read_back(tmp_path: Path) -> None:
    assert read_published(tmp_path) == {}
    (tmp_path / PUBLISHED).write_text('{"here": {"artifact": "a"}}')
    assert read_published(tmp_path) == {"here": {"artifact": "a"}}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'{"here": 3}', b"\xff"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PUBLISHED).write_bytes(content)
    with pytest.raises(PublishedError) as error:
        read_published(tmp_path)
    assert str(tmp_path / PUBLISHED) in str(error.value) and "\n" not in str(error.value)
    assert error.value.exit_code == 2
