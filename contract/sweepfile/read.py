"""Reads and validates W&B sweep configs.

`parse` refuses whatever could only be run wrong, naming the key, the value and what is allowed.
The format is W&B's own (https://docs.wandb.ai/models/sweeps/sweep-config-keys). Where W&B only
warns (deprecated distributions), so do we; where it would run something else than was asked (a
typo in a key, a grid over a continuous range, a maximum below the minimum), we do not run.

One key of ours: `controller: {type: cloud, seed: 7}` seeds random and bayes. W&B's schema leaves
`controller` open, so the same file stays valid there. Without it the sweep's id is the seed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from contract import values
from contract.sweepfile.distributions import DISTRIBUTIONS, Distribution, distribution
from contract.sweepfile.space import Hyperband, Metric, Parameter, SweepConfig
from contract.words import nearest, suggest

METHODS = ("grid", "random", "bayes")
KEYS = (
    "apiVersion", "command", "controller", "description", "early_terminate", "entity", "kind",
    "method", "metric", "name", "parameters", "program", "project", "run_cap", "settings",
)  # fmt: skip
# Keys that W&B knows and that need a part of it which is not here.
FOREIGN = {
    "job": "W&B Launch is not part of this server; use `program` and `command`",
    "image_uri": "W&B Launch is not part of this server; use `program` and `command`",
    "scheduler": "custom schedulers run in W&B's own service only; use `method`",
    "metrics": "several objectives need a custom scheduler; name one under `metric`",
}
GRID = ("constant", "categorical", "int_uniform", "q_uniform")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class SweepConfigError(Exception):
    """A sweep config that cannot be run as written: `key` (dotted) and, in words, what is wrong."""

    exit_code = 2

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(f"sweep config: {key}: {message}" if key else f"sweep config: {message}")
        self.key, self.message = key, message


class _Loader(yaml.SafeLoader):
    """YAML as W&B's server reads it: `1e-4` is a number (YAML 1.2; PyYAML says string). The client
    writes such strings unquoted, so both spellings arrive alike."""


class _Strict(_Loader):
    """Without aliases: no client sends them, and a few lines of them can grow without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("YAML aliases are not allowed in a sweep config")
        return super().compose_node(parent, index)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float | str:
    value = float(node.value)
    return value if math.isfinite(value) else node.value  # 123e4567 is a commit, not infinity


