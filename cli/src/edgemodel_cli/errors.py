"""Everything that this package raises on purpose.

CommandError
├── BadInput       what the user gave cannot be used: a model, labels, golden inputs, an array file
└── NotVerified    a bundle does not do what its golden batch says
"""


class CommandError(Exception):
    """Base of this package's errors; the message is one line for a person."""


class BadInput(CommandError):
    """What the user gave cannot be used."""


class NotVerified(CommandError):
    """A bundle does not do what its golden batch says."""
