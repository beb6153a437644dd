"""What supervisor and worker say to each other: JSON lines over a socket pair. Standard library only."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Start:
    """Supervisor, first word: how to start."""

    avoid: str | None = None
    """A digest under which workers keep dying: refuse it."""
    restarts: Mapping[str, int] = field(default_factory=dict)
    """How many workers were replaced so far, by reason."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Supervisor: nobody else follows the wish or writes the state now; you do."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Supervisor: stop following the wish, accept for `linger` more seconds, answer what still comes, exit."""

    linger: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Supervisor: answer with ``metrics`` or ``status``."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Worker: connections are accepted from now on."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Worker: alive. `ready`: a verified model answers. `digest`: what is in use, named before it is opened."""

    ready: bool
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Relieved:
    """Worker: has stopped following the wish; another may lead."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Worker: asks to be replaced."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Worker: the answer to `Ask` number `number`."""

    number: int
    body: str


Message = Start | Lead | Drain | Ask | Serving | Beat | Relieved | Restart | Answer
_KINDS = {kind.__name__: kind for kind in (Start, Lead, Drain, Ask, Serving, Beat, Relieved, Restart, Answer)}


class Channel:
    """One end of the conversation. Any thread may send; one iterates."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lines = sock.makefile("rb")  # one for all iterations: what it has read ahead is the next one's
        self._lock = threading.Lock()

    def send(self, message: Message) -> bool:
        """Send `message`; False where the other end is gone."""
        line = json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"
        try:
            with self._lock:
                self._sock.sendall(line)
        except OSError:
            return False
        return True

    def __iter__(self) -> Iterator[Message]:
        """Messages as they come, until the other end is gone: killed in the middle of a line, too."""
        try:
            for line in self._lines:
                values = json.loads(line)
                yield _KINDS[values.pop("kind")](**values)
        except (ConnectionError, ValueError):
            return

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._sock.close()
