"""BLAKE2b, as `hashlib` has it, but without OpenSSL: loading that costs each step of a shell
script more than all its digests."""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

__all__ = ["blake2b"]
