"""What the launcher lays over a sweep file: budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contract.files import write_atomic
from contract.sweepfile import read
from contract.sweepfile.file import SweepFileError
from contract.sweepfile.read import SweepConfigError
from contract.words import suggest


def write(config: dict[str, Any], path: Path) -> None:
    """Write the sweep as it will be registered, atomically."""
    write_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def read_budget(name: str, folder: Path | None, sweep: Path) -> tuple[int | None, dict[str, Any]]:
    """Return the number of seeds (None: the sweep's own) and the fixed parameters of a budget in a
    plan's folder.

    Raises SweepFileError where the plan has none (`folder` is None), or none of that name.
    """
    if folder is None:
        raise SweepFileError(f"--budget {name}: no plan of {sweep} names a folder of budgets")
    known = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise SweepFileError(f"--budget {name!r} is not in {folder}{suggest(name, known)}")
    try:
        content = read.load(known[name].read_text(encoding="utf-8"))
    except SweepConfigError as error:
        raise SweepFileError(f"{known[name]}: {error.message}") from None
    seeds, parameters = content.get("seeds"), content.get("parameters")
    whole = seeds is None or (type(seeds) is int and seeds > 0)
    if not whole or not isinstance(parameters, dict):
        raise SweepFileError(
            f"{known[name]}: a budget is `seeds: 5` (or the sweep's own) and "
            "`parameters: {epochs: 8}`"
        )
    return seeds, parameters
