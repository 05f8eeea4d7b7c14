r"""A mesh of simplices fitted to obstacles: a regular one whose vertices near the obstacle are moved onto its surface.

Obstacles are where a level set phi is negative. Of every edge that crosses the surface the nearer end moves to the crossing;
after that no edge crosses it, and every simplex is all fluid or all obstacle. Then the fluid's vertices go to the mean of
their neighbours, those on the surface along it, and edges in the surface are bent onto it in their middle (quadratic sides).
In 2D squares are cut by both diagonals; in 3D the mesh is the body-centred lattice, whose tetrahedra are well shaped (Labelle
and Shewchuk 2007 start from it, doi:10.1145/1276377.1276448).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import sparse

Array = np.ndarray
Level = Callable[[Array], Array]  # (d, P) -> (P,)

SWEEPS = 5  # of the smoothing: more do not make the permeability more accurate (measured)
THIN = 0.02  # of the volume that a simplex has in the regular mesh: below, the fit has failed
JUMP = 1e-6  # of the largest |phi|: more than this on the surface, and phi jumps there instead of crossing zero


@dataclass(frozen=True, eq=False)
class FittedMesh:
    """The fluid's part of a box of ``shape`` cells of side h. A side that is periodic has its vertices twice.

    points     (d, V)    vertices
    simplices  (d+1, T)  their numbers
    index      (d, V)    where the vertices were on the regular mesh, in units of h/2
    walls      (2, E)    vertices of the edges in the obstacle's surface
    bulges     (d, E)    where the middles of these edges are
    """

    points: Array
    simplices: Array
    index: Array
    walls: Array
    bulges: Array
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    def homes(self, index: Array, unit: int) -> Array:
        """Numbers of points with this index, in units of h/unit: equal for points that periodicity makes one."""
        return _homes(index, tuple(unit * n for n in self.shape), self.periodic)

    def on_side(self, index: Array, unit: int) -> Array:
        """(d, ...) whether points with this index lie on the sides across each axis that are not periodic."""
        return _on_side(index, tuple(unit * n for n in self.shape), self.periodic)


def fitted_mesh(level: Level, shape: tuple[int, ...], low: tuple, h: float, periodic: tuple[bool, ...]) -> FittedMesh:
    """The mesh of the fluid, level > 0, in a box of ``shape`` cells of side h whose first corner is ``low``.

    Raises ValueError, which says which it is: no obstacle, or no fluid; a level set that jumps instead of crossing zero; fluid
    in several pieces, or that cannot flow through a periodic box in every direction; details that this mesh does not see; an
    obstacle that reaches a side that is not periodic.
    """
    index, t = _regular(shape)
    d, sides = len(index), tuple(2 * n for n in shape)
    _, first, home = np.unique(_homes(index, sides, periodic), return_index=True, return_inverse=True)
    box, origin = f"a mesh of {' x '.join(map(str, shape))} cells", np.array(low)[:, None]
    at = origin + index[:, first] * h / 2  # what periodicity makes one moves as one: one vertex of each kind
    side = _on_side(index[:, first], sides, periodic).any(axis=0)
    values = level(at)
    if (values > 0).all():
        raise ValueError(
            f"there is no obstacle that {box} sees, phi > 0 everywhere: the permeability would be infinite"
        )
    if (values <= 0).all():
        raise ValueError(f"the obstacle fills the cell: {box} sees no fluid, phi <= 0 everywhere")
    if (values[side] <= 0).any():
        where = at[:, side][:, np.argmin(values[side])].round(6).tolist()
        raise ValueError(f"the obstacle reaches a side that is not periodic, at {where}: leave fluid along such sides")

    pairs, along = _edges(home, index, t)
    moved, on = _snapped(level, at, values, pairs, along * h / 2, side)
    corners = (origin + index * h / 2 + moved[:, home])[:, t]
    fluid = _fluid(level, np.where(on, 0, np.sign(values)).astype(int)[home][t], corners, box)
    t, solid = t[:, fluid], t[:, ~fluid]
    neighbours, shift, lonely = _neighbours(home, index, t)
    alone = np.setdiff1d(np.arange(t.shape[1]), neighbours)
    if alone.size:  # in a notch of the surface; nothing flows there
        t = np.delete(t, alone, axis=1)
        neighbours, shift, lonely = _neighbours(home, index, t)
    lonely = lonely[:, ~_on_side(index[:, lonely], sides, periodic).all(axis=1).any(axis=0)]
    _refuse_pieces(neighbours, shift / np.array(sides)[:, None], t.shape[1], periodic, box)
    walls = np.concatenate([lonely[list(pair)] for pair in combinations(range(d), 2)], axis=1)
    lost = on & (values < 0)
    lost[home[solid]] = False  # of what was here nothing is left: its only vertices went to its surface
    if lost.any():
        raise ValueError(_unseen(box, True, at[:, np.argmax(lost)]))

    regular = np.abs(volumes(index * h / 2, t)).min()
    for slide in (True, False, None):  # with sharp edges less smoothing may be better
        smooth = moved if slide is None else _smoothed(level, at, moved, home, index, t, walls, side, h, slide)
        points = origin + index * h / 2 + smooth[:, home]
        if volumes(points, t).min() > THIN * regular:
            break
    else:
        raise ValueError(f"{box} does not fit the obstacle without flat elements: take a larger n")
    _, once = np.unique(np.sort(home[walls], axis=0), axis=1, return_index=True)
    walls = walls[:, once]
    straight = points[:, walls].mean(axis=1)
    bulges = onto(level, straight, h)
    far = np.linalg.norm(bulges - straight, axis=0) > 0.4 * np.linalg.norm(
        points[:, walls[0]] - points[:, walls[1]], axis=0
    )
    bulges[:, far] = straight[:, far]  # at a kink of the surface
    used, t = np.unique(t, return_inverse=True)
    return FittedMesh(
        points[:, used], t.reshape(d + 1, -1), index[:, used], np.searchsorted(used, walls), bulges, shape, periodic
    )


def onto(level: Level, y: Array, h: float, steps: int = 4) -> Array:
    """Points y (d, P) moved along the gradient of the level set to its zero; where that leads nowhere they stay."""
    d, delta, start = len(y), 1e-5 * h, y
    for _ in range(steps):
        value = level(y)
        slope = np.array([level(y + delta * e) - level(y - delta * e) for e in np.eye(d)[:, :, None]]) / (2 * delta)
        step = value * slope / np.maximum((slope**2).sum(axis=0), np.finfo(float).tiny)
        length = np.linalg.norm(step, axis=0)
        y = y - step * np.minimum(1, h / 4 / np.maximum(length, np.finfo(float).tiny))
    return np.where(np.abs(level(y)) <= np.abs(level(start)), y, start)


# -- the regular mesh -------------------------------------------------------------------------------------------------------


def _regular(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Vertices (d, V) in units of h/2, and positively oriented simplices (d+1, T)."""
    d = len(shape)
    ring = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    if d == 2:
        kinds = [[(0, 0), ring[i - 1], ring[i]] for i in range(4)]
    else:  # two neighbouring centres, and an edge of the square between them
        kinds = [
            [(0, 0, 0), np.roll((2, 0, 0), k), np.roll((1, *ring[i - 1]), k), np.roll((1, *ring[i]), k)]
            for k in range(3)
            for i in range(4)
        ]
    centres = 2 * np.indices(shape).reshape(d, 1, 1, -1) + 1
    corners = (centres + np.array(kinds).transpose(2, 1, 0)[..., None]).reshape(d, d + 1, -1)
    spread = tuple(2 * n + 2 for n in shape)
    numbers, t = np.unique(np.ravel_multi_index(tuple(corners), spread), return_inverse=True)
    index, t = np.array(np.unravel_index(numbers, spread)), t.reshape(d + 1, -1)
    turned = volumes(index.astype(float), t) < 0
    t[:2, turned] = t[1::-1, turned]
    return index, t


