"""The block ``server`` of ``serve.yaml``: ports, certificate, tokens and the like, for machines without Kubernetes.

Read by the supervisor, once, at the start. A copy is kept in the state folder, and is used where the file is gone or
broken: a server that asked for tokens yesterday must not come up without them after a power cut.
"""

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from edgemodel_inference import logs
from edgemodel_inference.config.settings import Settings, ensure_state, read
from edgemodel_inference.config.variables import VARIABLES, Variable
from edgemodel_inference.errors import SettingsError

BLOCK, COPY = "server", "server.json"
MAX_BYTES = 4 * 1024 * 1024

KEYS: Mapping[str, Variable] = {v.key: v for v in VARIABLES if v.field not in {"config", "bundle", "wish", "state"}}
"""What may stand there: every setting but those that are needed to find the file, or stand elsewhere in it."""

log = logs.Log("edgemodel.server_block")


def settle(environ: MutableMapping[str, str], given: Mapping[str, str]) -> Settings:
    """The settings of this start: `given` on the command line before `environ` before ``serve.yaml``.

    Adds to `environ` what the file says and it does not, for the workers, who read nothing else.

    Raises:
        SettingsError: one line per setting that is wrong.
    """
    chosen = read(environ, given)
    if not chosen.local and not chosen.wish.parent.is_dir():
        raise SettingsError("--bundle: want what to serve: a bundle's folder or address, here or in a --config file")
    ensure_state(chosen)
    if chosen.config is None:
        return chosen
    for name, text in load(chosen.config, chosen.state / COPY).items():
        if not environ.get(name):
            environ[name] = text
    return read(environ, given)


def load(file: Path, copy: Path) -> dict[str, str]:
    """The settings in `file`, by variable.

    Raises:
        SettingsError: one is wrong, and there is no copy of a better time.
    """
    try:
        found = _read(file)
    except (OSError, SettingsError) as error:
        kept = _read_copy(copy)
        if kept is not None:
            log.warning("server settings not readable, keeping the last good ones", problem=str(error))
            return kept
        if isinstance(error, OSError):
            return {}  # whoever looks for a wish in it will say so
        raise
    if found != _read_copy(copy):
        _save(copy, found)
    return found


def _read(file: Path) -> dict[str, str]:
    import yaml  # noqa: PLC0415 (only where there is such a file)

    if not file.is_file():
        raise FileNotFoundError(file)  # or a pipe, which could be read once; whoever looks for a wish in it says more
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES)
    try:
        document = yaml.safe_load(data) or {}
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{file}: want YAML: {' '.join(str(error).split())}"[:500]) from error
    block = document.get(BLOCK, {}) if isinstance(document, dict) else {}
    if not isinstance(block, dict):
        raise SettingsError(f"{file}: {BLOCK}: want names and values, got {block!r:.80}")
    problems, found = [], {}
    for key, value in block.items():
        variable, text = KEYS.get(key), "" if value is None else str(value)
        if variable is None:
            problems.append(f"{file}: {BLOCK}.{key}: want one of {', '.join(KEYS)}")
            continue
        try:
            variable.read(text or variable.default())
        except ValueError as error:
            problems.append(f"{file}: {BLOCK}.{key}: {error}, got {text!r:.80}")
        found[variable.name] = text
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def _read_copy(copy: Path) -> dict[str, str] | None:
    try:
        kept = json.loads(copy.read_bytes())
    except (OSError, ValueError):
        return None
    return {str(name): str(text) for name, text in kept.items()} if isinstance(kept, dict) else None


def _save(copy: Path, found: Mapping[str, str]) -> None:
    new = copy.with_name(copy.name + ".new")
    try:
        with new.open("w") as file:
            json.dump(found, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(copy)
    except OSError as error:
        log.warning("not written", path=copy, error=str(error))
