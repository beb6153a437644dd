"""Pages for people: the model's card with a form to try it, and the API's documentation. Nothing comes from elsewhere.

They hold nothing that is worth a token: the scripts ask for what they show, with the token that the reader gives.
"""

import asyncio
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

_OWN = Path(__file__).parent
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"

FILES = {
    "/": (_OWN / "index.html", "text/html"),
    "/page.css": (_OWN / "page.css", "text/css"),
    "/page.js": (_OWN / "page.js", "text/javascript"),
    "/docs": (_OWN / "docs.html", "text/html"),
    "/docs.js": (_OWN / "docs.js", "text/javascript"),
    "/swagger-ui.css": (_SWAGGER / "swagger-ui.css", "text/css"),
    "/swagger-ui-bundle.js": (_SWAGGER / "swagger-ui-bundle.js", "text/javascript"),
}
"""Path → file and its kind."""

_HEADERS = {
    # Swagger's pages set styles and draw icons inline; no page runs a script but its own files.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def add(app: FastAPI) -> None:
    """Serve the pages."""
    for path in FILES:
        app.get(path, include_in_schema=False)(_page)


async def _page(request: Request) -> Response:
    file, kind = FILES[request.url.path]
    # Starlette's own answer with a file would load a library for its threads: 6 MiB more for as long as this lives.
    return Response(await asyncio.to_thread(file.read_bytes), media_type=kind, headers=_HEADERS)
