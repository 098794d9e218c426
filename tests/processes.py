"""Processes that a test stops at a point of its choice, on however fast or busy a machine."""

from __future__ import annotations

import fcntl
import os
import subprocess

import pytest


def read_line_by_line(command: list[str], **options) -> subprocess.Popen[str]:
    """Start a program that stands still until what it prints is read; stderr comes along.

    Its standard output is a pipe of one packet. So it is never more than two lines ahead of the
    reader: one lies in the pipe, and at the next one it waits.
    """
    read, write = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, os.sysconf("SC_PAGE_SIZE"))
    process = subprocess.Popen(
        command, text=True, stdout=write, stderr=subprocess.STDOUT, **options
    )
    os.close(write)
    process.stdout = os.fdopen(read)
    return process


def wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    """Read what a process prints up to the line that begins with `start`."""
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith(start):
            return
    pytest.fail(f"it ended before a line with {start!r}:\n{''.join(printed)}")
