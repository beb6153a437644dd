"""Nodes take turns at what may interrupt them, by the clock alone: few do it at a time, with no link at all.

Wall time is cut into turns of `TURN` seconds, which go round; a node's own follows from its name. It is kept as far
as the nodes' clocks agree: a node whose clock is off by more than half a turn acts in another one's.
"""

from collections import Counter
from collections.abc import Collection
from zlib import crc32

TURN = 10.0
"""Seconds of a turn: a worker is replaced in less."""
OPEN = TURN / 2
"""Seconds at the beginning of its turn in which a node may begin."""
MOST = 60
"""Most turns in a round, so that no node waits for more than ten minutes."""


def seconds_until(node: str, turns: int, wall: float) -> float:
    """How long `node` waits for its turn at `wall` seconds of the epoch; 0: it may begin now."""
    own = crc32(node.encode()) % turns
    into = wall % (turns * TURN) - own * TURN
    return 0.0 if turns == 1 or 0 <= into < OPEN else -into % (turns * TURN)


def turns_for(nodes: Collection[str], at_once: int) -> int:
    """The fewest turns in which no more than `at_once` of `nodes` share one, if `MOST` are enough for that."""
    fewest = min(max(-(-len(nodes) // at_once), 1), MOST)
    marks = [crc32(node.encode()) for node in nodes]
    fitting = (n for n in range(fewest, MOST) if not marks or max(Counter(m % n for m in marks).values()) <= at_once)
    return next(fitting, MOST)
