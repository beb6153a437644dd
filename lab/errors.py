"""The one error that this package raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """Something that the reader of the message can put right; the message says how."""