def _homes(index: Array, sides: tuple[int, ...], periodic: tuple[bool, ...]) -> Array:
    wrapped = tuple(i % s if around else i for i, s, around in zip(index, sides, periodic, strict=True))
    return np.ravel_multi_index(wrapped, tuple(s + 1 for s in sides))


def _on_side(index: Array, sides: tuple[int, ...], periodic: tuple[bool, ...]) -> Array:
    return np.array([(i % s == 0) & (not p) for i, s, p in zip(index, sides, periodic, strict=True)])


def volumes(points: Array, t: Array) -> Array:
    """Signed volumes (T,) of simplices, times d!."""
    p = points[:, t]
    return np.linalg.det(np.moveaxis(p[:, 1:] - p[:, :1], -1, 0))


def _edges(home: Array, index: Array, t: Array) -> tuple[Array, Array]:
    """Edges (2, E) between homes, each once, and the vectors along them (d, E) in units of the index."""
    ends = np.concatenate([t[list(pair)] for pair in combinations(range(len(t)), 2)], axis=1)
    low, high = np.sort(home[ends], axis=0)
    _, once = np.unique(low * (home.max() + 1) + high, return_index=True)
    ends = ends[:, once]
    return home[ends], index[:, ends[1]] - index[:, ends[0]]


# -- the obstacle -----------------------------------------------------------------------------------------------------------


