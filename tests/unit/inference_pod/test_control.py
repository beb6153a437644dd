"""What supervisor and worker say to each other."""

import contextlib
import socket

from edgemodel_inference.processes.control import Ask, Channel, Drain, Start


def test_what_was_said_at_once_is_heard_one_after_the_other() -> None:
    said = [Start(avoid="sha256:a"), Ask(1, "status"), Drain(2.0)]
    ours, theirs = (Channel(end) for end in socket.socketpair())
    with contextlib.closing(ours), contextlib.closing(theirs):
        assert all(ours.send(message) for message in said)
        heard = [next(iter(theirs)), next(iter(theirs)), next(iter(theirs))]
    assert heard == said


def test_an_end_that_hangs_up_ends_the_conversation() -> None:
    ours, theirs = (Channel(end) for end in socket.socketpair())
    with contextlib.closing(theirs):
        ours.send(Drain())
        ours.close()
        assert list(theirs) == [Drain()]
        assert not theirs.send(Drain())
