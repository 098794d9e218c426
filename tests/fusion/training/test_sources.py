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


@pytest.mark.parametrize("name", STAGES)
def test_a_change_counts_where_it_is_imported_and_nowhere_else(name: str, tmp_path: Path) -> None:
    for package in sources.PACKAGES:
        shutil.copytree(places.CODE / package, tmp_path / package)
    before = digest(name, tmp_path)
    assert before == sources.digest(name)
    known = {file.relative_to(places.CODE) for file in sources.modules(name).values()}
    for file in sorted(tmp_path.rglob("*.py")):
        content = file.read_bytes()
        file.write_bytes(content + b"# changed\n")
        changed = digest(name, tmp_path) != before
        assert changed == (file.relative_to(tmp_path) in known), file
        file.write_bytes(content)
    for away in ("fusion/contrastive/config.py", "fusion/fit.py", "fusion/contrastive/finetune.py"):
        assert Path(away) not in known
    for near in ("loop.py", "adam.py", "freeze.py"):
        assert Path("fusion/training", near) in known


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
