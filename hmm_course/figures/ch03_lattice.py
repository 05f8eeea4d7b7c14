r"""Many zero-range systems at once, up to ten thousand counters each: a clock that moves half of all bonds in one tick.

In every tick a coin chooses the even or the odd bonds, and each of these tries one jump, to the right or to the left with equal
chance; it happens if there is somebody to move. Chosen bonds share no counter, so NumPy does them together.

What does this clock change? Not the equilibrium: a try and its reverse are equally likely and join two configurations of equal
weight, so a product measure of one fugacity stays, exactly. Not the mean currents: whatever the configuration, that through a
bond is (g(left) - g(right))/4 a tick, with four ticks for a unit of time that of the process with p = q = 1. So in the long run
between two reservoirs the mean of g is a line, exactly; but there the measure is a product only up to O(L^-2), for bonds that act
together see each other. ``hmm.particles.ZeroRange`` draws one bond a tick and takes any g; this one takes g = 1 only.
"""

from collections.abc import Iterator

import numpy as np

Array = np.ndarray
TICKS = 4  # for a unit of time
AT_ONCE = 2**18  # coins that are drawn together: they fit into the cache


def run(
    n: Array, time: float, rng: np.random.Generator, ends: tuple[float, float] | None = None, together: bool = False
) -> Array:
    """Numbers at the counters (R, L), L even, of R systems a time later, a multiple of 1/4: rings; or, with ``ends``, rows
    between reservoirs of these two fugacities.

    together : one coin chooses the bonds of all systems. Twice as fast; but they are independent only if the coins are given,
        and in a short time the coins of one run may drive all of them faster or slower than they do in the mean.

    ValueError for a number of counters that is odd, and for queues that no byte holds.
    """
    if n.ndim != 2 or n.shape[1] % 2 or n.shape[1] < 4:
        raise ValueError(f"n.shape={n.shape} must be (R, L), with an even L >= 4")
    if n.min() < 0 or n.max() > 255:
        raise ValueError(f"n lies in [{n.min()}, {n.max()}]; a queue must be one of 0 ... 255")
    R, half = n.shape[0], n.shape[1] // 2
    # counter axis first, one spare place at an end of each: even counters and the right reservoir, the left one and odd counters
    even, odd = np.zeros((half + 1, R), np.uint8), np.zeros((half + 1, R), np.uint8)
    even[:-1], odd[1:] = n.T[::2], n.T[1::2]
    room = np.empty((3, half + 1, R), np.uint8)
    for chosen, coins, first, last in _draws(half, R, round(TICKS * time), rng, ends, together):
        if not (together and chosen[0]):
            _jump(even[:-1], odd[1:], coins[:-1], 1 - chosen, room)
        if together and not chosen[0]:
            continue
        if ends:
            odd[0], even[-1] = first, last  # whether the reservoirs have somebody to send, this time
            _jump(odd, even, coins, chosen, room)
        else:
            even[-1] = even[0]  # the ring closes: its first counter is the neighbour of its last
            _jump(odd[1:], even[1:], coins[1:], chosen, room)
            even[0] = even[-1]
    out = np.empty_like(n)
    out[:, ::2], out[:, 1::2] = even[:-1].T, odd[1:].T
    return out


def _jump(left: Array, right: Array, coins: Array, chosen: Array, room: Array) -> None:
    """One try at bonds (B, R) of the chosen systems: coins 1 from left to right, 0 back."""
    ahead, go, come = room[:, : len(left)]
    np.bitwise_and(coins, chosen, out=ahead)
    np.minimum(left, ahead, out=go)  # with 0 or 1: if there is somebody
    np.bitwise_xor(ahead, chosen, out=ahead)
    np.minimum(right, ahead, out=come)
    np.subtract(go, come, out=go)  # -1 is 255: sums of bytes are those of integers modulo 256
    np.subtract(left, go, out=left)
    np.add(right, go, out=right)


def _draws(
    half: int, R: int, ticks: int, rng: np.random.Generator, ends: tuple[float, float] | None, together: bool
) -> Iterator[tuple[Array, ...]]:
    """Tick by tick: 1 for odd bonds (R,) or (1,), a coin for each bond (half + 1, R), if a reservoir has somebody, twice (R,)."""
    size = (half + 1) * R
    few = max(1, AT_ONCE // size)
    for start in range(0, ticks, few):
        count = min(few, ticks - start)
        words = rng.integers(0, 2**64, -(-count * size // 64), dtype=np.uint64)
        coins = np.unpackbits(words.view(np.uint8))[: count * size].reshape(count, half + 1, R)
        chosen = (rng.random((count, 1 if together else R)) < 0.5).astype(np.uint8)
        somebody = rng.random((2, count, R)) < np.reshape(ends or (0.0, 0.0), (2, 1, 1))
        yield from zip(chosen, coins, *somebody, strict=True)


def drawn(density: Array, R: int, rng: np.random.Generator) -> Array:
    """Numbers (R, L) from the product measure of these densities (L,): P(n) = (1 - phi) phi^n, phi = density/(1 + density)."""
    return rng.geometric(1 / (1 + density), (R, len(density))) - 1


def busy(n: Array, blocks: int, block: float, rng: np.random.Generator) -> Array:
    """Share of busy counters, the mean of g over each system, at the ends of so many blocks: (R, blocks)."""
    series = np.empty((len(n), blocks))
    for k in range(blocks):
        n = run(n, block, rng)
        series[:, k] = (n > 0).mean(axis=1)
    return series
