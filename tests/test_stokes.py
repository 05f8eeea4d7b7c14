"""Stokes cells: drag of arrays, symmetries, what is refused; Darcy flow through the same macro solver as heat."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass, replace
from multiprocessing import get_context

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core.closure import ask
from hmm_core.compare import resolve_pores
from hmm_core.micro.fitted import fitted_mesh, volumes
from hmm_core.micro.mixed import taylor_hood

# Drag D = F/(mu U) of a square array of cylinders (Sangani and Acrivos 1982, doi:10.1016/0301-9322(82)90029-5; recomputed)
DRAG = {0.1: 24.8316752, 0.2: 51.5269490, 0.4: 217.894315, 0.5: 532.548118}
# F/(6 pi mu a U) of a simple cubic array of spheres (Zick and Homsy 1982, doi:10.1017/S0022112082000627)
SPHERES = {0.125: 4.292, 0.216: 7.442}
SHIFT = np.array([0.31, -0.17])


def nearest(y, centre):
    """From the nearest copy of a centre to y."""
    z = y - np.reshape(centre, (-1, *(1,) * (y.ndim - 1)))
    return z - np.round(z)


def disk(radius, centre=(0.0, 0.0)):
    return lambda x, y: np.sqrt((nearest(y, centre) ** 2).sum(axis=0)) - radius


def ellipse(a, b, angle=0.0, centre=(0.0, 0.0)):
    def phi(x, y):
        z, (c, s) = nearest(y, centre), (np.cos(angle), np.sin(angle))
        return np.hypot((c * z[0] + s * z[1]) / a, (c * z[1] - s * z[0]) / b) - 1

    return phi


def union(*levels):
    return lambda x, y: np.minimum.reduce([phi(x, y) for phi in levels])


@dataclass(frozen=True)
class Bed:
    """Cylinders whose radius changes from layer to layer of the bed, or with x itself."""

    layers: int | None = None

    def radius(self, x):
        return 0.2 + 0.15 * (x if self.layers is None else (np.floor(self.layers * x) + 0.5) / self.layers)

    def __call__(self, x, y):
        return np.hypot(y[0], y[1]) - self.radius(x[0])


@dataclass(frozen=True)
class Graded:
    """Cylinders in the middle of their cells, wider to the right and, if so told, upwards."""

    across: float = 0.0

    def radius(self, x):
        return 0.15 + 0.15 * x[0] + self.across * x[1]

    def __call__(self, x, y):
        return np.sqrt((nearest(y, (0.5, 0.5)) ** 2).sum(axis=0)) - self.radius(x)


def permeability(phi, n=12, **kwargs):
    return hmm.StokesProblem(n=n, **kwargs).permeability(phi)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("c", DRAG)
def test_drag_of_a_square_array(c):
    K = permeability(disk(np.sqrt(c / np.pi)), n=16)
    np.testing.assert_allclose(K * DRAG[c], np.eye(2), atol=5e-4)
    assert abs(K[0, 1]) < 1e-10 and abs(K[0, 0] - K[1, 1]) < 1e-10 * K[0, 0]  # the mesh has the symmetry of the array


def test_order_of_convergence():
    """Quadratic velocities: the energy, of which K is made, at h^4; the obstacle's quadratic sides leave a little less."""
    n = np.array([8, 16, 32])
    error = [abs(permeability(disk(np.sqrt(0.2 / np.pi)), n=k)[0, 0] * DRAG[0.2] - 1) for k in n]
    slopes = -np.diff(np.log(error)) / np.log(2)
    assert (slopes > 3).all() and error[-1] < 3e-5


