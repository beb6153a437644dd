"""What a person may ask of one EdgeModel by annotation: names and values, for who writes them and who reads them.

A value is ``<argument>@<token>``, either part may be empty; what has no argument is all token. A verb is one-shot: the
same value is carried out once, however often it is applied; another token asks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "edgemodel.dev/"
PAUSE = f"{PREFIX}pause"
"""While this annotation is there, whatever it says but ``false``, nothing is decided."""
LENGTH = 100
"""Characters of an argument or a token that count."""


class Verb(StrEnum):
    """What can be asked."""

    CLEAR_QUARANTINE = "clear-quarantine"
    """`VERSION[@TOKEN]`: lets a barred version serve again, on nodes too; rolls it out where spec.version names it."""
    ROLLBACK_TO = "rollback-to"
    """`VERSION[@TOKEN]`: serves another version on every node at once and ends the rollout under way; blames nobody."""
    REDISTILL = "redistill"
    """`[@]TOKEN`: trains a successor now, if spec.distillation says how."""
    APPROVE = "approve"
    """`[SUBJECT]@TOKEN`: says yes to what waits for a person; SUBJECT is needed where more than one thing waits."""
    REJECT = "reject"
    """`[SUBJECT]@TOKEN`: says no to what waits for a person; it is not done, and not asked again."""
    PROMOTE = "promote"
    """`next@TOKEN` or `all@TOKEN`: the rollout under way goes to its next step or to every node; hold and gate end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One verb with its argument (empty: none) and the token that tells it from an earlier one."""

    verb: Verb
    argument: str
    token: str

    @property
    def value(self) -> str:
        """The annotation's value."""
        return f"{self.argument}@{self.token}" if self.token else self.argument


def annotation(verb: Verb) -> str:
    """The annotation that carries `verb`."""
    return PREFIX + verb.value


def asked(annotations: Mapping[str, str]) -> tuple[Asked, ...]:
    """The verbs that `annotations` carry, in the order of `Verb`."""
    return tuple(_read(verb, annotations[annotation(verb)]) for verb in Verb if annotation(verb) in annotations)


def paused(annotations: Mapping[str, str]) -> bool:
    """Whether `annotations` ask for nothing to be decided."""
    return annotations.get(PAUSE, "false") != "false"


def _read(verb: Verb, value: str) -> Asked:
    argument, _, token = value.partition("@")
    if verb is Verb.REDISTILL:
        argument, token = "", value.removeprefix("@")
    return Asked(verb, argument.strip()[:LENGTH], token.strip()[:LENGTH])
