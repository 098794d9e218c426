"""FiftyOne, imported when it is needed and only after its database is chosen.

It is an optional, large package without usable types: modules come as Any, by name.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

from contract.extras import require

Dataset = Any  # fiftyone.Dataset
View = Any  # fiftyone.DatasetView
Sample = Any  # fiftyone.Sample
URI = "FIFTYONE_DATABASE_URI"


@cache
def load(module: str) -> Any:
    """Import a module of FiftyOne or of what it brings (bson, pymongo).

    Raises MissingError where it is not installed.
    """
    if URI not in os.environ:
        raise RuntimeError("call mongod.connect first: FiftyOne would start a database of its own")
    require(module.split(".")[0])
    return importlib.import_module(module)
