"""Feeds the fault rules, and says which faults are active now (see `edgemodel.activity`).

After a model switch nothing is known until there are enough samples of the new version. An absent sample changes
nothing.
"""

import threading
from collections.abc import Iterable, Mapping

from edgemodel.activity import Activity
from edgemodel.faults import Detector, Firing, Rule


class FaultWatch:
    """A `Detector` with a memory of what it fired. Thread-safe: the agent forgets while the lookout feeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._detector = Detector(())
        self._known: dict[str, Activity] = {}
        self._firings: dict[str, Firing] = {}

    def replace_rules(self, rules: Iterable[Rule]) -> None:
        """Take other rules; what is known of a rule that did not change stays."""
        with self._lock:
            before = set(self._detector.rules)
            self._detector.replace_rules(rules)
            same = {rule.name for rule in self._detector.rules if rule in before}
            self._known = {name: known for name, known in self._known.items() if name in same}

    def forget(self) -> None:
        """Drop all samples and verdicts: another version is judged by itself."""
        with self._lock:
            self._detector.forget()
            self._known.clear()

    def feed(self, samples: Mapping[str, float | None], now: float) -> list[Firing]:
        """Add one sample per metric (None: absent) and return what fires now."""
        with self._lock:
            firings = self._detector.feed(samples, now)
            fired = {firing.rule: firing for firing in firings}
            self._firings.update(fired)
            for rule in self._detector.rules:
                if samples.get(rule.metric) is not None:
                    known = self._known.setdefault(rule.name, Activity())
                    known.note(rule, self._detector.judgement(rule), fired=rule.name in fired)
            return firings

    def active(self, fault: str) -> bool | None:
        """Whether `fault` is active; None: nothing is known."""
        known = self._known.get(fault)
        return None if known is None else known.active

    def all(self) -> dict[str, bool]:
        """Every fault of which something is known, and whether it is active."""
        with self._lock:
            return {name: known.active for name, known in self._known.items() if known.active is not None}

    def last_firing(self, fault: str) -> Firing | None:
        """The evidence of the last time that `fault`'s rule fired."""
        return self._firings.get(fault)
