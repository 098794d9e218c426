"""Flags of a command, generated from a config class: one field = one flag."""

from __future__ import annotations

from typing import Any, TypeVar

import click

from contract.words import suggest
from fusion.training.config import Config, ConfigError, allowed, check, choices_of

Kind = TypeVar("Kind", bound=Config)


def flag(name: str) -> str:
    """Return the flag of a field, as a person types it."""
    return f"--{name.replace('_', '-')}"


def config_options(kind: type[Config]) -> list[click.Parameter]:
    """Return an option for every field of `kind`; values stay text, `check` judges them."""
    return [_option(kind, name) for name in kind.model_fields]


def _option(kind: type[Config], name: str) -> click.Option:
    field = kind.model_fields[name]
    help_text = f"{field.description}  [default: {field.default}]"
    if field.annotation is bool:
        # `--align`, `--align=true`; `--no-align` is translated by ConfigCommand
        return click.Option(
            [flag(name)], is_flag=False, flag_value="true", metavar="[=true|false]", help=help_text
        )
    choices = choices_of(name, kind)
    metavar = f"[{'|'.join(choices)}]" if choices else allowed(name, kind).upper()
    if field.annotation is str:
        metavar = name.upper()
    return click.Option([flag(name)], metavar=metavar, help=help_text)


class ConfigCommand(click.Command):
    """A command whose flags are the fields of `kind`, besides its own options.

    `--batch-size` and `--batch_size` are the same. Errors say what is allowed, as ConfigError.
    """

    kind: type[Config]

    def __init__(self, *arguments: Any, kind: type[Config], **options: Any) -> None:
        options["params"] = [*config_options(kind), *(options.get("params") or [])]
        super().__init__(*arguments, **options)
        self.kind = kind
        self.context_settings = {"token_normalize_func": lambda name: name.replace("_", "-")}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        switches = [n for n, f in self.kind.model_fields.items() if f.annotation is bool]
        negated = {flag(f"no-{name}"): f"{flag(name)}=false" for name in switches}
        args = [negated.get(arg.replace("_", "-"), arg) for arg in args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [flag for p in self.get_params(ctx) for flag in p.opts]
            name = error.option_name.replace("_", "-")
            raise ConfigError({error.option_name: f"no such flag{suggest(name, known)}"}) from None


def config_from(values: dict[str, Any], kind: type[Kind]) -> Kind:
    """Take the fields of `kind` out of a command's `values`; flags that were not given default.

    Raises ConfigError that names flags.
    """
    given = {name: values.pop(name) for name in kind.model_fields}
    try:
        return check({name: text for name, text in given.items() if text is not None}, kind)
    except ConfigError as error:
        raise ConfigError({flag(n): text for n, text in error.problems.items()}) from None
