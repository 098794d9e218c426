"""Which data and which runs to show, and that they belong together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import click

from analysis.read.snapshot import Snapshot
from contract import places
from contract.words import counted
from explore import contrast, pairs, predictions
from explore import runs as sources
from explore.contrast import Contrast
from explore.errors import ExploreError
from explore.pairs import DataSet
from explore.predictions import Predictions
from fusion.config import RunConfig
from fusion.data import manifest
from fusion.data.generate import resolve
from fusion.data.store import store


@dataclass(frozen=True)
class Chosen:
    """What to show: the data, the predictions on it where there are runs, a contrast of them."""

    data: DataSet
    predictions: Predictions | None = None
    contrast: Contrast | None = None


def choose_data(
    root: str | None, runs: Snapshot | None, names: tuple[str, str] | None, metric: str
) -> Chosen:
    """Find runs and data that belong together.

    Without `runs`, which --runs names: those of the newest report on this data that has the
    contrast; without any, the data alone. Raises ExploreError where what was asked for is missing.
    """
    if runs is not None:
        return choice(root, runs, names, metric)
    refusals = []
    for found in filter(sources.viewed, sources.reported(places.reports())):
        try:
            return choice(root, found, names, metric)
        except Exception as error:
            if not hasattr(error, "exit_code"):
                raise
            refusals.append(str(error))
    if names is not None:
        why = f"; the newest: {refusals[0]}" if refusals else ""
        raise ExploreError(
            f"--contrast {','.join(names)}: no report below {places.reports()} has it{why}. "
            "Name the runs: --runs SWEEP"
        )
    data = dataset_of(root or RunConfig().data, "ROOT")
    click.echo(f"runs: no report below {places.reports()} has any on {data.root}")
    return Chosen(data)


def choice(
    root: str | None, snapshot: Snapshot, names: tuple[str, str] | None, metric: str
) -> Chosen:
    """Fit a snapshot to the data that is asked for, or else was used."""
    data = (
        dataset_of(root, "ROOT")
        if root is not None
        else dataset_of(sources.data_of(snapshot) or RunConfig().data, "data of the runs")
    )
    found = predictions.collect(snapshot, data)
    asked = contrast.contrast(found, *names, metric) if names is not None else None
    name = snapshot.sweep.get("name") or snapshot.sweep.get("id")
    runs_shown = sum(len(arm.seeds) for arm in found.arms)
    cells = counted(len(found.arms), "cell")
    line = f"runs: {runs_shown} in {cells} of {name}, on the {found.part} part"
    for reason, count in found.left_out.items():
        line += f"; left out: {count} {reason}"
    click.echo(line)
    if asked is not None:
        click.echo(asked.sentence)
    return Chosen(data, found, asked)


@cache
def dataset_of(data: str, said_by: str) -> DataSet:
    """The data set of a folder or a spec, checked against its manifest; made where it must be.

    said_by: what to call it in errors.
    """
    root = resolve(data, said_by)
    manifest.current(root)
    return pairs.read(root, store(root) / "manifest.json")
