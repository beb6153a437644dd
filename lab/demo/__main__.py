"""``python -m lab.demo``: the whole loop on a real cluster; exits non-zero where any step did not happen."""

import argparse
import json
import sys

from lab.demo.plant import prepare
from lab.demo.story import Story
from lab.errors import LabError
from lab.home import REPOSITORY
from lab.progress import Progress


def main() -> int:
    """Run the story once."""
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the EdgeModel and its traffic running at the end")
    keep = parser.parse_args().keep
    progress = Progress(lambda line: print(line, flush=True))  # noqa: T201 (a command line program)
    try:
        story = Story(prepare(progress), progress)
        clean(story)
        story.serve()
        story.bad_version()
        story.drift()
        story.cut_link()
        story.finish()
        report = REPOSITORY / "build" / "demo.json"
        report.parent.mkdir(exist_ok=True)
        report.write_text(json.dumps(story.figures, indent=1) + "\n")
        if not keep:
            clean(story)
    except LabError as error:
        progress.say(f"demo: failed: {error}")
        return 1
    progress.say("demo: every step happened; `make down` removes the cluster")
    return 0


def clean(story: Story) -> None:
    """Remove what an earlier run left in the namespace."""
    story.kube.run("delete", "namespace", story.namespace, "--ignore-not-found", "--wait=true", "--timeout=120s")


if __name__ == "__main__":
    sys.exit(main())
