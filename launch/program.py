"""The program that a sweep calls: `program` stays as it is written, and is found on each machine.

W&B's agents look for it in the folder in which they are started. So ours are started in the folder
where it lies. `runner.py` is this project's own where nobody has another of that name: so the same
sweep runs with agents in a checkout, of an installed command, and on other machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contract import places
from contract.sweepfile.file import SweepFile
from contract.words import suggest

RUNNER = places.RUNNER.name
TRAINING = ("train", "pretrain")  # its commands that agents may call


@dataclass(frozen=True)
class Program:
    """Where agents run, and whether what they start is this project's own `runner.py`."""

    folder: Path
    ours: bool = False


def program_of(sweep: SweepFile) -> Program:
    """Look for the program of a sweep: beside its file, and in the current folder.

    Raises SweepFileError where agents would find nothing to run, or either of two.
    """
    name = sweep.config.get("program")
    command = sweep.config.get("command") or ["${program}"]
    if "${program}" not in command and not isinstance(name, str):
        return Program(Path.cwd())  # the command says all
    beside, here = sweep.path.resolve().parent, Path.cwd()
    folders = dict.fromkeys([places.CODE] if beside == places.SWEEPS else [beside, here])
    files = {folder: folder / name for folder in folders} if isinstance(name, str) else {}
    found = {folder: file.resolve() for folder, file in files.items() if file.is_file()}
    if len(set(found.values())) > 1:
        raise sweep.error(
            f"program: {name!r} is in {beside} and in {here}; call this in {beside} for the first, "
            "or move the sweep file for the second",
            "program",
        )
    if (not found and name == RUNNER) or places.RUNNER in found.values():
        check_command(sweep)
        return Program(places.home(), ours=True)
    if found:
        return Program(next(iter(found)))
    if "${program}" not in command:
        return Program(here)
    known = sorted({RUNNER, *(file.name for folder in folders for file in folder.glob("*.py"))})
    where = "missing" if name is None else f"{name!r} lies neither in {beside} nor in {here}"
    raise sweep.error(f"program: {where}{suggest(name, known)}", "program")


def check_command(sweep: SweepFile) -> None:
    """Raise SweepFileError where the sweep calls no command of ours that trains."""
    command = sweep.config.get("command") or []
    if not any(word in command for word in TRAINING):
        example = '["${env}", python3, "${program}", train, "${args}"]'
        raise sweep.error(
            f"command: {command!r} calls neither {' nor '.join(TRAINING)} of {RUNNER}; "
            f"write `command: {example}`",
            "command",
        )
