"""``python -m tests.fuzz.run TARGET [option of libFuzzer …]``: search for bytes that a target does not survive."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edgemodel", "edgemodel_inference", "tests.fuzz"]):
    from tests.fuzz.targets import SEEDS, TARGETS

FOLDER = Path("build/fuzz")


def main() -> None:
    """Search until the options say that it is enough; what was found lies in build/fuzz."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"want one of {' '.join(TARGETS)}, got {name!r}")
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-artifact_prefix={FOLDER}/{name}-", "-rss_limit_mb=1024", "-timeout=5", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