@pytest.mark.parametrize("c", SPHERES)
def test_drag_of_a_simple_cubic_array_of_spheres(c):
    radius = (3 * c / (4 * np.pi)) ** (1 / 3)
    solution = hmm.StokesProblem(dim=3, n=6).solve(disk(radius, (0, 0, 0)))
    drag = 1 / (6 * np.pi * radius * solution.permeability)[range(3), range(3)]
    np.testing.assert_allclose(drag, SPHERES[c], rtol=8e-3)
    assert abs(solution.porosity - 1 + c) < 2e-4 and solution.identity < 1e-9
    assert solution.flows[0].velocity.shape == (3, *solution.flows[0].points.shape)


def test_where_the_obstacle_stands_does_not_matter():
    rng = np.random.default_rng(4)
    for centre in rng.uniform(-0.5, 0.5, (4, 2)):
        K = permeability(disk(np.sqrt(0.2 / np.pi), centre), n=16)
        np.testing.assert_allclose(K * DRAG[0.2], np.eye(2), atol=4e-4)


def test_the_tensor_turns_with_the_array():
    """Turned by 45 degrees and smaller by 2^(1/2), an array of ellipses fits the square cell again, with two of them in it."""
    K = permeability(ellipse(0.4, 0.2), n=24)
    R, a, b = np.array([[1, -1], [1, 1]]) / np.sqrt(2), 0.4 / np.sqrt(2), 0.2 / np.sqrt(2)
    turned = permeability(union(ellipse(a, b, np.pi / 4), ellipse(a, b, np.pi / 4, (0.5, 0.5))), n=32)
    np.testing.assert_allclose(turned, R @ K @ R.T / 2, atol=4e-4 * K[0, 0])
    assert K[0, 0] > 2 * K[1, 1] and turned[0, 1] > 0.2 * turned[0, 0]  # it is easier along the ellipse
    quarter = permeability(ellipse(0.4, 0.2, np.pi / 2), n=24)
    np.testing.assert_allclose(quarter, K[::-1, ::-1], atol=1e-4 * K[0, 0])


def test_half_the_size_has_a_quarter_of_the_permeability():
    K, phi = permeability(ellipse(0.4, 0.25, 0.5), n=12), ellipse(0.4, 0.25, 0.5)
    fine = permeability(lambda x, y: phi(x, 2 * y), n=24)  # the same mesh, four times
    np.testing.assert_allclose(fine, K / 4, rtol=1e-7, atol=1e-7 * K[0, 0])


def test_overlapping_obstacles():
    r, gap = 0.2, 0.24
    one, both = disk(r, SHIFT), union(disk(r, SHIFT), disk(r, SHIFT + [gap, 0]))
    coarse, fine = (hmm.StokesProblem(n=n).solve(both) for n in (16, 32))
    lens = 2 * r**2 * np.arccos(gap / (2 * r)) - gap / 2 * np.sqrt(4 * r**2 - gap**2)
    assert abs(fine.porosity - 1 + 2 * np.pi * r**2 - lens) < 1e-3
    np.testing.assert_allclose(coarse.permeability, fine.permeability, atol=0.02 * fine.permeability[0, 0])
    lost = permeability(one, n=16) - fine.permeability  # a larger obstacle lets less through in every direction
    assert np.linalg.eigvalsh(lost).min() > 0.1 * fine.permeability[1, 1]


@pytest.mark.parametrize("n", [12, 32])
def test_a_mesh_that_cuts_an_obstacle_off_says_so(n):
    """A small cylinder between the vertices: cut to pieces by twelve cells per period, and well seen by thirty-two."""
    phi, problem = union(disk(0.15), disk(0.04, (0.33, 0.0))), hmm.StokesProblem(n=n)
    if n == 32:
        solution = problem.solve(phi)
        assert solution.misfit < 0.1
        assert solution.porosity == pytest.approx(1 - np.pi * (0.15**2 + 0.04**2), abs=1e-5)
    else:
        with pytest.warns(UserWarning, match=r"cuts off .* near \[0\.[34].*n=12"):
            assert problem.solve(phi).misfit > 0.3


