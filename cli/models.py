"""`runner.py models`: what can be built, and what it costs."""

from __future__ import annotations

import json

import click

from cli.flags import config_from
from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig


@click.command()
@click.option("--width", default="1.0", show_default=True, help="Factor on the study's channels.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(width: str, as_json: bool) -> None:
    """List every fusion and downsample with its parameters and FLOPs per sample.

    FLOPs of one forward pass, a multiply-add counted as two; activations and poolings not counted.
    """
    import torch

    from fusion.models.registry import build, example
    from fusion.training.measure import costs

    values = dict.fromkeys(RunConfig.model_fields) | {"width": width}
    base = config_from(values, RunConfig)
    rows = []
    for fusion in FUSIONS:
        for downsample in DOWNSAMPLES:
            config = base.model_copy(update={"fusion": fusion, "downsample": downsample})
            axes = {"fusion": fusion, "downsample": downsample, "width": config.width}
            with torch.device("meta"):  # shapes without numbers
                rows.append(axes | costs(build(config), *example("meta")))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(f"{'fusion':8}{'downsample':17}{'parameters':>13}{'FLOPs/sample':>15}")
    for row in rows:
        numbers = f"{row['parameters']:>13,}{row['flops_per_sample']:>15,}"
        click.echo(f"{row['fusion']:8}{row['downsample']:17}{numbers}")
    click.echo(f"at width {base.width:g}; FLOPs of one forward pass, multiply-add = 2")
