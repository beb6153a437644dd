"""Errors of the operator.

OperatorError
├── ApiError                an EdgeModel that does not parse; names each field
├── ClusterError            the API server refused or did not answer
│   ├── Conflict            409: somebody else changed the object first
│   ├── Forbidden           401, 403: RBAC is missing
│   ├── Invalid             400, 422: what we sent is wrong
│   └── Unavailable         time-out, connection, 429, 5xx: worth another try
├── WatchEnded              kopf gave up on its watches: everything starts anew
├── SignalError             Prometheus or a pod gave no usable answer
└── Undelivered             an alert that could not be written down in time: the sender is to come again
    └── TooManyDeliveries   more at once than are taken
"""


class OperatorError(Exception):
    """Base of all errors raised here."""


class ApiError(OperatorError):
    """An EdgeModel that does not parse; one line per field that is wrong."""


class ClusterError(OperatorError):
    """The API server refused a request, or did not answer."""


class Conflict(ClusterError):
    """Somebody else changed the object first."""


class Forbidden(ClusterError):
    """The operator's role lacks a permission."""


class Invalid(ClusterError):
    """The API server says that the request is wrong."""


class NameTaken(ClusterError):
    """An object that is not ours has the name of a child; it is left alone."""


class Unavailable(ClusterError):
    """No answer, or an answer that asks to come back later."""


class WatchEnded(OperatorError):
    """Kopf gave up on its watches, for an answer that it does not expect or one that was repeated for too long."""


class SignalError(OperatorError):
    """Prometheus or a pod gave no usable answer."""


class Undelivered(OperatorError):
    """An alert that could not be written down in time: the sender is to come again."""


class TooManyDeliveries(Undelivered):
    """More deliveries wait than are taken at once."""