_Loader.add_constructor("tag:e-float", _number)
_Loader.add_implicit_resolver(
    "tag:e-float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def value(text: str) -> Any:
    """Read one YAML value as a sweep config has it; yaml.YAMLError where it is none."""
    return _Loader(text).get_single_data()


def load(text: str, *, aliases: bool = False) -> dict[str, Any]:
    """Read the YAML of a sweep config; SweepConfigError where it is not a mapping.

    `aliases`: of a person's own file, which may have them.
    """
    try:
        config = (_Loader if aliases else _Strict)(text).get_single_data()
        config = config if aliases else values.whole(config)  # aliases may copy without end
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SweepConfigError(f"not readable YAML: {error}") from None
    if not isinstance(config, dict):
        raise SweepConfigError(f"must be a mapping, not {config!r}")
    return config


def parse(source: str | Mapping[str, Any]) -> SweepConfig:
    """Validate a sweep config (YAML text or a mapping); SweepConfigError with the reason."""
    raw = load(source) if isinstance(source, str) else dict(source)
    for key in raw:
        if key in FOREIGN:
            raise _error(str(key), f"not supported: {FOREIGN[key]}")
    _known(raw, KEYS, "")
    method = _choice(raw, "method", METHODS, "", required=True)
    warnings: list[str] = []
    config = SweepConfig(
        method=method,
        parameters=_parameters(raw, method, warnings),
        metric=_metric(raw),
        run_cap=_integer(raw["run_cap"], "run_cap", at_least=1) if "run_cap" in raw else None,
        hyperband=_hyperband(raw),
        program=_text(raw, "program"),
        name=_text(raw, "name"),
        description=_text(raw, "description"),
        seed=_seed(raw),
        warnings=tuple(warnings),
    )
    _check_command(raw.get("command"))
    if config.metric is None and (method == "bayes" or config.hyperband):
        what = "method: bayes" if method == "bayes" else "early_terminate"
        raise _error("metric", f"`{what}` needs `metric: {{name: …, goal: minimize|maximize}}`")
    if method == "bayes" and config.size == 1:
        raise _error("parameters", "bayes needs at least one parameter with more than one value")
    return config


# --- parameters -------------------------------------------------------------------------------


def space(tree: Any) -> SweepConfig:
    """Return the grid over `parameters`, whatever else the config says, for who reads its runs."""
    return SweepConfig(method="grid", parameters=_parameters({"parameters": tree}, "grid", []))


def _parameters(raw: Mapping, method: str, warnings: list[str]) -> tuple[Parameter, ...]:
    tree = raw.get("parameters")
    if not isinstance(tree, dict) or not tree:
        raise _error("parameters", f"must map at least one name to its values, not {tree!r}")
    return tuple(_leaves(tree, (), method, warnings))


def _leaves(
    tree: Mapping, above: tuple[str, ...], method: str, warnings: list[str]
) -> Iterable[Parameter]:
    for name, spec in tree.items():
        where = ".".join(("parameters", *(part for p in above for part in (p, "parameters"))))
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise _error(where, f"{name!r} is no parameter name (letters, digits, `_`, `.`, `-`)")
        where = f"{where}.{name}"
        if not isinstance(spec, dict):
            example = f"`{name}: {{value: {spec}}}` or `{name}: {{values: [{spec}]}}`"
            raise _error(where, f"{spec!r} is no mapping; write {example}")
        if "parameters" in spec:
            _known(spec, ("parameters",), where)
            nested = spec["parameters"]
            if not isinstance(nested, dict) or not nested:
                raise _error(f"{where}.parameters", f"must map names to values, not {nested!r}")
            yield from _leaves(nested, (*above, name), method, warnings)
        else:
            yield Parameter((*above, name), _leaf(spec, where, method, warnings))


def _leaf(spec: Mapping, where: str, method: str, warnings: list[str]) -> Distribution:
    name = _implied(spec, where)
    needed, optional = DISTRIBUTIONS[name]
    _known(spec, ("distribution", *needed, *optional), where, f" for distribution {name}")
    for key in needed:
        if key not in spec:
            raise _error(where, f"distribution {name} needs `{key}`")
    if method == "grid" and name not in GRID:
        hint = "leave out `probabilities`" if "values" in spec else "list them under `values`"
        raise _error(
            where, f"a grid cannot enumerate {name}; {hint}, or use method random or bayes"
        )
    _check_numbers(spec, name, where)
    try:
        dist, repeated = distribution(name, spec)
        if dist.support is not None:
            len(dist.support)
    except ValueError as error:
        raise _error(where, str(error)) from None
    except OverflowError:
        raise _error(where, "has more values than can be counted") from None
    if repeated:
        warnings.append(f"{where}.values: {repeated!r} is listed more than once; it runs once")
    if name in ("log_uniform", "q_log_uniform", "inv_log_uniform"):
        warnings.append(
            f"{where}: min and max of {name} are exponents of e; {name}_values takes the limits"
        )
    return dist


def _implied(spec: Mapping, where: str) -> str:
    """Name the distribution, given or implied as W&B does."""
    if "distribution" in spec:
        return _choice(spec, "distribution", tuple(DISTRIBUTIONS), where)
    if "value" in spec:
        return "constant"
    if "values" in spec:
        return "categorical_w_probabilities" if "probabilities" in spec else "categorical"
    if "min" in spec and "max" in spec:
        whole = all(type(spec[key]) is int for key in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    _known(spec, ("distribution", "value", "values", "min", "max", "parameters"), where)
    raise _error(where, "needs `value`, `values`, `min` and `max`, `distribution` or `parameters`")


def _check_numbers(spec: Mapping, name: str, where: str) -> None:
    for key in ("min", "max", "mu", "sigma", "a", "b", "q"):
        if key in spec:
            number = _real(spec[key], f"{where}.{key}")
            if key in ("sigma", "a", "b", "q") and number <= 0:
                raise _error(f"{where}.{key}", f"{number!r} must be above 0")
            if name == "int_uniform":
                _integer(number, f"{where}.{key}")
            if name.endswith("_values") and key in ("min", "max") and number <= 0:
                raise _error(f"{where}.{key}", f"{number!r} must be above 0 for {name}")
    if "min" in spec and not spec["min"] < spec["max"]:
        raise _error(f"{where}.max", f"{spec['max']!r} must be above min ({spec['min']!r})")


# --- the other keys ---------------------------------------------------------------------------


def _metric(raw: Mapping) -> Metric | None:
    if "metric" not in raw:
        return None
    spec = _mapping(raw, "metric")
    _known(spec, ("name", "goal", "target", "impute", "impute_while_running"), "metric")
    if not isinstance(spec.get("name"), str) or not spec["name"]:
        raise _error("metric.name", f"must name a logged metric, not {spec.get('name')!r}")
    ways = ("worst", "best", "latest")
    running = {**spec, "impute_while_running": str(spec.get("impute_while_running", False)).lower()}
    return Metric(
        name=spec["name"],
        goal=_choice(spec, "goal", ("minimize", "maximize"), "metric"),
        target=_real(spec["target"], "metric.target") if "target" in spec else None,
        impute=_choice(spec, "impute", ways, "metric"),
        impute_while_running=_choice(running, "impute_while_running", ("false", *ways), "metric"),
    )


def _hyperband(raw: Mapping) -> Hyperband | None:
    if "early_terminate" not in raw:
        return None
    here = "early_terminate"
    spec = _mapping(raw, here)
    _choice(spec, "type", ("hyperband",), here, required=True)
    _known(spec, ("type", "min_iter", "max_iter", "s", "eta", "strict"), here)
    whole = {
        key: _integer(spec[key], f"{here}.{key}", at_least=1)
        for key in ("min_iter", "max_iter", "s")
        if key in spec
    }
    if "min_iter" not in whole and not {"max_iter", "s"} <= set(whole):
        raise _error(here, "hyperband needs `min_iter`, or `max_iter` and `s`")
    eta = _real(spec.get("eta", 3), f"{here}.eta")
    if eta <= 1:
        raise _error(f"{here}.eta", f"{eta!r} must be above 1")
    if not isinstance(spec.get("strict", True), bool):
        raise _error(f"{here}.strict", f"{spec['strict']!r} must be true or false")
    if not {"max_iter", "s"} <= set(whole):
        whole = {"min_iter": whole["min_iter"]}
    hyperband = Hyperband(**whole, eta=float(eta), strict=spec.get("strict", True))
    if hyperband.max_iter is not None and not hyperband.rungs(hyperband.max_iter):
        raise _error(here, f"no rung below max_iter {hyperband.max_iter} with eta {eta}: raise it")
    return hyperband


def _seed(raw: Mapping) -> str | None:
    if "controller" not in raw:
        return None
    spec = _mapping(raw, "controller")
    if spec.get("type", "cloud") != "cloud":
        message = "the server itself chooses the cells of a sweep; leave `controller` out"
        raise _error("controller.type", f"{spec['type']!r} is not supported: {message}")
    _known(spec, ("type", "seed"), "controller")
    return str(_integer(spec["seed"], "controller.seed")) if "seed" in spec else None


def _check_command(command: Any) -> None:
    if command is None:
        return
    if not isinstance(command, list) or not command:
        raise _error(
            "command", f"must be a list such as [python, a.py, ${{args}}], not {command!r}"
        )
    for i, part in enumerate(command):
        if isinstance(part, (dict, list)) or part is None:
            raise _error(f"command[{i}]", f"{part!r} must be a word")


# --- small checks -----------------------------------------------------------------------------


def _error(where: str, message: str) -> SweepConfigError:
    return SweepConfigError(message, where)


def _known(spec: Mapping, allowed: Iterable[str], where: str, why: str = "") -> None:
    allowed = list(allowed)
    for key in spec:
        if key not in allowed:
            message = f"unknown key{why}{suggest(key, allowed)}"
            raise _error(f"{where}.{key}".lstrip("."), message)


def _choice(
    spec: Mapping, key: str, allowed: tuple[str, ...], where: str, *, required: bool = False
) -> str:
    """Value of `key`; the first of `allowed` where the key is absent and not required."""
    if key not in spec and not required:
        return allowed[0]
    value = spec.get(key)
    if not isinstance(value, str) or value not in allowed:
        close = nearest(value, allowed)
        hint = f"; did you mean {close!r}?" if close else ""
        path = f"{where}.{key}".lstrip(".")
        raise _error(path, f"{value!r} is not one of {', '.join(allowed)}{hint}")
    return value


def _mapping(raw: Mapping, key: str) -> Mapping:
    if not isinstance(raw[key], dict):
        raise _error(key, f"must be a mapping, not {raw[key]!r}")
    return raw[key]


def _text(raw: Mapping, key: str) -> str | None:
    value = raw.get(key)
    if value is not None and not isinstance(value, (str, int, float)):
        raise _error(key, f"must be text, not {value!r}")
    return None if value is None else str(value)


def _real(value: Any, where: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _error(where, f"{value!r} must be a finite number")
    return value


def _integer(value: Any, where: str, at_least: int | None = None) -> int:
    """A whole number; 3.0 is one."""
    number = _real(value, where)
    if number != int(number) or (at_least is not None and number < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise _error(where, f"{value!r} must be a whole number{bound}")
    return int(number)
