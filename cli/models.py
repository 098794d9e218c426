"""`runner.py models`: what can be built, and what it costs."""

from __future__ import annotations

import json

import click

from cli.flags import config_from
from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig


@click.command()
@click.argument("fusions", nargs=-1, metavar="[FUSION]...")
@click.option("--width", default="1.0", show_default=True, help="Factor on the study's channels.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(fusions: tuple[str, ...], width: str, as_json: bool) -> None:
    """List every fusion and downsample with its parameters and FLOPs per sample.

    FUSION: some of them, or package.module:Class of your own, which is checked first: whether it
    does all that training needs.

    FLOPs of one forward pass, a multiply-add counted as two; activations and poolings not counted.
    """
    import torch

    from contract import outside
    from fusion import testing
    from fusion.models.registry import build, example
    from fusion.training.measure import costs

    values = dict.fromkeys(RunConfig.model_fields) | {"width": width}
    base = config_from(dict(values), RunConfig)
    rows = []
    for fusion in fusions or FUSIONS:
        config_from({**values, "fusion": fusion}, RunConfig)
        if fusion not in FUSIONS:
            testing.check(outside.load(fusion, "--fusion"))
        for downsample in DOWNSAMPLES:
            config = base.model_copy(update={"fusion": fusion, "downsample": downsample})
            axes = {"fusion": fusion, "downsample": downsample, "width": config.width}
            with torch.device("meta"):  # shapes without numbers
                rows.append(axes | costs(build(config), *example("meta")))
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    wide = max(8, *(len(row["fusion"]) + 2 for row in rows))
    click.echo(f"{'fusion':{wide}}{'downsample':17}{'parameters':>13}{'FLOPs/sample':>15}")
    for row in rows:
        numbers = f"{row['parameters']:>13,}{row['flops_per_sample']:>15,}"
        click.echo(f"{row['fusion']:{wide}}{row['downsample']:17}{numbers}")
    click.echo(f"at width {base.width:g}; FLOPs of one forward pass, multiply-add = 2")
