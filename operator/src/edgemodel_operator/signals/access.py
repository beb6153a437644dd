"""How the operator shows Prometheus who it is, and by whom it knows Prometheus: files, read at each question."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgemodel_operator.errors import SignalError


@dataclass(frozen=True, slots=True)
class Access:
    """Files that may change while the operator runs, as mounted Secrets do; no word of the token is ever told."""

    token_file: Path | None = None
    ca_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """What goes with a question.

        Raises:
            SignalError: there is to be a token, and none that could be sent.
        """
        if self.token_file is None:
            return {}
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SignalError(f"the token for Prometheus, {self.token_file}: {type(error).__name__}") from None
        if not token or not token.isprintable() or " " in token:
            raise SignalError(f"the token for Prometheus, {self.token_file}: want one word")
        return {"Authorization": f"Bearer {token}"}

    def trust(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed: the public authorities', and those of the file.

        Raises:
            SignalError: there is to be a file, and it has no certificate.
        """
        if self.ca_file is None:
            return True
        try:
            return _trusting(self.ca_file.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            why = type(error).__name__
            raise SignalError(
                f"the authorities for Prometheus, {self.ca_file}: want PEM certificates: {why}"
            ) from error


@lru_cache(maxsize=1)
def _trusting(authorities: str) -> ssl.SSLContext:
    """The same context for the same text: each has connections of its own."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authorities)
    return context
