"""A token service as Harbor, GitLab or GitHub have one, for a real registry that trusts its signatures.

The tokens follow https://distribution.github.io/distribution/spec/auth/jwt/.
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.unit.registry.real_registry import PASSWORD, USER, Certificate

SERVICE, ISSUER = "test-registry", "test-issuer"


@contextmanager
def run_token_service(certificate: Certificate) -> Iterator[str]:
    """Serve tokens to the test user; gives the service's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {login}":
                self.send_error(401)
                return
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            body = json.dumps({"token": _sign(certificate, scopes)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serve(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as host:
        yield f"http://{host}/token"


@contextmanager
def serve(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run an HTTP server; gives its ``127.0.0.1:<port>``."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _sign(certificate: Certificate, scopes: list[str]) -> str:
    shown = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    now = int(time.time())
    chain = base64.b64encode(shown.public_bytes(serialization.Encoding.DER)).decode()
    access = [
        {"type": kind, "name": name, "actions": actions.split(",")}
        for kind, name, actions in (scope.split(":") for scope in scopes)
    ]
    claims = {"iss": ISSUER, "aud": SERVICE, "sub": USER, "nbf": now - 60, "iat": now, "exp": now + 300, "jti": "1"}
    signed = f"{_encode({'typ': 'JWT', 'alg': 'ES256', 'x5c': [chain]})}.{_encode(claims | {'access': access})}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_url_safe(r.to_bytes(32) + s.to_bytes(32))}"


def _encode(document: dict[str, object]) -> str:
    return _url_safe(json.dumps(document).encode())


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
