"""The one atomic write: what is there afterwards, whatever happens meanwhile."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from contract.files import PRIVATE, unwritable, whole, write_atomic, write_json


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(RuntimeError), whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_nan_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n "a": 1\n}\n'


@pytest.mark.parametrize(
    ("umask", "mode", "expected"),
    [(0o022, None, 0o644), (0o077, None, 0o600), (0o002, None, 0o664), (0, PRIVATE, 0o600)],
)
def test_the_mode_follows_the_umask(
    tmp_path: Path, umask: int, mode: int | None, expected: int
) -> None:
    path = tmp_path / "a" / "b.txt"  # folders are made
    before = os.umask(umask)
    try:
        write_atomic(path, b"x", **({} if mode is None else {"mode": mode}))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_file_and_folder_are_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    script = (
        "import sys, os, pathlib\n"
        "from contract.files import write_atomic\n"
        "seen = []\n"
        "os.fsync = lambda handle: seen.append(os.readlink(f'/proc/self/fd/{handle}'))\n"
        "write_atomic(pathlib.Path(sys.argv[1]), 'x')\n"
        "print([pathlib.Path(name).name.startswith('.a-') for name in seen], seen[-1])"
    )
    if sys.platform != "linux":
        pytest.skip("names of open files are read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.txt")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"[True, False] {tmp_path}"


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "0" * 100_000)
    writer = (
        "import sys, pathlib\n"
        "from contract.files import write_atomic\n"
        "for i in range(200): write_atomic(pathlib.Path(sys.argv[1]), str(i % 10) * 100_000)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", writer, str(path)], cwd=Path(__file__).parents[2]
    )
    while process.poll() is None:
        text = path.read_text()
        assert len(text) == 100_000
        assert len(set(text)) == 1
    assert process.returncode == 0


def test_whether_a_folder_can_be_written_into_is_told_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert unwritable(tmp_path) == unwritable(tmp_path / "a" / "b") == ""
    assert unwritable(tmp_path / "file") == unwritable(tmp_path / "file" / "a") == "Not a directory"
    if sys.platform == "linux":
        assert unwritable(Path("/proc/none"))  # for root, too
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
