"""Memory that was freed, given back to the system: the C library keeps it, in case that it is needed again."""

import ctypes


def give_back() -> None:
    """After work that took much and will not come again soon; does nothing where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
