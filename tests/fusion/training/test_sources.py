"""What code decides a stage: the modules that it imports, all of them, and no other."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contract import places
from fusion.contrastive import classifiers, contrast, projection
from fusion.training import sources

STAGES = [module.__name__ for module in (classifiers, contrast, projection)]


@pytest.mark.parametrize("name", STAGES)
def test_the_modules_are_those_that_python_imports(name: str) -> None:
    code = f"import sys, {name}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {m for m in done.stdout.split() if m.split(".")[0] in sources.PACKAGES}
    assert set(sources.modules(name)) == imported


AWAY = ("fusion/contrastive/config.py", "fusion/fit.py", "fusion/training/stages.py")
NEAR = ("fusion/training/loop.py", "fusion/data/raycast.py", "contract/files.py")


@pytest.mark.parametrize("name", STAGES)
def test_a_change_counts_where_it_is_imported_and_nowhere_else(name: str, tmp_path: Path) -> None:
    for package in sources.PACKAGES:
        shutil.copytree(places.CODE / package, tmp_path / package)
    before = digest(name, tmp_path)
    assert before == sources.digest(name)
    for file in (*AWAY, *NEAR):
        content = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes(content + b"# changed\n")
        assert (digest(name, tmp_path) != before) == (file in NEAR), file
        (tmp_path / file).write_bytes(content)


def digest(name: str, root: Path) -> str:
    return sources.digest.__wrapped__(name, root)


def test_imports_of_every_form_are_found_and_those_for_type_checkers_left_out() -> None:
    text = """
import a.b
from c import d, e as f
if TYPE_CHECKING:
    from g import h
else:
    import i
def later():
    from j.k import l
"""
    found = set(sources.imports(ast.parse(text)))
    assert found == {"a.b", "c", "c.d", "c.e", "i", "j.k", "j.k.l"}


@pytest.mark.parametrize("file", sorted((places.CODE / "fusion/training").glob("*.py")))
def test_what_both_experiments_share_knows_neither(file: Path) -> None:
    used = sources.modules(f"fusion.training.{file.stem}")
    assert all(
        name.startswith(("contract", "fusion.training")) or name == "fusion" for name in used
    )
