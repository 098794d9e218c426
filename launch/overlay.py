"""What the launcher adds to a sweep file: budgets, and that agents find a program to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contract import places
from contract.files import write_atomic
from contract.sweepfile.file import SweepFile
from contract.words import suggest

PROGRAM = "runner.py"
TRAINING = ("train", "pretrain")  # its commands that agents may call


def check_program(sweep: SweepFile) -> None:
    """Raise SweepFileError where agents would find nothing to run."""
    program = sweep.config.get("program")
    command = sweep.config.get("command") or []
    if program is None and command and "${program}" not in command:
        return  # the command says all
    if not isinstance(program, str) or not (places.CODE / program).is_file():
        known = sorted(p.name for p in places.CODE.glob("*.py"))
        text = "missing" if program is None else f"{program!r} is no file in {places.CODE}"
        raise sweep.error(f"program: {text}{suggest(str(program), known)}", "program")
    if program == PROGRAM and not any(word in command for word in TRAINING):
        example = '["${env}", python3, "${program}", train, "${args}"]'
        raise sweep.error(
            f"command: {command!r} calls neither {' nor '.join(TRAINING)} of {PROGRAM}; "
            f"write `command: {example}`",
            "command",
        )


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
