"""Sweep files: read, lay a budget over, check every cell before anything is created."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from contract import places
from contract.files import write_atomic
from contract.words import suggest

# Keys of a W&B sweep file that this launcher understands (W&B's own schema).
KEYS = {
    "command",
    "controller",
    "description",
    "early_terminate",
    "entity",
    "method",
    "metric",
    "name",
    "parameters",
    "program",
    "project",
    "run_cap",
    "settings",
}
PROGRAM = "runner.py"
TRAINING = ("train", "pretrain")  # its commands that agents may call
METHODS = ("grid", "random", "bayes")
# What W&B knows of one parameter
SPEC_KEYS = (
    *("value", "values", "min", "max", "q", "mu", "sigma", "probabilities", "distribution"),
    "parameters",  # nested ones, of programs other than ours
)


class SweepFileError(Exception):
    """A sweep file, or what was laid over it, cannot be run."""

    exit_code = 2


def located(path: Path) -> Path:
    """Return `path`, or the shipped sweep of that bare name, with or without its ending."""
    if not path.exists() and path.name == str(path):
        for shipped in (places.SWEEPS / path, places.SWEEPS / f"{path}.yaml"):
            if shipped.is_file():
                return shipped
    return path


class SweepFile:
    """A W&B sweep file with the line of every key, so that errors can point at it."""

    def __init__(self, path: Path) -> None:
        """Read `path`; SweepFileError where it is missing or no mapping of YAML."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            self.config: dict[str, Any] = yaml.safe_load(text)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except FileNotFoundError:
            names = sorted(p.name for p in places.SWEEPS.glob("*.yaml"))
            raise SweepFileError(
                f"{path}: no such sweep file; shipped in sweeps/: {', '.join(names)}"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise SweepFileError(f"{path}: not a readable YAML file: {error}") from None
        if not isinstance(self.config, dict) or not isinstance(node, yaml.MappingNode):
            raise SweepFileError(f"{path}: a sweep file is a mapping with the key `parameters`")
        self.lines = dict(_lines(node))
        self.origins: dict[str, str] = {}  # dotted key -> the flag that replaced the file's value
        if twice := _repeated(node):
            raise SweepFileError(f"{path}:{twice[1]}: key {twice[0]!r} stands here a second time")
        self._check_keys()

    def _check_keys(self) -> None:
        for key in self.config:
            if key not in KEYS:
                raise self.error(f"unknown key {key!r}{suggest(str(key), KEYS)}", str(key))
        method = self.config.get("method")
        if method not in METHODS:
            allowed = f"allowed: {', '.join(METHODS)}"
            raise self.error(f"method: {method!r} is not allowed; {allowed}", "method")
        if not isinstance(self.config.get("parameters"), dict) or not self.config["parameters"]:
            raise self.error("`parameters` must map at least one name to its values", "parameters")
        for name, spec in self.config["parameters"].items():
            key = f"parameters.{name}"
            if not isinstance(spec, dict):
                raise self.error(
                    f"parameter {name!r}: {spec!r} is no mapping; write "
                    f"`{name}: {{value: {spec}}}` or `{name}: {{values: [{spec}]}}`",
                    key,
                )
            for word in spec:
                if word not in SPEC_KEYS:
                    unknown = f"unknown key {word!r}{suggest(str(word), SPEC_KEYS)}"
                    raise self.error(f"parameter {name!r}: {unknown}", f"{key}.{word}")
            if "values" in spec and not (isinstance(spec["values"], list) and spec["values"]):
                raise self.error(
                    f"parameter {name!r}: {spec['values']!r} is no list of values; write "
                    f"`{name}: {{values: [A, B]}}` or `{name}: {{value: A}}`",
                    f"{key}.values",
                )
        self._check_program()

    def _check_program(self) -> None:
        """Raise SweepFileError where agents would find nothing to run."""
        program = self.config.get("program")
        command = self.config.get("command") or []
        if program is None and command and "${program}" not in command:
            return  # the command says all
        if not isinstance(program, str) or not (places.CODE / program).is_file():
            known = sorted(p.name for p in places.CODE.glob("*.py"))
            text = "missing" if program is None else f"{program!r} is no file in {places.CODE}"
            raise self.error(f"program: {text}{suggest(str(program), known)}", "program")
        if program == PROGRAM and not any(word in command for word in TRAINING):
            example = '["${env}", python3, "${program}", train, "${args}"]'
            raise self.error(
                f"command: {command!r} calls neither {' nor '.join(TRAINING)} of {PROGRAM}; "
                f"write `command: {example}`",
                "command",
            )

    def error(self, message: str, key: str) -> SweepFileError:
        """Return an error that names this file and the line of `key` (dotted)."""
        line = self.lines.get(key)
        where = self.origins.get(key) or (f"{self.path}:{line}" if line else str(self.path))
        return SweepFileError(f"{where}: {message}")

    def lay_over(self, parameters: dict[str, Any], source: str) -> list[str]:
        """Fix parameters that are no axes of this file; return a line for each that was replaced.

        An axis (a parameter with several values) is what the experiment is about, so it stays.
        """
        notes = []
        own = self.config["parameters"]
        for name, value in parameters.items():
            spec = own.get(name)
            if spec is not None and set(spec) != {"value"}:
                notes.append(f"{name}: stays the sweep's axis; {source} would fix it at {value}")
                continue
            if spec is not None and spec["value"] != value:
                notes.append(f"{name}: {value} from {source} replaces {spec['value']}")
            own[name] = {"value": value}
            self.origins[f"parameters.{name}"] = source
        return notes

    def set(self, assignments: tuple[str, ...]) -> None:
        """Apply `--set key=value`; a YAML list (`key=[a, b]`) makes the key an axis."""
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name:
                raise SweepFileError(f"--set {assignment}: write key=value, or key=[a, b]")
            try:
                value = yaml.safe_load(text)
            except yaml.YAMLError:
                raise SweepFileError(f"--set {assignment}: {text!r} is no YAML value") from None
            if value == []:
                raise SweepFileError(f"--set {assignment}: an empty list; write key=[a, b]")
            spec = {"values": value} if isinstance(value, list) else {"value": value}
            name = name.strip().replace("-", "_")
            self.config["parameters"][name] = spec
            self.origins[f"parameters.{name}"] = f"--set {assignment}"

    def set_seeds(self, count: int) -> None:
        """Make the replicates seeds 0 .. count - 1."""
        self.config["parameters"]["seed"] = {"values": list(range(count))}

    def check(self, points: list[dict[str, Any]], check: Callable[[dict[str, Any]], Any]) -> None:
        """Pass every cell through `check`; SweepFileError lists file, line and key of each fault.

        `check` raises an exception with `problems`, a text for each offending key. A cell is
        checked once, not once for every seed.
        """
        seen: set[str] = set()
        faults: dict[str, None] = {}
        for point in points:
            cell = repr({**point, "seed": None})
            if cell in seen:
                continue
            seen.add(cell)
            try:
                check(point)
            except Exception as error:
                problems = getattr(error, "problems", None)
                if problems is None:
                    raise
                for key, text in problems.items():
                    faults[str(self.error(f"{key}: {text}", f"parameters.{key}"))] = None
        if faults:
            raise SweepFileError("\n".join(faults))


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


def _lines(node: yaml.MappingNode, prefix: str = "") -> itertools.chain[tuple[str, int]]:
    pairs: list[tuple[str, int]] = []
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        pairs.append((name, key.start_mark.line + 1))
        if isinstance(value, yaml.MappingNode):
            pairs.extend(_lines(value, f"{name}."))
    return itertools.chain(pairs)


def _repeated(node: yaml.Node) -> tuple[str, int] | None:
    """Return a key that a mapping holds twice (YAML would keep the last in silence), its line."""
    if not isinstance(node, yaml.MappingNode):
        return None
    seen = set()
    for key, value in node.value:
        if key.value in seen:
            return key.value, key.start_mark.line + 1
        seen.add(key.value)
        if found := _repeated(value):
            return found
    return None
