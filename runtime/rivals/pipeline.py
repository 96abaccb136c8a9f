"""A pipeline of layers on tiles of rows, driven by events: which tile of which image runs when."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import NamedTuple

from runtime.rivals.dataflow import Node

OFF_CHIP = "off-chip residuals"


class Server(NamedTuple):
    """What works on one node: its time per output row, and bytes per row that first go through the shared channel."""

    node: Node
    row_ns: float
    offchip_bytes: float


@dataclass(frozen=True)
class PipelineRun:
    """When each image of a batch is done, and how long each server works on one image."""

    done_ns: tuple[float, ...]
    busy_ns: Mapping[str, float]
    """by the node's name; the channel off the chip is one of them"""

    @property
    def batch_ns(self) -> float:
        """Until the last image is done, the filling of the pipeline included."""
        return self.done_ns[-1]

    @property
    def interval_ns(self) -> float:
        """Between two images once the pipeline is full."""
        first, last, images = self.done_ns[0], self.done_ns[-1], len(self.done_ns)
        return first if images == 1 else (last - first) / (images - 1)

    @property
    def bound(self) -> str:
        """The server that works longest on an image."""
        return max(self.busy_ns, key=lambda name: self.busy_ns[name])


def simulate(servers: Sequence[Server], batch: int, rows_per_tile: int, bytes_per_ns: float) -> PipelineRun:
    """Run a batch; a server takes its tiles in order, each as soon as the rows that it needs are there."""
    done = _Pipeline(servers, batch, rows_per_tile, bytes_per_ns).run()
    busy = {server.node.name: server.row_ns * server.node.rows for server in servers}
    moved = sum(server.offchip_bytes * server.node.rows for server in servers)
    return PipelineRun(tuple(done), busy | ({OFF_CHIP: moved / bytes_per_ns} if moved else {}))


class _Pipeline:
    def __init__(self, servers: Sequence[Server], batch: int, rows_per_tile: int, bytes_per_ns: float):
        self.servers, self.batch, self.size, self.rate = servers, batch, rows_per_tile, bytes_per_ns
        self.tiles = [ceil(server.node.rows / rows_per_tile) for server in servers]
        """of an image"""
        self.ended = [0] * len(servers)
        """tiles of all images so far"""
        self.running = [False] * len(servers)
        self.readers: list[list[int]] = [[] for _ in servers]
        for number, server in enumerate(servers):
            for source in server.node.sources:
                self.readers[source].append(number)
        self.events: list[tuple[float, int, int]] = []
        self.order = count()
        """events at the same time keep the order in which they were made"""
        self.channel_free = 0.0

    def run(self) -> list[float]:
        for number in range(len(self.servers)):
            self._start(number, 0.0)
        images: list[float] = []
        while self.events:
            now, _, number = heapq.heappop(self.events)
            self.running[number] = False
            self.ended[number] += 1
            if number == len(self.servers) - 1 and self.ended[number] % self.tiles[number] == 0:
                images.append(now)
            for other in (number, *self.readers[number]):
                self._start(other, now)
        return images

    def _start(self, number: int, now: float) -> None:
        """Begin the server's next tile, if it is free and the tile's rows are there."""
        server = self.servers[number]
        image, tile = divmod(self.ended[number], self.tiles[number])
        first = tile * self.size
        end = min(first + self.size, server.node.rows)
        if self.running[number] or image == self.batch or not self._ready(server.node, image, end - 1):
            return
        if server.offchip_bytes:
            now = self.channel_free = max(self.channel_free, now) + server.offchip_bytes * (end - first) / self.rate
        self.running[number] = True
        heapq.heappush(self.events, (now + server.row_ns * (end - first), next(self.order), number))

    def _ready(self, node: Node, image: int, row: int) -> bool:
        for source in node.sources:
            rows = self.servers[source].node.rows
            ended = max(0, self.ended[source] - image * self.tiles[source])
            if min(ended * self.size, rows) <= node.last_row(row, rows):
                return False
        return True