@pytest.mark.parametrize("seed", range(6))
def test_symmetric_positive_definite_and_the_energy_identity(seed):
    rng = np.random.default_rng(seed)
    phi = ellipse(*rng.uniform(0.15, 0.35, 2), rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5, 2))
    solution = hmm.StokesProblem(n=12).solve(phi)
    K = solution.permeability
    np.testing.assert_array_equal(K, K.T)
    assert np.linalg.eigvalsh(K).min() > 0 and solution.identity < 1e-9


def test_the_fields_have_the_mean_that_the_tensor_says():
    solution = hmm.StokesProblem(n=16).solve(ellipse(0.35, 0.2, 0.4, SHIFT))
    flow = solution.flows[0]
    area = volumes(flow.points, flow.simplices) / 2
    assert np.abs(area).sum() == pytest.approx(solution.porosity, rel=1e-3)
    mean = (np.abs(area) * flow.velocity[:, :, flow.simplices].mean(axis=2)).sum(axis=-1)
    np.testing.assert_allclose(mean, solution.permeability, atol=0.02 * solution.permeability[0, 0])
    on_surface = np.abs(ellipse(0.35, 0.2, 0.4, SHIFT)(None, flow.points)) < 1e-9
    assert on_surface.sum() > 30 and not flow.velocity[..., on_surface].any()
    inside = ellipse(0.35, 0.2, 0.4, SHIFT)(None, flow.points) < -1e-9
    assert not inside.any()


def test_pressure_balances_the_force_where_nothing_moves():
    """A narrow gap between long obstacles: along it grad p = e, but for the viscous part; here only that it is centred."""
    solution = hmm.StokesProblem(n=12).solve(disk(0.3))
    p = solution.flows[0].pressure
    assert p.shape == (2, solution.flows[0].points.shape[1])
    np.testing.assert_allclose(p[0].max(), -p[0].min(), rtol=1e-8)  # odd about the cylinder


# ------------------------------------------------------------------ many points


def test_macro_points_are_one_problem_where_the_obstacles_are_equal():
    x = np.array([[0.1, 0.9, 0.1], [0.0, 0.5, 1.0]])[:, :, None]
    solution = hmm.StokesProblem(n=8).solve(Bed(), x)
    assert solution.permeability.shape == (2, 2, 3, 1) and solution.solves == 2 == len(solution.flows)
    np.testing.assert_array_equal(solution.cell, [[0], [1], [0]])
    for k in range(3):
        one = permeability(disk(Bed().radius(x[0, k, 0])), n=8)
        np.testing.assert_allclose(solution.permeability[:, :, k, 0], one, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(solution.porosity, 1 - np.pi * Bed().radius(x[0]) ** 2, rtol=1e-4)
    everywhere = hmm.StokesProblem(n=8).solve(disk(0.3), x, fields=False)
    assert everywhere.solves == 1 and everywhere.flows is None


def test_a_description_is_frozen_and_travels():
    problem = hmm.StokesProblem(n=8)
    with pytest.raises(FrozenInstanceError):
        problem.n = 9
    closure = hmm.PermeabilityClosure(Bed(), problem, mu=2.0)
    assert pickle.loads(pickle.dumps(closure)) == closure


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "phi, message",
    [
        (lambda x, y: 1 + 0 * y[0], "no obstacle .* infinite"),
        (lambda x, y: -1 + 0 * y[0], "fills the cell"),
        (disk(0.72), "fills the cell"),
        (disk(0.5), "no fluid passes along .* touches its neighbour"),
        (disk(0.52), "no fluid passes along"),
        (ellipse(0.55, 0.2), r"no fluid passes along \[0.0, 1.0\]"),
        (lambda x, y: np.abs(y[1]) - 0.2, r"no fluid passes along \[0.0, 1.0\]"),
        (lambda x, y: np.abs(np.hypot(y[0], y[1]) - 0.3) - 0.08, "several pieces"),
        (lambda x, y: np.where(np.hypot(y[0], y[1]) < 0.3, -1.0, 1.0), "jumps across zero"),
        (lambda x, y: np.where(y[0] > 0.2, np.nan, np.hypot(y[0], y[1]) - 0.3), "nan at x=.*must be finite"),
        (lambda x, y: np.hypot(y[0] - 0.3, y[1]) - 0.3, "not periodic"),
        (union(disk(0.2), disk(0.01, (0.33, 0.29))), "does not see an obstacle"),
        (union(disk(0.2), disk(0.025, (0.375, 0.375))), "does not see an obstacle"),
        (lambda x, y: np.hypot(y[0], y[1]) - 0.2 - 0.1 * x[0], "depends on x"),
        (lambda x, y: y, "returned shape"),
        (lambda x, y: np.hypot(y[0], y[1]) < 0.3, "bool"),
        (lambda x, y: y[0] + z, "NameError"),  # noqa: F821
    ],
)
def test_obstacles_that_are_refused(phi, message):
    with pytest.raises(ValueError, match=message):
        permeability(phi)