def _snapped(level: Level, at: Array, values: Array, pairs: Array, along: Array, side: Array) -> tuple[Array, Array]:
    """How far each vertex moves onto the surface (d, H), and which are on it (H,)."""
    size = np.abs(values).max()
    on = np.abs(values) <= 1e-12 * size
    crossing = (values[pairs[0]] * values[pairs[1]] < 0) & ~on[pairs].any(axis=0)
    (a, b), along = pairs[:, crossing], along[:, crossing]
    low, high = np.zeros(len(a)), np.ones(len(a))
    for _ in range(52):
        middle = (low + high) / 2
        same = level(at[:, a] + middle * along) * values[a] > 0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    leap = np.abs(level(at[:, a] + low * along))
    if leap.size and leap.max() > JUMP * size:
        where = (at[:, a] + low * along)[:, leap.argmax()].round(6).tolist()
        raise ValueError(f"the level set phi jumps across zero at {where}: it must be continuous, like a distance")
    first = (low < 0.5) & ~side[a] | side[b]
    vertex, offset = np.where(first, a, b), np.where(first, low, low - 1) * along
    order = np.argsort(-np.linalg.norm(offset, axis=0), kind="stable")  # the nearest crossing is written last
    moved = np.zeros_like(at)
    moved[:, vertex[order]] = offset[:, order]
    on[vertex] = True
    return moved, on


def _fluid(level: Level, sign: Array, corners: Array, box: str) -> Array:
    """Which simplices (d+1, T) are fluid, by the signs at their corners (d, d+1, T), and whether their inside agrees."""
    d, count = len(corners), sign.shape[1]
    some = np.array([c for c in np.ndindex(*(5,) * d) if sum(c) < 5], dtype=float)
    weights = (np.column_stack([some, 4 - some.sum(axis=1)]) + 0.3) / (
        4 + 0.3 * (d + 1)
    )  # inside, near the corners too
    inside = level(np.einsum("pk,dkt->dpt", weights, corners).reshape(d, -1)).reshape(len(weights), count)
    up, down = (sign > 0).any(axis=0), (sign < 0).any(axis=0)
    fluid = np.where(up | down, up, level(corners.mean(axis=1)) > 0)
    wrong = np.where(fluid, inside < 0, inside > 0).mean(axis=0)
    unseen = (wrong > 0) & (sign != 0).all(axis=0)  # beside the surface it is only not fitted well
    if unseen.any():
        k = int(np.argmax(unseen))
        raise ValueError(_unseen(box, bool(fluid[k]), corners[:, :, k].mean(axis=1)))
    return fluid


