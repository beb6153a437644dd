"""The limit: the same writes as the operator's, by its own client, with nothing to find out and nothing to decide.

For each twin of an EdgeModel the status, the wish and the nudge of its pod, one after another over one connection, or
over several at once. Reads one JSON object per line, {"connections": n}, and answers each with the seconds it took.
Started with KUBECONFIG set; twins lie in `NAMESPACE`, which the operator does not watch.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from edgemodel import wish as wish_document
from edgemodel_operator.cluster.client import Body, Cluster
from edgemodel_operator.model import naming

NAMESPACE = "twins"


@dataclass
class Twin:
    """What is written of one EdgeModel."""

    name: str
    pod: str
    version: str
    status: Body
    wish: Body

    async def write(self, cluster: Cluster, number: int) -> None:
        """The three writes of one change; each changes something, or the API server would not store it."""
        self.status["observedGeneration"] = number
        body = await cluster.write_status(NAMESPACE, self.name, self.version, self.status)
        self.version = body["metadata"]["resourceVersion"]
        document = json.loads(self.wish["data"][wish_document.FILE_NAME]) | {"revision": number}
        await cluster.apply(self.wish | {"data": {wish_document.FILE_NAME: json.dumps(document)}})
        await cluster.annotate("Pod", NAMESPACE, self.pod, {naming.ANNOTATION_REVISION: str(number)})


async def _main() -> None:
    async with Cluster() as cluster:
        twins, number = None, 1_000
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            if "twins" in order:
                twins = [Twin(**twin) for twin in order["twins"]]
            assert twins is not None
            number += 1
            began = time.monotonic()
            waiting = iter(twins)
            await asyncio.gather(*(_write(cluster, waiting, number) for _ in range(order["connections"])))
            print(time.monotonic() - began, flush=True)


async def _write(cluster: Cluster, twins: Iterator[Twin], number: int) -> None:
    for twin in twins:
        await twin.write(cluster, number)


if __name__ == "__main__":
    asyncio.run(_main())
