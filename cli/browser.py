"""Pages in the person's own browser, where there is a screen."""

from __future__ import annotations

import os
import sys
import webbrowser


def browse(address: str) -> None:
    """Open an address in a browser; nothing where none could show it."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names):
        webbrowser.open(address)
