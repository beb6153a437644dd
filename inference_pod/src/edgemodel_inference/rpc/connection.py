"""One HTTP/2 connection: h2 speaks the protocol, this keeps calls apart and everything within limits.

A caller that reads slowly is not read from either, so that nothing piles up for it; one that stops reading, or does
not finish its message, is cut.
"""

import asyncio
import functools
from collections.abc import Callable

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

from edgemodel_inference import logs
from edgemodel_inference.errors import BodyTooSlow, RequestError
from edgemodel_inference.rpc import calls
from edgemodel_inference.rpc.calls import Call, Desk, Headers
from edgemodel_inference.web.bodies import BODY_SECONDS, Room, Taken
from edgemodel_inference.web.protocol import ANSWER_SECONDS, HEAD_SECONDS, MAX_HEAD
from edgemodel_inference.web.timers import Timer

IDLE_SECONDS = 300.0
"""A connection without calls is closed after so long; gRPC's clients open another when they need one."""
WINDOW = 1024 * 1024
"""Bytes that a caller may send ahead, per call and in all calls of a connection."""
STREAMS = 100
"""Calls of a connection at a time."""

_SETTINGS = {
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
    h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
}
_LAST_STREAM = 2**31 - 1
_FAREWELL = b"farewell"
"""The ping after which a caller knows that this connection takes no new calls."""

log = logs.Log("edgemodel.rpc")


class Connection(asyncio.Protocol):
    """A caller's connection, from the first byte to the last."""

    def __init__(self, desk: Desk, room: Room, gone: "Callable[[Connection], None]") -> None:
        self._desk, self._room, self._gone = desk, room, gone
        self._loop = asyncio.get_running_loop()
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = h2.settings.Settings(client=False, initial_values=_SETTINGS)
        self._calls: dict[int, Call] = {}
        self._transport: asyncio.Transport
        self._paused = False
        self._leaving = self._told = False
        self._timer = Timer(self._loop)
        """Runs while there is no call, or while the caller does not read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in every protocol
        """A caller has connected."""
        self._transport = transport
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - 65_535)
        self._flush()
        self._timer.set(HEAD_SECONDS, self._idle)

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is gone, and with it whoever waited for answers."""
        self._timer.stop()
        for call in self._calls.values():
            call.end()
        self._calls.clear()
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        """Frames, or parts of them."""
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self._flush()  # with the reason
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()
        self._close_if_done()

    def pause_writing(self) -> None:
        """The caller does not read fast enough: take nothing more from it either."""
        self._paused = True
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._timer.set(ANSWER_SECONDS, self._transport.abort)

    def resume_writing(self) -> None:
        """The caller has read nearly everything."""
        self._paused = False
        self._timer.set(IDLE_SECONDS, self._idle)
        if self._calls:
            self._timer.stop()
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._send_more()
        self._close_if_done()

    def leave(self) -> None:
        """Take no new calls, finish those under way, then close. Callers lose nothing: they are told before."""
        if self._leaving or self._transport.is_closing():
            return
        self._leaving = True
        self._flush()
        self._transport.write(GoAwayFrame(0, last_stream_id=_LAST_STREAM).serialize())
        self._h2.ping(_FAREWELL)  # h2's own way to say good-bye would forbid it to answer what is under way
        self._flush()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream), headers=headers):
                self._begin(stream, dict(headers))
            case h2.events.DataReceived(stream_id=int(stream), data=bytes(data)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                self._grow(stream, data)
            case h2.events.StreamEnded(stream_id=int(stream)):
                self._ended(stream)
            case h2.events.StreamReset(stream_id=int(stream)):
                self._forget(stream)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._send_more()
            case h2.events.PingAckReceived(ping_data=data) if data == _FAREWELL:
                self._told = True
            case h2.events.ConnectionTerminated():
                self._transport.close()

    def _begin(self, stream: int, headers: dict[bytes, bytes]) -> None:
        method, refusal = calls.read_head(self._desk, headers)
        if method is None:
            self._refuse(stream, refusal)
            return
        call = self._calls[stream] = Call(method, headers, Taken(self._room))
        if not self._paused:
            self._timer.stop()
        call.timer = self._loop.call_later(BODY_SECONDS, self._too_slow, stream)

    def _grow(self, stream: int, data: bytes) -> None:
        if (call := self._calls.get(stream)) is None:
            return
        try:
            call.grow(data)
        except RequestError as error:
            self._refuse(stream, calls.refusal(error))

    def _ended(self, stream: int) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        call.ended = True
        if call.timer is not None:
            call.timer.cancel()
        call.task = self._loop.create_task(self._answer(stream, call))
        call.task.add_done_callback(functools.partial(self._look_at, stream, call))

    def _look_at(self, stream: int, call: Call, task: "asyncio.Task[None]") -> None:
        """A bug in one call must not leave its caller waiting."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bug", cause=error, method=call.method)
            self._refuse(stream, [*calls.opening(()), *calls.trailers(calls.INTERNAL, "a bug; see the server's log")])
            self._flush()

    async def _answer(self, stream: int, call: Call) -> None:
        try:
            message, extra = await self._desk.answer(call.method, calls.unwrap(call.body), call.headers)
        except RequestError as error:
            call.task = None
            self._refuse(stream, calls.refusal(error))
        else:
            call.task, call.body = None, bytearray()
            call.taken.release()
            call.answer = memoryview(calls.wrap(message))
            call.timer = self._loop.call_later(ANSWER_SECONDS, self._transport.abort)
            self._open(stream, extra)
            self._send_more()
        self._flush()
        self._close_if_done()

    def _open(self, stream: int, extra: tuple[tuple[bytes, bytes], ...]) -> None:
        try:
            self._h2.send_headers(stream, calls.opening(extra))
        except h2.exceptions.StreamClosedError:
            self._forget(stream)

    def _send_more(self) -> None:
        """Send of each answer what its caller's windows allow."""
        for stream, call in list(self._calls.items()):
            try:
                self._send(stream, call)
            except h2.exceptions.StreamClosedError:
                self._forget(stream)

    def _send(self, stream: int, call: Call) -> None:
        while call.answer is not None and not self._paused:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            self._h2.send_data(stream, bytes(call.answer[:room]))
            call.answer = call.answer[room:] or None
            if call.answer is None:
                self._h2.send_headers(stream, calls.trailers(calls.OK), end_stream=True)
                self._forget(stream)
            self._flush()

    def _refuse(self, stream: int, headers: Headers) -> None:
        """Answer at once, and want no more of the message."""
        call = self._calls.get(stream)
        self._forget(stream)
        try:
            self._h2.send_headers(stream, headers, end_stream=True)
            if call is None or not call.ended:
                self._h2.reset_stream(stream, h2.errors.ErrorCodes.NO_ERROR)
        except h2.exceptions.StreamClosedError:
            return  # the caller was faster

    def _too_slow(self, stream: int) -> None:
        self._refuse(stream, calls.refusal(BodyTooSlow(f"message: want all of it within {BODY_SECONDS:.0f} s")))
        self._flush()

    def _forget(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is None:
            return
        call.end()
        if not self._calls and not self._paused:
            self._timer.set(IDLE_SECONDS, self._idle)

    def _flush(self) -> None:
        if (data := self._h2.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)

    def _close_if_done(self) -> None:
        if self._told and not self._calls:
            self._transport.close()

    def _idle(self) -> None:
        self.leave()
        self._timer.set(ANSWER_SECONDS, self._transport.abort)  # a caller that does not even answer a ping
