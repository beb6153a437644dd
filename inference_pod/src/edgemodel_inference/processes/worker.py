"""The worker process: everything that serves, wired together.

Started by the supervisor with inherited sockets, the conversation and the listeners. It first opens what the
disk has, then accepts connections, then waits for the word to lead before it follows the wish.
"""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
import uvloop

from edgemodel_inference import logs
from edgemodel_inference.config.settings import Settings, read
from edgemodel_inference.errors import SettingsError
from edgemodel_inference.node import Node
from edgemodel_inference.processes.control import (
    Answer,
    Ask,
    Beat,
    Channel,
    Drain,
    Lead,
    Relieved,
    Restart,
    Serving,
    Start,
)
from edgemodel_inference.processes.process import EXIT_BUG, EXIT_SETTINGS
from edgemodel_inference.web.access import read_tls
from edgemodel_inference.web.server import Server

if TYPE_CHECKING:
    from edgemodel_inference.rpc.server import RpcServer

BEAT_SECONDS = 0.5
RELIEF_SECONDS = 5.0
"""Seconds that a drained worker waits for its threads to leave the state folder alone."""

SWITCH_SECONDS = 5e-4
"""How long a thread may go on in Python while another waits to. The interpreter's own 5 ms is ten requests' time:
each of those that are answered while a version is opened waited that long for the thread that opens it."""

log = logs.Log("edgemodel.worker")


class Worker:
    """One node's parts, its threads and its conversation with the supervisor."""

    def __init__(self, settings: Settings, start: Start, channel: Channel) -> None:
        self._channel = channel
        self._tls = read_tls(settings)
        self._opening: str | None = None
        self._node = Node(settings, dict(start.restarts), self._name_digest, lambda reason: self._say(Restart(reason)))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        if start.avoid is not None:
            self._node.refuse_crasher(start.avoid)

    async def serve(self, listener: socket.socket, rpc_listener: socket.socket | None) -> None:
        """Serve until drained."""
        self._node.restore()
        server = Server(self._node.app, listener, self._tls)
        rpc = self._node.rpc(rpc_listener) if rpc_listener is not None else None
        servers = (server,) if rpc is None else (server, rpc)
        running = asyncio.gather(*(each.run_until_drained() for each in servers))
        await server.accepting.wait()
        if rpc is not None:
            await rpc.start()
        self._beat()
        self._say(Serving())
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop, servers), name="control", daemon=True).start()
        beating = asyncio.create_task(self._keep_beating())
        await running
        beating.cancel()
        self._node.close()

    def _say(self, message: Beat | Serving | Relieved | Restart | Answer) -> None:
        if not self._channel.send(message):
            os._exit(0)  # the supervisor is gone, and with it the container

    def _name_digest(self, digest: str | None) -> None:
        """Called around the opening of a graph: whatever it does to this process, the supervisor knows its name."""
        self._opening = digest
        self._beat()

    def _beat(self) -> None:
        active = self._node.engine.active
        using = self._opening or (active.digest if active is not None else None)
        self._say(Beat(ready=active is not None, digest=using))

    async def _keep_beating(self) -> None:
        while True:
            if not self._node.engine.stuck():
                self._beat()
            await asyncio.sleep(BEAT_SECONDS)

    def _listen(self, loop: asyncio.AbstractEventLoop, servers: "Sequence[Server | RpcServer]") -> None:
        for message in self._channel:
            match message:
                case Lead():
                    self._lead()
                case Ask(number, what):
                    self._say(Answer(number, self._answer(what)))
                case Drain(linger):
                    threading.Thread(target=self._relieve, name="relieve", daemon=True).start()
                    for server in servers:
                        asyncio.run_coroutine_threadsafe(server.drain(linger), loop)
        os._exit(0)

    def _answer(self, what: str) -> str:
        if what == "metrics":
            return self._node.metrics.render()
        return orjson.dumps(self._node.status(), default=str).decode()

    def _lead(self) -> None:
        for name, run in self._node.duties().items():
            self._threads.append(threading.Thread(target=run, args=(self._stop,), name=name, daemon=True))
            self._threads[-1].start()
        log.info("leading")

    def _relieve(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + RELIEF_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._say(Relieved())


def _end_on_bug(args: threading.ExceptHookArgs) -> None:
    """A thread that died of a bug would leave a worker that answers and follows nothing: better a new one."""
    thread = args.thread.name if args.thread else None
    log.error("bug", cause=args.exc_value, thread=thread)
    os._exit(EXIT_BUG)


def main() -> None:
    """``python -m edgemodel_inference.processes.worker CONTROL LISTENER [GRPC_LISTENER]``: inherited descriptors."""
    logs.configure()
    control, listener, *others = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    threading.excepthook = _end_on_bug
    sys.setswitchinterval(SWITCH_SECONDS)
    channel = Channel(control)
    start = next(iter(channel), None)
    if not isinstance(start, Start):
        return
    try:
        worker = Worker(read(os.environ), start, channel)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(worker.serve(listener, others[0] if others else None))
    except SettingsError as error:
        log.warning("settings", problems=str(error).splitlines())
        sys.stderr.write(f"edgemodel-serve: {error}\n")
        sys.exit(EXIT_SETTINGS)
    os._exit(0)  # a stuck inference thread would keep a normal exit waiting


if __name__ == "__main__":
    main()
