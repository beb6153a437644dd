"""Sizes in bytes as people write them, in the resource and in files: ``100Mi``, ``2G``, ``4096``."""

import re

QUANTITY_PATTERN = r"^[0-9]{1,15}(k|M|G|T|Ki|Mi|Gi|Ti)?$"

_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}


def parse_quantity(text: str) -> int:
    """Bytes of ``100Mi``, ``2G`` or ``4096``.

    Raises:
        ValueError: `text` is none of these.
    """
    if not re.fullmatch(QUANTITY_PATTERN, text):
        raise ValueError(f"want a size such as 100Mi, got {text!r}")
    number = text.rstrip("kKMGTi")
    return int(number) * _UNITS[text[len(number) :]]


def format_quantity(size: int) -> str:
    """`size` bytes in the largest binary unit that divides it."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)
