"""Packages that not everybody needs: which extra of pyproject.toml brings them."""

from __future__ import annotations

import importlib.util

from contract import places

EXTRAS = {
    **dict.fromkeys(("torch", "safetensors", "PIL"), "study"),
    **dict.fromkeys(("fiftyone", "playwright", "psutil"), "explore"),
}
MAKE = {"study": "make setup", "explore": "make .venv/explore"}


class MissingError(Exception):
    """A package is not installed."""

    exit_code = 2


def require(*packages: str) -> None:
    """Raise MissingError for the first of `packages` that is not installed."""
    for package in packages:
        found = importlib.util.find_spec(package)
        # Without an origin it is a folder without code: what is left of a package.
        if found is None or found.origin is None:
            raise missing(package)


def missing(package: str) -> MissingError:
    """Return an error that says how to install a package."""
    extra = EXTRAS.get(package)
    if extra is None:
        return MissingError(f"the package {package} is not installed")
    install = f"pip install 'fusion-runner[{extra}]'"
    fix = f"`{MAKE[extra]}` in {places.CODE}" if places.is_checkout() else install
    return MissingError(f"the package {package} is not installed; run {fix}")