def _unseen(box: str, obstacle: bool, where: Array) -> str:
    what = "an obstacle in the fluid" if obstacle else "fluid in the obstacle, or between two of them,"
    return f"{box} does not see {what} near {where.round(4).tolist()}: take a larger n"


def _neighbours(home: Array, index: Array, t: Array) -> tuple[Array, Array, Array]:
    """Pairs of simplices (2, F) that share one; how far the second is to be moved (d, F); facets of one alone."""
    d, count = len(t) - 1, t.shape[1]
    facets = np.concatenate([np.delete(t, k, axis=0) for k in range(d + 1)], axis=1)
    facets = np.take_along_axis(facets, np.argsort(home[facets], axis=0), axis=0)
    key = np.ravel_multi_index(tuple(home[facets]), (int(home.max()) + 1,) * d)
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, two = order[twice], order[twice + 1]
    lonely = np.ones(len(key), dtype=bool)
    lonely[one] = lonely[two] = False
    shift = index[:, facets[0, one]] - index[:, facets[0, two]]
    return np.array([one % count, two % count]), shift, facets[:, lonely]


def _refuse_pieces(neighbours: Array, shift: Array, count: int, periodic: tuple[bool, ...], box: str) -> None:
    """ValueError unless the fluid is one piece, and goes around the periodic box in as many directions as that is periodic."""
    (one, two), d = neighbours, len(shift)
    offset, known = np.zeros((d, count)), np.zeros(count, dtype=bool)
    known[0] = True  # which copy of its simplex a walk through the fluid from the first one meets
    while True:
        on, back = known[one] & ~known[two], known[two] & ~known[one]
        if not (on.any() or back.any()):
            break
        offset[:, two[on]] = offset[:, one[on]] + shift[:, on]
        offset[:, one[back]] = offset[:, two[back]] - shift[:, back]
        known[two[on]] = known[one[back]] = True
    if not known.all():
        raise ValueError(f"the fluid is in several pieces on {box}: fill pockets that nothing flows through (phi < 0)")
    loops = np.unique((offset[:, one] + shift - offset[:, two]).T, axis=0)
    if np.linalg.matrix_rank(loops) < sum(periodic):
        way = np.linalg.svd(np.vstack([loops, np.zeros((d, d))]))[2][-1]
        way = np.abs(way).round(3).tolist() if (way <= 0).all() else way.round(3).tolist()
        raise ValueError(
            f"no fluid passes along {way} on {box}: the obstacle touches its neighbour, or leaves a gap that a larger n would see"
        )


def _smoothed(
    level: Level,
    at: Array,
    moved: Array,
    home: Array,
    index: Array,
    t: Array,
    walls: Array,
    side: Array,
    h: float,
    slide: bool,
) -> Array:
    """Vertices in the means of their neighbours; those on the surface in the means of theirs there, and back onto it."""
    count = at.shape[1]
    wall = np.zeros(count, dtype=bool)
    wall[home[walls]] = True
    free = np.zeros(count, dtype=bool)
    free[home[t]] = True
    free &= ~wall & ~side

    def means(pairs: Array, along: Array, rows: Array) -> tuple[sparse.csr_matrix, Array]:
        both, vectors = np.hstack([pairs, pairs[::-1]]), np.hstack([along, -along]) * h / 2
        degree = np.maximum(np.bincount(both[0], minlength=count), 1)
        mean = sparse.csr_matrix((1 / degree[both[0]], both), shape=(count, count))
        start = np.array([np.bincount(both[0], v, minlength=count) for v in vectors]) / degree
        return mean[rows], start[:, rows]

    inner, start = means(*_edges(home, index, t), free)
    around, begin = means(*_edges(home, index, walls), wall)
    moved = moved.copy()
    for sweep in range(SWEEPS):
        moved[:, free] = (inner @ moved.T).T + start
        if slide and sweep < SWEEPS - 2:  # the last sweeps follow a surface that stands
            target = at[:, wall] + (around @ moved.T).T + begin
            moved[:, wall] = onto(level, target, h, steps=2 if sweep < SWEEPS - 3 else 5) - at[:, wall]
    return moved
