"""The key, and what is derived from it: signed file addresses and the pages' login cookie.

File addresses are capabilities (as W&B's are), because the client sends no credentials to them:
`/storage/<token>` where the token holds the operation, its target and an expiry, and a MAC.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import secrets
from pathlib import Path
from typing import Any

from contract.files import PRIVATE, write_atomic
from tracker.errors import RequestError, TrackerError

LOGIN_SECONDS = 15 * 60  # of a link that logs a browser in
KEY_LENGTH = 40  # what the wandb client asks of a key, at least
KEY_CHARACTERS = re.compile(rb"[!-~]+")
BLANK = b" \t\r\n\0"  # file systems may fill up with NUL what a crash has cut off


def load_key(path: Path) -> str:
    """The key in `path`; made where there is none (0600, random). Whoever calls holds the folder.

    Of 40 characters, 160 bits: `wandb login` of older clients takes no other length. A file without
    a character in it is what a full disk or the death of a machine leaves: nobody has had that key.
    """
    if not path.exists() or not path.read_bytes().strip(BLANK):
        write_atomic(path, secrets.token_hex(KEY_LENGTH // 2), mode=PRIVATE)
    return read_key(path)


def read_key(path: Path) -> str:
    """The key that stands in `path`; OSError where there is none, TrackerError for a bad one."""
    if path.stat().st_mode & 0o077:
        raise TrackerError(f"{path} can be read by others: chmod 600 {path}")
    key = path.read_bytes().strip(BLANK)
    if len(key) < KEY_LENGTH or not KEY_CHARACTERS.fullmatch(key):
        raise TrackerError(
            f"{path} must hold a key of at least {KEY_LENGTH} letters, digits and signs: restore "
            f"it, or remove it, and a new one is made (clients then have to log in again)"
        )
    return key.decode()


class Signer:
    """Everything that proves knowledge of the key without showing it; compares in constant time."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def accepts_key(self, candidate: str) -> bool:
        return hmac.compare_digest(self._mac("key", candidate), self._mac("key", self._key))

    def _mac(self, purpose: str, message: str | bytes) -> bytes:
        data = message.encode() if isinstance(message, str) else message
        return hmac.digest(self._key, purpose.encode() + b"\0" + data, hashlib.sha256)

    def token(self, purpose: str, content: dict[str, Any], expires: float) -> str:
        """A token for URLs; `content` must be JSON. `expires` is in seconds since 1970."""
        body = json.dumps([content, int(expires)], separators=(",", ":")).encode()
        return _encode(body) + "." + _encode(self._mac(purpose, body)[:16])

    def open_token(
        self, purpose: str, token: str, now: float, lifetime: float = math.inf
    ) -> dict[str, Any]:
        """The content of a token that this server made; RequestError (403) otherwise.

        One that ends later than its `lifetime` from now was made before the clock was set back.
        """
        body_part, _, mac_part = token.partition(".")
        try:
            body, mac = _decode(body_part), _decode(mac_part)
        except ValueError:
            raise RequestError("this address was not made by this server", status=403) from None
        if not hmac.compare_digest(mac, self._mac(purpose, body)[:16]):
            raise RequestError("this address was not made by this server", status=403)
        content, expires = json.loads(body)
        if not now <= expires <= now + lifetime:
            raise RequestError("this address has expired: ask for a new one", status=403)
        return content


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """ValueError but for the one text that `_encode` makes: base64 has several for the same bytes,
    and a token that has been used up would open again in another spelling.
    """
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("not canonical")
    return data
