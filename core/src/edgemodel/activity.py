"""Whether a rule's fault is active: one piece for the node and for rehearsals.

A fault is *active* from the moment its rule fires until the rule's judgement has been a miss `trigger_count`
times in a row: as much evidence to end it as to begin it. Before the first judgement nothing is known (None), which is
neither active nor over; nor is it while the first judgements are hits that have not fired the rule yet.
"""

from dataclasses import dataclass

from edgemodel.faults import Judgement, Rule


@dataclass(slots=True)
class Activity:
    """What is known of one rule's fault; note each judgement of a new sample."""

    active: bool | None = None
    misses: int = 0
    """In a row."""

    def note(self, rule: Rule, judgement: Judgement | None, *, fired: bool) -> None:
        """Take note of what `rule` says of its window now, and whether it fired; None changes nothing."""
        if judgement is None:
            return
        self.misses = 0 if judgement.hit else self.misses + 1
        if fired:
            self.active = True
        elif self.active is True:
            self.active = self.misses < rule.trigger_count
        elif not judgement.hit:
            self.active = False