def test_the_message_names_the_macro_point():
    x = np.array([[0.2, 0.9], [0.5, 0.25]])
    with pytest.raises(ValueError, match="no fluid passes") as info:
        hmm.StokesProblem(n=8).permeability(lambda x, y: np.hypot(y[0], y[1]) - 0.6 * x[0], x)
    assert "0.9, 0.25" in info.value.__notes__[0]


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"dim": 1}, ValueError),
        ({"dim": 2.0}, TypeError),
        ({"n": 3}, ValueError),
        ({"n": True}, TypeError),
        ({"tol": 0.0}, ValueError),
        ({"tol": np.nan}, ValueError),
        ({"tol": "1e-8"}, TypeError),
    ],
)
def test_descriptions_that_are_refused(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        hmm.StokesProblem(**arguments)


def test_questions_that_are_refused():
    problem = hmm.StokesProblem(n=8)
    with pytest.raises(TypeError, match=r"phi=0\.3"):
        problem.permeability(0.3)
    for x, message in (
        (np.zeros((3, 2)), "dim=2"),
        (np.full((2, 1), np.nan), "finite"),
        (np.zeros((2, 0)), "no macro"),
    ):
        with pytest.raises(ValueError, match=message):
            problem.permeability(disk(0.3), x)
    with pytest.raises(hmm.ConvergenceError, match="tol=1e-13"):
        _solve_in_few_steps(replace(problem, tol=1e-13))


def _solve_in_few_steps(problem):
    from hmm_core.micro import mixed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed, "LIMIT", 3)
        problem.permeability(disk(0.3))


# ------------------------------------------------------------------ the mesh


@pytest.mark.parametrize("n", [5, 8, 13])
def test_the_mesh_covers_the_fluid_and_closes_around(n):
    phi = ellipse(0.4, 0.25, 0.7, SHIFT)
    fit = fitted_mesh(lambda y: phi(None, y), (n, n), (-0.5, -0.5), 1 / n, (True, True))
    assert volumes(fit.points, fit.simplices).min() > 0
    system = taylor_hood(fit)
    assert system.mass.sum() == pytest.approx(1 - np.pi * 0.1, abs=0.5 / n**4)
    constant = np.ones(len(system.load))  # in the periodic cell constants have no gradient and no divergence
    assert np.abs(system.stiffness @ constant).max() < 1e-12
    assert max(np.abs(b @ constant).max() for b in system.divergence) < 1e-14


def test_obstacles_keep_off_sides_that_are_not_periodic():
    with pytest.raises(ValueError, match="reaches a side that is not periodic"):
        fitted_mesh(lambda y: np.hypot(y[0], y[1]) - 0.3, (8, 8), (-0.2, -0.5), 1 / 8, (False, True))


# ------------------------------------------------------------------ Darcy


