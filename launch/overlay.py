"""What the launcher lays over a sweep file: budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contract import places
from contract.files import write_atomic


def write(config: dict[str, Any], path: Path) -> None:
    """Write the sweep as it will be registered, atomically."""
    write_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def read_budget(name: str, program: list[str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return a budget's number of seeds and its fixed parameters.

    `program`: the command of the sweep; `pretrain` has other parameters, and budgets of its own.
    """
    folder = places.BUDGETS / "pretrain" if "pretrain" in (program or []) else places.BUDGETS
    content = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    return content["seeds"], content["parameters"]


def budget_names() -> list[str]:
    """Return the shipped budgets, cheapest first."""
    return [n for n in ("smoke", "default", "paper") if (places.BUDGETS / f"{n}.yaml").exists()]
