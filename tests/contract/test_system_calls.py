"""The jail's numbers of system calls are the kernel's, on every architecture that has a filter.

libseccomp is what container engines rely on for the same numbers, and knows those of all architectures wherever it
runs; on Debian it comes with apt.
"""

import ctypes

import pytest

from edgemodel_inference.model.sandbox import CALLS, DENIED


@pytest.fixture(scope="module")
def libseccomp() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    return library


@pytest.mark.parametrize("machine", CALLS)
def test_a_denied_call_has_the_number_that_libseccomp_knows(libseccomp: ctypes.CDLL, machine: str) -> None:
    calls = CALLS[machine]
    known = [libseccomp.seccomp_syscall_resolve_name_arch(calls.audit, name.encode()) for name in DENIED]
    assert dict(zip(DENIED, calls.denied, strict=True)) == dict(zip(DENIED, known, strict=True))
