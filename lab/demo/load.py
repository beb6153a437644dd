"""A load generator that runs in a pod: sends real digits to the node's own Service address and keeps count.

Standard library and numpy only: it runs in the inference image. `/stats` tells the counts so far, `/mode/NAME`
switches the images, `/reset` starts the window of accuracy anew. Every request is counted once; none is repeated.
"""

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_S = 5.0
ERRORS_KEPT = 20


class Load:
    """Sends one image after the other and counts answers."""

    def __init__(self, target: str, model: str, rate: float, sets: Path) -> None:
        self._host, _, port = target.partition(":")
        self._port = int(port or 80)
        self._path = f"/v2/models/{model}/infer"
        self._pause = 1.0 / rate
        self._sets = {path.stem: _images(path) for path in sorted(sets.glob("*.npz"))}
        self._mode = next(iter(self._sets))
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._first: dict[str, float] = {}
        self._window: Counter[str] = Counter()
        self._failed = 0
        self._errors: list[str] = []
        self._sample: dict[str, Any] = {}

    def run(self) -> None:
        """Send for ever, on one kept-alive connection that is opened anew when the server closes it."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        index = 0
        while True:
            started = time.monotonic()
            inputs, labels = self._sets[self._mode]
            index = (index + 1) % len(labels)
            try:
                self._note(self._ask(connection, inputs[index]), int(labels[index]))
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                connection.close()
                with self._lock:
                    self._failed += 1
                    self._errors = [*self._errors, f"{time.time():.3f} {error!r}"][-ERRORS_KEPT:]
            time.sleep(max(0.0, self._pause - (time.monotonic() - started)))

    def switch(self, mode: str) -> None:
        """Send images of another set from now on. Raises KeyError where there is no such set."""
        self._sets[mode]
        self._mode = mode
        self.reset()

    def reset(self) -> None:
        """Start the window of accuracy anew."""
        with self._lock:
            self._window.clear()

    def stats(self) -> dict[str, Any]:
        """Counts so far; times are seconds since 1970."""
        with self._lock:
            return {
                "mode": self._mode,
                "answers": dict(self._answers),
                "first": dict(self._first),
                "last": dict(self._last),
                "window": dict(self._window),
                "failed": self._failed,
                "errors": list(self._errors),
                "sample": dict(self._sample),
                "now": time.time(),
            }

    def _ask(self, connection: http.client.HTTPConnection, image: np.ndarray) -> dict[str, Any]:
        tensor = {"name": "input", "shape": [1, *image.shape], "datatype": "FP32", "data": image.ravel().tolist()}
        body = json.dumps({"inputs": [tensor]})
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
        if response.status != http.client.OK:
            raise ValueError(f"HTTP {response.status}: {data[:200]!r}")
        scores = json.loads(data)["outputs"][0]["data"]
        version = response.headers["x-model-version"]
        return {"version": version, "label": int(np.argmax(scores)), "digest": response.headers["x-model-digest"]}

    def _note(self, answer: dict[str, Any], wanted: int) -> None:
        now = time.time()
        with self._lock:
            version = answer["version"]
            self._answers[version] += 1
            self._first.setdefault(version, now)
            self._last[version] = now
            self._window["answered"] += 1
            self._window["right"] += answer["label"] == wanted
            self._sample = {**answer, "wanted": wanted}


def _images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["inputs"], arrays["labels"]


def _serve(load: Load, port: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/mode/"):
                load.switch(self.path.removeprefix("/mode/"))
            elif self.path == "/reset":
                load.reset()
            body = json.dumps(load.stats()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: one line per question would drown the errors."""

    ThreadingHTTPServer(("", port), Handler).serve_forever()


def main() -> int:
    """Entry point of the pod."""
    load = Load(os.environ["TARGET"], os.environ["MODEL"], float(os.environ["RATE"]), Path("/images"))
    threading.Thread(target=load.run, daemon=True).start()
    _serve(load, int(os.environ["PORT"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
