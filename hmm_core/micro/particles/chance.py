"""Random numbers for many systems at once: one stream for each macro point, whatever company it is asked in.

Common random numbers: the variants of a point (its state, and the neighbours from which its tangent is told) see the same
numbers, its replicas different ones. Block number n of a point's run has numbers of its own, so a run that is cut into pieces,
sent to other workers or asked together with other points sees the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
COLUMNS = 64  # drawn from one stream at a time


@dataclass(frozen=True, eq=False)
class Chance:
    """Numbers for K points of V variants and R replicas: S = K V R systems, in this order.

    key      of the closure, 64 bits
    points   (K,) 64 bits for each point
    turn     (K,) how often the point was asked before
    block    of the run
    """

    key: int
    points: Array
    turn: Array
    block: int
    variants: int
    replicas: int

    @property
    def systems(self) -> int:
        return len(self.points) * self.variants * self.replicas

    def _streams(self, purpose: int) -> list[np.random.Generator]:
        keys = zip(self.points.tolist(), self.turn.tolist(), strict=True)
        return [
            np.random.Generator(
                np.random.Philox(key=np.array([self.key, p], np.uint64), counter=[0, purpose, self.block, t])
            )
            for p, t in keys
        ]

    def _spread(self, numbers: list[Array]) -> Array:
        """(R, ...) of every point -> (S, ...), the same for all variants."""
        stacked = np.stack(numbers)[:, None]
        whole = np.broadcast_to(stacked, (len(self.points), self.variants, *stacked.shape[2:]))
        return whole.reshape(self.systems, *stacked.shape[3:])

    def uniform(self, *shape: int, purpose: int = 0) -> Array:
        """(S, *shape) numbers from [0, 1)."""
        return self._spread([stream.random((self.replicas, *shape)) for stream in self._streams(purpose)])

    def blocks(self, width: int = 1, normal: bool = False) -> Iterator[Array]:
        """(COLUMNS, width, S) numbers, uniform ones from [0, 1) or normal ones, again and again."""
        streams = self._streams(1)
        draws = [s.standard_normal if normal else s.random for s in streams]
        whole = (COLUMNS, width, len(streams), self.variants, self.replicas)
        while True:
            stacked = np.stack([draw((COLUMNS, width, self.replicas)) for draw in draws], axis=2)[:, :, :, None]
            yield np.broadcast_to(stacked, whole).reshape(COLUMNS, width, self.systems)

    def columns(self, width: int = 1, normal: bool = False) -> Iterator[Array]:
        """(width, S) of these numbers, again and again."""
        return (column for block in self.blocks(width, normal) for column in block)
