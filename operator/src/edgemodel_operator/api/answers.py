"""Parts of the status that are about people: what waits for one, what one asked for; and how much was healed."""

from pydantic import Field

from edgemodel.document import Document
from edgemodel.verbs import Verb
from edgemodel_operator.api.states import Decision, Gate, VerbResult
from edgemodel_operator.api.types import Message, Name, Time, Word


class HealingStatus(Document):
    """How much was healed lately."""

    last_hour: int = Field(default=0, ge=0, description="Actions taken in the last hour, by the operator and by nodes.")
    nodes: int = Field(default=0, ge=0, description="Those of them that nodes in sight took by themselves.")


class VerbAnswer(Document):
    """What became of something that a person asked for by annotation."""

    verb: Verb = Field(description="What was asked.")
    argument: Word = Field(default="", description="The version that was named; empty: none.")
    token: Word = Field(default="", description="What tells it from an earlier one; empty: none was given.")
    at: Time = Field(description="When it was answered.")
    result: VerbResult = Field(description="Done or Refused.")
    message: Message = Field(default="", description="What was done, or why nothing was.")


class ApprovalStatus(Document):
    """Something that waits for a person, or waited."""

    gate: Gate = Field(description="What would be done.")
    subject: Name = Field(description="What approve and reject name: a fault, or a version.")
    since: Time = Field(description="When it was asked.")
    message: Message = Field(default="", description="What would be done, why, and what was tried before.")
    decision: Decision | None = Field(default=None, description="Approved or Rejected; absent: it waits.")
    decided_at: Time | None = Field(default=None, description="When a person decided.")
