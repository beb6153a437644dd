"""Feeds the fault rules, and says which faults are active now.

A fault is *active* from the moment its rule fires until the rule's judgement has been a miss `trigger_count`
times in a row: as much evidence to end it as to begin it. Before the first judgement, and after a model switch
until there are enough samples of the new version, nothing is known (None), which is neither active nor over; nor is
it while the first judgements are hits that have not fired the rule yet. An absent sample changes nothing.
"""

import threading
from collections.abc import Iterable, Mapping

from edgemodel.faults import Detector, Firing, Rule


class FaultWatch:
    """A `Detector` with a memory of what it fired. Thread-safe: the agent forgets while the lookout feeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._detector = Detector(())
        self._active: dict[str, bool] = {}
        self._misses: dict[str, int] = {}
        self._firings: dict[str, Firing] = {}

    def replace_rules(self, rules: Iterable[Rule]) -> None:
        """Take other rules; what is known of a rule that did not change stays."""
        with self._lock:
            before = set(self._detector.rules)
            self._detector.replace_rules(rules)
            known = {rule.name for rule in self._detector.rules if rule in before}
            self._active = {name: active for name, active in self._active.items() if name in known}

    def forget(self) -> None:
        """Drop all samples and verdicts: another version is judged by itself."""
        with self._lock:
            self._detector.forget()
            self._active.clear()
            self._misses.clear()

    def feed(self, samples: Mapping[str, float | None], now: float) -> list[Firing]:
        """Add one sample per metric (None: absent) and return what fires now."""
        with self._lock:
            firings = self._detector.feed(samples, now)
            fired = {firing.rule: firing for firing in firings}
            self._firings.update(fired)
            for rule in self._detector.rules:
                if samples.get(rule.metric) is not None:
                    self._note(rule, fired=rule.name in fired)
            return firings

    def active(self, fault: str) -> bool | None:
        """Whether `fault` is active; None: nothing is known."""
        return self._active.get(fault)

    def all(self) -> dict[str, bool]:
        """Every fault of which something is known, and whether it is active."""
        with self._lock:
            return dict(self._active)

    def last_firing(self, fault: str) -> Firing | None:
        """The evidence of the last time that `fault`'s rule fired."""
        return self._firings.get(fault)

    def _note(self, rule: Rule, *, fired: bool) -> None:
        judgement = self._detector.judgement(rule)
        if judgement is None:
            return
        misses = 0 if judgement.hit else self._misses.get(rule.name, 0) + 1
        self._misses[rule.name] = misses
        was = self._active.get(rule.name)
        if was is not None or fired or not judgement.hit:
            self._active[rule.name] = fired or (was is True and misses < rule.trigger_count)
