"""FiftyOne, imported when it is needed and only after its database is chosen.

It is an optional, large package without usable types: modules come as Any, by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache
from typing import Any

from explore.errors import ExploreError

Dataset = Any  # fiftyone.Dataset
View = Any  # fiftyone.DatasetView
Sample = Any  # fiftyone.Sample
URI = "FIFTYONE_DATABASE_URI"
EXTRAS = {"fiftyone": "explore", "playwright": "explore"}  # as pyproject.toml names them


@cache
def load(module: str) -> Any:
    """Import a module of FiftyOne or of what it brings (bson, pymongo).

    Raises ExploreError where it is not installed.
    """
    if URI not in os.environ:
        raise RuntimeError("call mongod.connect first: FiftyOne would start a database of its own")
    require(module.split(".")[0])
    return importlib.import_module(module)


def require(package: str) -> None:
    """Raise ExploreError where an optional package is not installed."""
    found = importlib.util.find_spec(package)
    # Without an origin it is a folder without code: mongod's package alone, or what is left of one.
    if found is None or found.origin is None:
        what = f"'.[{EXTRAS[package]}]'" if package in EXTRAS else package
        raise ExploreError(
            f"the package {package} is not installed; in the checkout, run "
            f"`.venv/bin/python -m pip install -c constraints.txt -e {what}`"
        )
