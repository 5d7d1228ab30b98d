"""The content of a record: the bytes that a file holds of it, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["content_of", "digest_of"]


def content_of(data: Mapping[str, Any]) -> bytes:
    """A record, as `record_to_dict` gives it, as compact JSON in UTF-8; the same record gives the same bytes."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def digest_of(content: bytes) -> bytes:
    """16 bytes that another content does not have (BLAKE2b)."""
    return hashlib.blake2b(content, digest_size=16).digest()