def darcy_basis(refinements=2):
    mesh = (
        skfem.MeshTri()
        .refined(refinements)
        .with_boundaries({"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1})
    )
    return hmm.macro_basis(mesh, skfem.ElementTriP1())


def test_layers_in_series():
    """-(K p')' = 0 through four layers: the pressure falls in each by q/K, so the velocity is the harmonic mean."""
    problem, mu, eps = hmm.StokesProblem(n=8), 0.5, 0.01
    closure = hmm.PermeabilityClosure(Bed(layers=4), problem, mu=mu, eps=eps)
    p = hmm.solve_elliptic(darcy_basis(), closure, source=0.0, dirichlet={"left": 1.0, "right": 0.0})
    assert p.micro_solves == 4
    K = [permeability(disk(r), n=8)[0, 0] for r in Bed(4).radius((np.arange(4) + 0.5) / 4)]
    velocity = -p.flux[0]
    np.testing.assert_allclose(velocity, eps**2 / mu / np.mean(1 / np.array(K)), rtol=1e-9)
    np.testing.assert_allclose(p.flux[1], 0, atol=1e-9 * velocity.max())
    profile = 1 - np.cumsum(1 / np.array(K)) / np.sum(1 / np.array(K))
    np.testing.assert_allclose(p.at(np.array([[0.25, 0.5, 0.75], [0.5, 0.25, 0.75]])), profile[:3], rtol=1e-9)


def test_darcy_flow_of_one_bed_is_the_constant_tensor():
    phi, problem = ellipse(0.35, 0.2, 0.6), hmm.StokesProblem(n=8)
    basis = darcy_basis(3)
    mine = hmm.solve_elliptic(basis, hmm.PermeabilityClosure(phi, problem), source=1.0)
    exact = hmm.solve_elliptic(basis, hmm.ExactClosure(problem.permeability(phi)), source=1.0)
    np.testing.assert_allclose(mine.u, exact.u, rtol=1e-9, atol=1e-12)
    assert mine.micro_solves == 1 and len(mine.history) <= 2


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_workers_give_the_same_numbers(pool):
    closure, basis = hmm.PermeabilityClosure(Bed(layers=4), hmm.StokesProblem(n=6)), darcy_basis()
    alone = hmm.solve_elliptic(basis, closure, source=1.0)
    make = ThreadPoolExecutor(2) if pool == "threads" else ProcessPoolExecutor(2, get_context("forkserver"))
    with make as executor:
        together = hmm.solve_elliptic(basis, closure, source=1.0, executor=executor)
    np.testing.assert_array_equal(together.u, alone.u)
    assert together.micro_solves == alone.micro_solves == 4  # equal obstacles go to one worker


def test_memory_spares_the_stokes_problems():
    closure, rng = hmm.PermeabilityClosure(Bed(layers=2), hmm.StokesProblem(n=6), mu=3.0), np.random.default_rng(1)
    x, u, grad = rng.random((2, 5)), rng.random(5), rng.standard_normal((2, 5))
    first = ask(closure, x, u, grad)
    again = ask(closure, x, u, 2 * grad, memory=first.memory)
    assert first.info["micro_solves"] == 2 and again.info["micro_solves"] == 0
    np.testing.assert_array_equal(again.flux, 2 * first.flux)
    np.testing.assert_allclose(first.flux, np.einsum("ijk,jk->ik", first.d_dgrad, grad), rtol=1e-14)
    K = hmm.StokesProblem(n=6).permeability(Bed(layers=2), x)
    np.testing.assert_allclose(first.d_dgrad, K / 3, rtol=1e-13)
    with pytest.raises(ValueError, match="memory"):
        closure(x[:, :3], u[:3], grad[:, :3], memory=first.memory)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"phi": 0.3}, TypeError),
        ({"stokes": hmm.CellProblem(n=8)}, TypeError),
        ({"mu": 0.0}, ValueError),
        ({"mu": np.inf}, ValueError),
        ({"mu": "water"}, TypeError),
        ({"eps": -1.0}, ValueError),
        ({"eps": True}, TypeError),
    ],
)
def test_closures_that_are_refused(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        hmm.PermeabilityClosure(**({"phi": Bed(), "stokes": hmm.StokesProblem(n=8)} | arguments))


def test_points_and_states_that_are_refused():
    closure = hmm.PermeabilityClosure(disk(0.3), hmm.StokesProblem(n=6))
    with pytest.raises(ValueError, match="3D"):
        closure(np.zeros((3, 1)), np.zeros(1), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="2 components"):
        closure(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((2, 2, 1)))


def filtration(closure, elements, rows=1):
    """Mean velocity from left to right of Darcy flow through the unit square, pressure 1 and 0, walls that let nothing pass."""
    mesh = skfem.MeshTri.init_tensor(np.linspace(0, 1, elements + 1), np.linspace(0, 1, rows + 1))
    mesh = mesh.with_boundaries({"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1})
    basis = hmm.macro_basis(mesh, skfem.ElementTriP1())
    p = hmm.solve_elliptic(basis, closure, source=0.0, dirichlet={"left": 1.0, "right": 0.0})
    return -(p.flux[0] * basis.dx).sum()


def by_radius(phi, n):
    """The same law, from the permeability as a function of the radius."""
    curve = hmm.permeability_curve(_disk_of, hmm.StokesProblem(n=n), 0.15, 0.3 + phi.across, tol=5e-3)
    return hmm.ExactClosure(lambda x: curve(phi.radius(x)))


def _disk_of(radius, y):
    return np.hypot(y[0], y[1]) - radius


# ------------------------------------------------------------------ all obstacles resolved


def test_a_row_of_equal_cylinders_is_the_cell_problem():
    """Pressure sides and slip walls are mirrors: two periods end to end are the periodic cell, whatever its size."""
    drop, mu, eps = 3.0, 0.5, 0.25
    flow = resolve_pores(disk(0.25, (0.5, 0.5)), eps, cells=(2, 1), n=12, pressures=(drop, 0.0), mu=mu)
    K = permeability(disk(0.25), n=12)[0, 0]
    assert flow.flux == pytest.approx(eps**2 * K / mu * drop / (2 * eps), rel=1e-4) and flow.identity < 1e-9
    assert flow.pressure.max() < 1.2 * drop and flow.pressure.min() > -0.2 * drop
    middle = np.abs(flow.points[0] - eps) < 1e-12
    np.testing.assert_allclose(flow.pressure[middle], drop / 2, rtol=1e-6)


def test_a_graded_row_approaches_darcy_flow_with_the_square_of_the_period():
    """Cells in series: the resolved bed sums mu/K over its obstacles, the midpoint rule of what Darcy's law integrates."""
    law = by_radius(Graded(), n=12)
    asked = filtration(hmm.PermeabilityClosure(Graded(), hmm.StokesProblem(n=12)), elements=6)
    assert asked == pytest.approx(filtration(law, elements=6), rel=1e-3)
    darcy = filtration(law, elements=128)
    error = np.array([resolve_pores(Graded(), 1 / N, (N, 1), n=12).flux * N**2 for N in (2, 4, 8)]) / darcy - 1
    assert (error > 0).all() and error[-1] < 4e-3
    ratio = error[:-1] / error[1:]
    assert (ratio > 3.3).all() and (ratio < 4.7).all()


def test_a_bed_of_eight_by_eight_graded_cylinders():
    """Radii from 0.15 to 0.4. Walls that hold the fluid back cost a layer of the width of the pores along them, O(eps)."""
    phi = Graded(across=0.1)
    darcy = filtration(by_radius(phi, n=8), elements=32, rows=32)
    slip = resolve_pores(phi, 1 / 8, (8, 8), n=8)
    assert abs(slip.flux * 64 / darcy - 1) < 4e-3 and slip.identity < 1e-8
    sticky = [resolve_pores(phi, 1 / N, (N, N), n=6, walls="no-slip").flux * N**2 / darcy - 1 for N in (2, 4)]
    assert -0.4 < sticky[0] < 0 and 1.7 < sticky[0] / sticky[1] < 2.1


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"eps": 0.0}, ValueError, "eps=0"),
        ({"n": 3}, ValueError, "n=3"),
        ({"n": 8.0}, TypeError, "n=8"),
        ({"cells": (0, 1)}, ValueError, "cells"),
        ({"mu": -1.0}, ValueError, "mu=-1"),
        ({"walls": "sticky"}, ValueError, "walls='sticky'"),
        ({"pressures": (1.0, 1.0)}, ValueError, "pressures"),
        ({"phi": disk(0.2)}, ValueError, "reaches a side"),
        ({"phi": lambda x, y: 1 + 0 * y[0]}, ValueError, "no obstacle"),
    ],
)
def test_beds_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        resolve_pores(**({"phi": Graded(), "eps": 0.5, "cells": (2, 1), "n": 6} | arguments))


