"""docs/report-contrastive.md, made from the models: `python -m fusion.report.page` writes it."""

from __future__ import annotations

from analysis.schema import page as pages
from contract import places
from fusion.report.schema import Contrastive

PAGE = places.CODE / "docs" / "report-contrastive.md"
INTRODUCTION = """# report.json: `contrastive`

What the study adds to [report.json](report-format.md) of its own sweeps, under `contrastive`; null
where no run borrows a classifier. This page is made from `fusion/report/schema.py`.
"""


def page() -> str:
    """The whole page."""
    return pages.page(INTRODUCTION, Contrastive)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
