"""A sweep file as somebody wrote it: where each key stands, and what flags laid over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from contract import places
from contract.sweepfile import read
from contract.sweepfile.points import seed_of
from contract.sweepfile.read import SweepConfigError
from contract.sweepfile.space import SweepConfig


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
        """Read `path`; SweepFileError where it is missing or cannot run as it is written."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.config = read.load(text, aliases=True)
            self.lines, twice = dict(lines(node)), repeated(node)
        except FileNotFoundError:
            names = [p.name for p in places.shipped()]
            raise SweepFileError(
                f"{path}: no such sweep file; shipped in sweeps/: {', '.join(names)}"
            ) from None
        except SweepConfigError as error:
            raise SweepFileError(f"{path}: {error.message}") from None
        except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
            raise SweepFileError(f"{path}: not a readable YAML file: {error}") from None
        self.origins: dict[str, str] = {}  # dotted key -> the flag that replaced the file's value
        if twice:
            raise SweepFileError(f"{path}:{twice[1]}: key {twice[0]!r} stands here a second time")
        self.parse()

    def parse(self) -> SweepConfig:
        """Return what the file says now, flags included; SweepFileError where it cannot run."""
        try:
            return read.parse(self.config)
        except SweepConfigError as error:
            text = f"{error.key}: {error.message}" if error.key else error.message
            raise self.error(text, error.key) from None

    def error(self, message: str, key: str) -> SweepFileError:
        """Return an error that names this file and the line of `key` (dotted), or of its holder."""
        while key and key not in self.lines and key not in self.origins:
            key = key.rpartition(".")[0] if "." in key else key.partition("[")[0] * ("[" in key)
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

    def set(self, assignments: tuple[str, ...], flags: bool = False) -> None:
        """Apply `--set key=value`; a YAML list (`key=[a, b]`) makes the key an axis.

        A name stays as it is written, and `a.b` is the parameter b nested in a where there is one.
        flags: parameters are flags of our own program, which take a hyphen for an underscore.
        """
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name:
                raise SweepFileError(f"--set {assignment}: write key=value, or key=[a, b]")
            try:
                value = read.value(text)
            except yaml.YAMLError:
                raise SweepFileError(f"--set {assignment}: {text!r} is no YAML value") from None
            if value == []:
                raise SweepFileError(f"--set {assignment}: an empty list; write key=[a, b]")
            spec = {"values": value} if isinstance(value, list) else {"value": value}
            name = name.strip().replace("-", "_") if flags else name.strip()
            holder, last = holding(self.config["parameters"], name)
            holder[last] = spec
            self.origins[f"parameters.{name}"] = f"--set {assignment}"

    def set_seeds(self, count: int) -> None:
        """Make the replicates seeds 0 .. count - 1, under the file's own name for them."""
        own = self.config["parameters"]
        own[seed_of(own)] = {"values": list(range(count))}

    def check(self, points: list[dict[str, Any]], check: Callable[[dict[str, Any]], Any]) -> None:
        """Pass every point through `check`; SweepFileError lists file, line and key of each fault.

        `check` raises an exception with `problems`, a text for each offending key.
        """
        faults: dict[str, None] = {}
        for point in points:
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


def holding(parameters: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that holds, or would hold, the parameter of a dotted name; its key there.

    W&B takes a dot for part of a name; only below a parameter that has `parameters` it is a step.
    """
    head, _, rest = name.partition(".")
    nested = parameters.get(head) if rest and name not in parameters else None
    if isinstance(nested, dict) and isinstance(nested.get("parameters"), dict):
        return holding(nested["parameters"], rest)
    return parameters, name


def lines(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield (dotted key, line) of all that stands in a YAML document, as `a.b[0].c`."""
    if isinstance(node, yaml.MappingNode):
        dot = "." if prefix else ""
        parts = [(f"{prefix}{dot}{key.value}", key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [(f"{prefix}[{i}]", value, value) for i, value in enumerate(node.value)]
    else:
        return
    for name, place, value in parts:
        yield name, place.start_mark.line + 1
        yield from lines(value, name)


def repeated(node: yaml.Node | None) -> tuple[str, int] | None:
    """Return a key that a mapping holds twice (YAML would keep the last in silence), its line."""
    if isinstance(node, yaml.SequenceNode):
        return next(filter(None, map(repeated, node.value)), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen = set()
    for key, value in node.value:
        if key.value in seen:
            return key.value, key.start_mark.line + 1
        seen.add(key.value)
        if found := repeated(value):
            return found
    return None