# ------------------------------------------------------------------ a family of obstacles


def test_permeability_as_a_function_of_the_radius():
    curve = hmm.permeability_curve(_disk_of, hmm.StokesProblem(n=12), 0.15, 0.4, tol=1e-3)
    assert curve.error < 1e-3 and curve.solves == 17
    for c in (0.1, 0.2, 0.4, 0.5):
        np.testing.assert_allclose(curve(np.sqrt(c / np.pi)) * DRAG[c], np.eye(2), atol=1.2e-3)
    s = np.random.default_rng(3).uniform(0.15, 0.4, (3, 2))
    K = curve(s)
    assert K.shape == (2, 2, 3, 2) and pickle.loads(pickle.dumps(curve))(s).tolist() == K.tolist()
    np.testing.assert_allclose(K[0, 0, 1, 1], permeability(disk(s[1, 1]))[0, 0], rtol=1e-3)


def test_permeability_as_a_function_of_an_angle():
    curve = hmm.permeability_curve(
        lambda s, y: ellipse(0.35, 0.2, s)(None, y), hmm.StokesProblem(n=8), 0.0, np.pi, tol=2e-2
    )
    K = curve(np.array([0.7, np.pi - 0.7]))  # mirror images
    np.testing.assert_allclose(K[..., 1], K[..., 0] * [[1, -1], [-1, 1]], atol=2e-2 * K.max())
    assert np.linalg.eigvalsh(K[..., 0]).min() > 0
    np.testing.assert_allclose(K[..., 0], permeability(ellipse(0.35, 0.2, 0.7)), atol=2e-2 * K.max())


def test_families_that_are_refused(monkeypatch):
    problem = hmm.StokesProblem(n=6)
    with pytest.raises(ValueError, match="no fluid passes") as info:
        hmm.permeability_curve(_disk_of, problem, 0.2, 0.6)
    assert "s=0.6" in info.value.__notes__[0]
    with pytest.raises(ValueError, match="interval"):
        hmm.permeability_curve(_disk_of, problem, 0.4, 0.2)
    with pytest.raises(ValueError, match="tol=0"):
        hmm.permeability_curve(_disk_of, problem, 0.2, 0.3, tol=0.0)
    with pytest.raises(TypeError, match=r"phi=0\.3"):
        hmm.permeability_curve(0.3, problem, 0.2, 0.3)
    monkeypatch.setattr(hmm.family, "DEGREES", (4, 8))
    with pytest.raises(hmm.ConvergenceError, match=r"9 points.*n=6"):
        hmm.permeability_curve(_disk_of, problem, 0.2, 0.3, tol=1e-9)
    with pytest.raises(ValueError, match=r"s=0\.5 lies outside"):
        hmm.permeability_curve(_disk_of, problem, 0.2, 0.3, tol=0.1)(np.array([0.2, 0.5]))
