"""Where things lie: the code, and what it leaves behind.

State (data, runs, reports, the tracker's folder) lies below one folder: the checkout, for a
checkout; the current folder, for an installed command; or what FUSION_RUNNER_HOME names, which
launchers hand on so that their agents agree with them wherever those are started.
"""

from __future__ import annotations

import os
from pathlib import Path

HOME = "FUSION_RUNNER_HOME"
CODE = Path(__file__).resolve().parent.parent  # the folder that holds the packages and sweeps/
RUNNER = CODE / "runner.py"
NEST = CODE / "launch" / "nest.py"  # what processes begin as that agents fork
SWEEPS = CODE / "sweeps"
PLAN = ".plan.yaml"  # what the file of a plan is called after its sweep


def shipped() -> list[Path]:
    """Return the sweep files that are shipped."""
    return sorted(file for file in SWEEPS.glob("*.yaml") if not file.name.endswith(PLAN))


def home() -> Path:
    """Return the folder below which state lies."""
    if named := os.environ.get(HOME):
        return Path(named).resolve()
    return CODE if is_checkout() else Path.cwd()


def is_checkout() -> bool:
    """Return whether the code lies in a checkout, and not where an installer put it."""
    return (CODE / "pyproject.toml").is_file()


def data() -> Path:
    """Return the folder of generated data sets."""
    return home() / "data"


def runs() -> Path:
    """Return the folder of runs: their files, stages, the logs of agents."""
    return home() / "runs"


def sweeps() -> Path:
    """Return the folder of sweep files as they were registered."""
    return runs() / "sweeps"


def latest() -> Path:
    """Return the file that names the sweep which ran last."""
    return sweeps() / "latest"


def reports() -> Path:
    """Return the folder of reports."""
    return home() / "reports"


def tracker() -> Path:
    """Return the data folder of the embedded tracker."""
    return home() / ".tracker"


def explore() -> Path:
    """Return the folder of the viewer's cache."""
    return home() / ".explore"
