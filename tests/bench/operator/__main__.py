"""The operator with a thousand EdgeModels, beside a raw loop that sends the same writes: `make bench-operator`.

etcd, the API server and the operator are real; no kubelet and no controller runs: nodes and pods are objects made by
hand, and what Prometheus would tell of them is made up. Writes are counted by the API server's audit log, memory and
processor time by the kernel. Everything goes to build/bench/operator.json too.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time

from lab.errors import LabError
from lab.home import REPOSITORY
from tests.bench.operator.ground import ground
from tests.bench.operator.scenes import Figures, changes, first, rest, restart, tell
from tests.bench.operator.twins import make_twins, raw_loop

BUILD = REPOSITORY / "build" / "bench"


def main() -> int:
    """Measure and print; 2 where the machine was not quiet, or where nothing could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=_positive, default=1000)
    parser.add_argument("--rounds", type=int, default=11, help="of changes; 0: none (default 11)")
    rest_help = "seconds to look for writes at rest (default 330: the watches begin anew after 300); 0: none"
    parser.add_argument("--rest", type=int, default=330, help=rest_help)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the programs and their folders go too
    began = time.monotonic()
    figures: Figures = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "python": platform.python_version()}
    figures |= vars(asked)
    try:
        with ground(asked.models) as place:
            figures["first"] = first(place)
            _keep(figures)
            if asked.rounds:
                twins = make_twins(place.api, place.fleet)
                with raw_loop(place.account) as raw:
                    raw.run(1, twins)
                    figures["changes"] = changes(place, raw, asked.rounds)
                _keep(figures)
            figures["restart"] = restart(place)
            _keep(figures)
            if asked.rest:
                figures["rest"] = rest(place, asked.rest)
                _keep(figures)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    tell(f"written to {BUILD / 'operator.json'} after {time.monotonic() - began:.0f} s")
    return 2 if figures.get("changes", {}).get("void") else 0


def _positive(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 9999):
        raise argparse.ArgumentTypeError(f"want a number from 1 to 9999, got {text!r}")
    return int(text)


def _keep(figures: Figures) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "operator.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    sys.exit(main())
