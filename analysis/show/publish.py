"""A report as a W&B Report, through the optional `wandb-workspaces` package."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path


class PublishError(Exception):
    """A report that cannot be published."""

    exit_code = 2


def publish(report_md: Path) -> str:
    """Publish the Markdown and pictures beside it; return a line that says where, or why not.

    Raises PublishError where the package is not installed or the server refuses.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise PublishError(
            "--publish: W&B Reports need the optional package: pip install wandb-workspaces. "
            f"The report itself is written: {report_md}"
        )
    import wandb_workspaces.reports.v2 as reports  # type: ignore[import-not-found]

    content = json.loads(report_md.with_name("report.json").read_text(encoding="utf-8"))
    sweep = content["sweep"]
    try:
        page = reports.Report(
            entity=sweep["entity"],
            project=sweep["project"],
            title=sweep["name"],
            blocks=[reports.MarkdownBlock(text=report_md.read_text(encoding="utf-8"))],
        )
        page.save()
    except Exception as error:
        raise PublishError(
            f"--publish: this server does not take W&B Reports ({error}). "
            f"The report itself is written: {report_md}"
        ) from error
    return f"published: {page.url}"
