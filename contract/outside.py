"""What a person brings of their own, by name: `package.module:attribute`, from their folders."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
FORM = "package.module:attribute"
# Folders of their modules, which launchers hand on: agents may run in another than these.
FOLDERS = "FUSION_RUNNER_MODULES"


class OutsideError(Exception):
    """What was named cannot be had."""

    exit_code = 2


def folders(*more: Path) -> str:
    """Return `more` and the folders of a person's modules that are known, as FOLDERS holds them."""
    known = os.environ.get(FOLDERS, "").split(os.pathsep)
    return os.pathsep.join(filter(None, dict.fromkeys([*(str(f.resolve()) for f in more), *known])))


def load(name: str, what: str, *beside: Path) -> Any:
    """Return the object of that name; `what` is named by errors, as a flag or a key.

    Looked for among what is installed, then in `beside`, the current folder and those that a
    launcher named. They come last on the path of modules, and stay there for what is imported
    later. Raises OutsideError.
    """
    for folder in folders(*beside, Path.cwd()).split(os.pathsep):
        if folder not in sys.path:
            sys.path.append(folder)
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever their module raises
        told = isinstance(error, ImportError | AttributeError)
        kind = "" if told else f"{type(error).__name__}: "
        raise OutsideError(f"{what} {name} cannot be imported: {kind}{error}") from error
