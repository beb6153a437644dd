"""Everything that this package raises on purpose.

CommandError
├── BadInput       what the user gave cannot be used: a model, labels, golden inputs, an array file, rules, a table
├── NotVerified    a bundle does not do what its golden batch says
└── ClusterError
    ├── NoCluster      no kubeconfig that can be used, or the API server does not answer
    ├── NotFound       no such object
    │   └── UnknownKind    no EdgeModels at all on that cluster
    ├── Forbidden      the user may not do this
    ├── Refused        the API server or the operator says no; the message says why
    └── Unanswered     the operator did not answer in time
"""


class CommandError(Exception):
    """Base of this package's errors; the message is one line for a person."""

    exit_code = 1


class BadInput(CommandError):
    """What the user gave cannot be used."""


class NotVerified(CommandError):
    """A bundle does not do what its golden batch says."""


class ClusterError(CommandError):
    """Something about a cluster."""


class NoCluster(ClusterError):
    """No kubeconfig that can be used, or the API server does not answer."""


class NotFound(ClusterError):
    """No such object."""


class UnknownKind(NotFound):
    """The API server knows no objects of that kind."""


class Forbidden(ClusterError):
    """The user may not do this."""


class Refused(ClusterError):
    """The API server or the operator says no."""


class Unanswered(ClusterError):
    """The operator did not answer in time."""

    exit_code = 4
