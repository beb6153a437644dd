"""Cuts this process off from the network and from other programs, without any privilege.

A seccomp filter makes the calls below fail with EPERM. It needs no namespaces, which the restricted Pod Security
Standard's seccomp profile denies to a process without capabilities; a filter of one's own it allows.

https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers from the kernel's ``unistd.h`` of each architecture.
"""

import ctypes
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_X32 = 0x40000000
"""Numbers from here on are a second set of system calls on x86-64."""


@dataclass(frozen=True, slots=True)
class Calls:
    """An architecture's audit number, and its numbers of the calls in `DENIED`."""

    audit: int
    denied: tuple[int, ...]


DENIED = (
    *("socket", "socketpair", "io_uring_setup", "execve", "execveat", "ptrace", "process_vm_writev"),
    *("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"),
)
"""What is denied, by name."""

CALLS: Mapping[str, Calls] = {
    "x86_64": Calls(0xC000003E, (41, 53, 425, 59, 322, 101, 311, 62, 200, 234, 129, 297, 424)),
    "aarch64": Calls(0xC00000B7, (198, 199, 425, 221, 281, 117, 271, 129, 130, 131, 138, 240, 424)),
    "armv7l": Calls(0x40000028, (281, 288, 425, 11, 387, 26, 377, 37, 238, 268, 178, 363, 424)),
}
"""By the machine's name. A test holds every number against libseccomp's tables, also for machines that it is not on."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def cut_off() -> bool:
    """From now on this process opens no socket, starts no program and signals no other process; whether that worked.

    False: an architecture that is not known here, or a kernel without seccomp.
    """
    machine = platform.machine()
    if machine == "aarch64" and struct.calcsize("P") == 4:  # noqa: PLR2004 (a 32-bit program on a 64-bit kernel)
        machine = "armv7l"
    calls = CALLS.get(machine)
    if calls is None:
        return False
    code = _compile(calls)
    program = _Program(len(code) // 8, code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _compile(calls: Calls) -> bytes:
    """The filter: another architecture's call ends the process, a denied one fails, any other goes on."""
    numbers = calls.denied
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, calls.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, len(numbers) + 1, 0, _X32),
        *((_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
