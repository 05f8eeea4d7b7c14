"""The loop of the dialogue: it remembers, it hears noise, it tells a refusal from a bug, it takes a time step; vectors."""

import os
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
import skfem
from scipy import stats
from skfem import ElementQuad2, ElementTetP1, ElementTriP1, ElementTriP2, ElementVector, MeshQuad, MeshTet, MeshTri
from skfem.helpers import grad

import hmm_core as hmm
from hmm_core import Answer, CellClosure, CellProblem, ConvergenceError, ExactClosure, macro_basis, solve_elliptic
from hmm_core.macro import Equations, converse

SIDES = {"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1}


def graded(x, y):
    return 2 + 0.5 * x[0] * np.cos(2 * np.pi * y[0]) + 0.3 * x[1] * np.sin(2 * np.pi * y[1])


def square(refinements=3):
    return macro_basis(MeshTri().refined(refinements), ElementTriP1())


def assembled(basis):
    """Mass, load of f = 1, and the free dofs of the unit square with U = 0 on its boundary."""
    mass = skfem.BilinearForm(lambda u, v, w: u * v).assemble(skfem.Basis(basis.mesh, basis.elem))
    load = skfem.LinearForm(lambda v, w: 1.0 * v).assemble(skfem.Basis(basis.mesh, basis.elem))
    return mass, load, basis.complement_dofs(basis.get_dofs())


# -- memory --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["fields", "start", "nothing"])
@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
def test_a_restart_from_a_solution_asks_nothing_twice(kind, keep):
    cell = CellProblem(n=4)
    closure, again = (
        CellClosure(graded, cell)
        if kind == "linear"
        else hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3), cell, keep=keep)
        for _ in range(2)
    )
    first = solve_elliptic(square(), closure, 1.0)
    second = solve_elliptic(square(), again, 1.0, initial=first)  # an equal closure, an equal space
    assert first.micro_solves >= 128 and second.micro_solves == 0 and len(second.history) <= 2
    np.testing.assert_array_equal(second.u, first.u)
    other = solve_elliptic(square(), CellClosure(graded, CellProblem(n=6)), 1.0, initial=first)
    assert other.micro_solves == 128  # what another closure remembers is not believed


def test_memory_of_another_mesh_is_not_used():
    closure = CellClosure(graded, CellProblem(n=4))
    first = solve_elliptic(square(2), closure, 1.0)
    mesh = MeshTri(square(2).mesh.p ** [[2], [1]], square(2).mesh.t)
    moved = solve_elliptic(macro_basis(mesh, ElementTriP1()), closure, 1.0, initial=first)
    assert moved.micro_solves == 32


def test_less_memory_costs_iterations_and_no_accuracy():
    law = hmm.laws.PowerLaw(graded, 3)
    solutions, sizes = {}, {}
    for keep in ("fields", "start", "nothing"):
        closure = hmm.NonlinearCellClosure(law, CellProblem(n=8), keep=keep)
        solutions[keep] = solve_elliptic(square(), closure, 1.0)
        sizes[keep] = sum(np.asarray(value).nbytes for value in solutions[keep].memory.values())
    effort = {keep: sum(turn.iterations for turn in solution.history) for keep, solution in solutions.items()}
    assert effort["fields"] < effort["start"] < effort["nothing"]
    assert sizes["fields"] > 3 * sizes["start"] > 9 * sizes["nothing"]
    for solution in solutions.values():
        assert solution.error(solutions["fields"], relative=True) < 1e-9
    with pytest.raises(ValueError, match="keep='half' is not one of 'fields', 'start', 'nothing'"):
        hmm.NonlinearCellClosure(law, CellProblem(n=8), keep="half")


# -- a time step is the same loop ----------------------------------------------------------------------------------------


def test_a_time_step_is_the_same_loop():
    """Implicit Euler for U_t - div(A grad U) = 1: M/dt is the extra matrix, and the second step asks no cell problem."""
    basis, dt = square(), 0.01
    mass, load, free = assembled(basis)
    closure = CellClosure(graded, CellProblem(n=6))
    u, memory, asked = basis.zeros(), None, []
    for _ in range(3):
        equations = Equations(basis, closure, mass / dt, load + mass @ u / dt, free)
        turn, history = converse(equations, u, memory)
        u, memory = turn.u, turn.answer.memory
        asked.append(sum(entry.micro_solves for entry in history))
    assert asked == [128, 0, 0]
    tensor = closure.cell.effective_tensor(graded, x=hmm.macro.restrict(basis, u).x).reshape(2, 2, -1, 1)
    stiffness = skfem.BilinearForm(lambda u, v, w: np.einsum("ij...,j...,i...", w.A, grad(u), grad(v))).assemble(
        basis, A=tensor
    )
    plain = basis.zeros()
    for _ in range(3):
        plain = skfem.solve(*skfem.condense(stiffness + mass / dt, load + mass @ plain / dt, I=free))
    np.testing.assert_allclose(u, plain, rtol=0, atol=1e-12)


def test_a_closure_may_take_the_time():
    basis = square()
    mass, load, free = assembled(basis)

    def warming(x, u, grad, t):
        return (1 + t) * grad, 0.0, (1 + t) * np.eye(2)

    turn, _ = converse(Equations(basis, warming, 0 * mass, load, free, t=1.5), basis.zeros())
    np.testing.assert_allclose(turn.u, solve_elliptic(basis, ExactClosure(2.5), 1.0).u, atol=1e-14)


# -- noise ---------------------------------------------------------------------------------------------------------------


@dataclass
class Noisy:
    """sigma = 2 grad U + noise, fresh with every question; the standard errors grow with x."""

    rng: np.random.Generator
    size: float = 1e-3
    asked: int = 0

    def __call__(self, x, u, grad):
        self.asked += 1
        stderr = self.size * (0.5 + x)
        return Answer(2 * grad + stderr * self.rng.standard_normal(grad.shape), 0.0, 2 * np.eye(2), stderr=stderr)


def test_a_noisy_closure_ends_in_its_noise_and_says_so():
    exact = solve_elliptic(square(), ExactClosure(2.0), 1.0)
    closure = Noisy(np.random.default_rng(1))
    solution = solve_elliptic(square(), closure, 1.0)
    last = solution.history[-1]
    assert closure.asked == len(solution.history) == 2
    assert 1e-10 < last.residual <= 2 * last.noise < 0.05
    assert exact.stderr is None and exact.history[-1].noise == 0
    assert 0 < np.linalg.norm(solution.u - exact.u) < 3 * np.linalg.norm(solution.stderr)
    assert not solution.stderr[solution.basis.get_dofs().flatten()].any()


def test_a_nonlinear_noisy_closure_converges_too():
    rng = np.random.default_rng(4)

    def law(x, u, grad):
        noise = 1e-4 * rng.standard_normal(grad.shape)
        tangent = (1 + u**2) * np.eye(2)[:, :, None]
        return Answer((1 + u**2) * grad + noise, 2 * u * grad, tangent, stderr=np.full(grad.shape, 1e-4))

    exact = solve_elliptic(
        square(), lambda x, u, g: ((1 + u**2) * g, 2 * u * g, (1 + u**2) * np.eye(2)[:, :, None]), 9.0
    )
    solution = solve_elliptic(square(), law, 9.0)
    assert len(solution.history) < 10
    assert np.abs(solution.u - exact.u).max() < 6 * solution.stderr.max()


def test_the_error_band_keeps_its_promise():
    """(U - exact)/stderr at one dof, over 400 seeds, is a standard normal number (false alarm: once in 10^4 seeds)."""
    basis = square(2)
    exact = solve_elliptic(basis, ExactClosure(2.0), 1.0).u
    middle = int(np.argmin(((basis.doflocs - 0.5) ** 2).sum(axis=0)))
    z = []
    for seed in range(400):
        solution = solve_elliptic(basis, Noisy(np.random.default_rng(seed), 0.01), 1.0)
        z.append((solution.u[middle] - exact[middle]) / solution.stderr[middle])
    assert stats.kstest(z, "norm").pvalue > 1e-4
    assert abs(np.mean(z)) < 4 / np.sqrt(400) and abs(np.std(z) - 1) < 0.15


def test_bad_standard_errors_are_refused():
    for stderr, message in (
        (-1.0, "not negative"),
        (np.nan, "stderr = "),
        (np.ones(3), "stderr has shape"),
        (1j, "real"),
    ):
        with pytest.raises(ValueError, match=message):
            solve_elliptic(square(1), lambda x, u, g, s=stderr: Answer(g, 0 * g, np.eye(2)[:, :, None], s), 1.0)


# -- refusals and bugs ---------------------------------------------------------------------------------------------------


@dataclass
class Fragile:
    """A closure with a bug, or one that refuses, for states above a limit; it counts how often it is asked."""

    error: type[Exception]
    asked: list = field(default_factory=list)

    def __call__(self, x, u, grad):
        self.asked.append(u.max())
        if u.max() > 0.05:
            raise self.error("no such state")
        return (1 + 1e3 * u**2) * grad, 2e3 * u * grad, (1 + 1e3 * u**2) * np.eye(2)[:, :, None]


def test_a_refused_state_shortens_the_step():
    closure = Fragile(hmm.RefusedState)
    solution = solve_elliptic(square(), closure, 1.0)
    assert max(closure.asked) > 0.05 > solution.u.max() and solution.history[-1].residual < 1e-10


@pytest.mark.parametrize("error", [ValueError, TypeError, ZeroDivisionError])
def test_a_bug_surfaces_at_once(error):
    closure = Fragile(error)
    with pytest.raises(error, match="no such state"):
        solve_elliptic(square(), closure, 1.0)
    assert len(closure.asked) == 2


def test_a_bug_in_a_law_is_met_once():
    calls = []

    def law(x, y, u, xi):
        calls.append(float(np.abs(xi).max()))
        if calls[-1] > 0:
            raise KeyError("colour")
        return xi, 0 * xi, 1 + 0 * xi[0]

    with pytest.raises(ValueError, match="KeyError: 'colour'"):
        solve_elliptic(square(1), hmm.NonlinearCellClosure(law, CellProblem(n=4)), 1.0)
    assert sum(size > 0 for size in calls) == 1


def test_the_first_state_may_be_refused():
    with pytest.raises(hmm.RefusedState, match="no such state"):
        solve_elliptic(square(), Fragile(hmm.RefusedState), 1.0, initial=1.0)
    with pytest.raises(ConvergenceError, match="refused a state: not here"):
        solve_elliptic(square(), _never_again, 1.0)


def test_giving_up_before_the_first_step():
    """A coarse answer says that the forces balance, a finer one that they do not, and no step is left."""

    def coarse_then_fine(x, u, grad, tol):
        k = 1 + (tol < 1e-3) * x[0]
        return Answer(k * grad, 0.0, k * np.eye(2)[:, :, None], info={"tol": tol})

    with pytest.raises(ConvergenceError, match="in 0 updates") as failure:
        solve_elliptic(square(), coarse_then_fine, 0.0, lambda x: x[0], initial=lambda x: x[0], max_iter=1)
    assert len(failure.value.unfinished.history) == 2
    solution = solve_elliptic(square(), coarse_then_fine, 0.0, lambda x: x[0], initial=lambda x: x[0])
    assert solution.history[-1].residual < 1e-10


def _never_again(x, u, grad):
    if grad.any():
        raise hmm.RefusedState("not here")
    return grad, 0.0, np.eye(2)


# -- vectors -------------------------------------------------------------------------------------------------------------


def decoupled(first, second):
    """Two scalar tensors (2, 2) as a law for two components."""
    A = np.zeros((2, 2, 2, 2))
    A[0, :, 0], A[1, :, 1] = first, second
    return A


FIRST, SECOND = np.array([[2.0, 0.3], [-0.1, 1.0]]), np.array([[1.0, -0.2], [0.4, 3.0]])


@pytest.mark.parametrize(
    ("mesh", "element"), [(MeshTri, ElementTriP2), (MeshQuad, ElementQuad2), (MeshTri, ElementTriP1)]
)
def test_two_components_without_coupling_are_two_scalars(mesh, element):
    mesh = mesh().refined(3).with_boundaries(SIDES)
    vector = solve_elliptic(
        macro_basis(mesh, ElementVector(element())),
        ExactClosure(lambda x: decoupled(FIRST, SECOND)[..., None] * (1 + x[0])),
        lambda x: np.array([np.sin(3 * x[1]), 1 + x[0]]),
        {"left": np.array([1.0, -2.0])},
        robin={"right": (2.0, np.array([0.0, 3.0]))},
    )
    points = np.random.default_rng(1).random((2, 20))
    for k, (A, f, left, outside) in enumerate(
        ((FIRST, lambda x: np.sin(3 * x[1]), 1.0, 0.0), (SECOND, lambda x: 1 + x[0], -2.0, 3.0))
    ):
        scalar = solve_elliptic(
            macro_basis(mesh, element()),
            ExactClosure(lambda x, A=A: A[:, :, None] * (1 + x[0])),
            f,
            {"left": left},
            robin={"right": (2.0, outside)},
        )
        np.testing.assert_allclose(vector.at(points)[k], scalar.at(points), rtol=0, atol=1e-11)
        np.testing.assert_allclose(vector.gradient_at(points)[k], scalar.gradient_at(points), rtol=0, atol=1e-10)
        np.testing.assert_allclose(vector.flux[k], scalar.flux, rtol=0, atol=1e-10)


def waves(x, y):
    return 2 + x[0] * np.cos(2 * np.pi * y[0])


def ripples(x, y):
    return 3 + x[1] * np.sin(2 * np.pi * y[1]) + 0 * y[0]


def both(x, y):
    eye = np.eye(2)[..., None, None]
    first, second = waves(x, y) * eye, ripples(x, y) * eye
    A = np.zeros((2, 2, 2, 2, *first.shape[2:]))
    A[0, :, 0], A[1, :, 1] = first, second
    return A


@pytest.mark.parametrize("element", [ElementTriP1, ElementTriP2])
def test_cell_problems_of_two_components_without_coupling(element):
    """Cell closure, reconstruction and memory of a vector are those of two scalars."""
    mesh, cell, eps = MeshTri().refined(2), CellProblem(n=8), 0.1
    vector = solve_elliptic(macro_basis(mesh, ElementVector(element())), CellClosure(both, cell), np.array([1.0, -2.0]))
    points = np.random.default_rng(1).random((2, 20))
    for k, (a, f) in enumerate(((waves, 1.0), (ripples, -2.0))):
        scalar = solve_elliptic(macro_basis(mesh, element()), CellClosure(a, cell), f)
        np.testing.assert_allclose(vector.at(points)[k], scalar.at(points), rtol=0, atol=1e-9)
        fine = vector.reconstruct(points, eps)[k]
        np.testing.assert_allclose(fine, scalar.reconstruct(points, eps), rtol=0, atol=1e-7)
        assert np.abs(fine - vector.at(points)[k]).max() > 1e-4
    again = solve_elliptic(vector.basis, vector.closure, np.array([1.0, -2.0]), initial=vector)
    assert again.micro_solves == 0


@pytest.mark.parametrize(
    ("mesh", "element"), [(MeshTri, ElementTriP1), (MeshTet, ElementTetP1), (MeshQuad, ElementQuad2)]
)
def test_patch_of_an_isotropic_solid(mesh, element):
    """Linear displacements solve any homogeneous problem; norms and flux by hand. Rotations feel nothing."""
    basis = macro_basis(mesh().refined(2), ElementVector(element()))
    d = basis.mesh.dim()
    eye = np.eye(d)
    C = (
        1.5 * np.einsum("ij,kl->ijkl", eye, eye)
        + np.einsum("ik,jl->ijkl", eye, eye)
        + np.einsum("il,jk->ijkl", eye, eye)
    )
    slope = np.random.default_rng(2).standard_normal((d, d))
    solution = solve_elliptic(basis, ExactClosure(C), 0.0, lambda x: slope @ x)
    stress = np.einsum("ijkl,kl->ij", C, slope)
    np.testing.assert_allclose(solution.flux, np.broadcast_to(stress[..., None, None], solution.flux.shape), atol=1e-11)
    zero = type(solution)(0 * solution.u, basis, (), 0, 0 * solution.flux, solution.closure)
    gradient = lambda x: np.repeat(slope[..., None], x.shape[1], axis=2)  # noqa: E731
    assert zero.error(solution, "H1-semi") == pytest.approx(np.linalg.norm(slope))
    energy = zero.error(lambda x: slope @ x, "energy", gradient=gradient, tensor=C)
    assert energy == pytest.approx(np.sqrt((stress * slope).sum()))
    spin = slope - slope.T
    assert np.abs(solve_elliptic(basis, ExactClosure(C), 0.0, lambda x: spin @ x).flux).max() < 1e-11


def test_a_law_of_vectors_that_follows_the_state():
    """A plain function with all derivatives: sigma = (1 + |u|^2) grad u; Newton squares its residual."""

    def law(x, u, grad):
        k, eye = 1 + (u * u).sum(axis=0), np.eye(4).reshape(2, 2, 2, 2, 1)
        return k * grad, 2 * grad[:, :, None] * u, k * eye

    basis = macro_basis(MeshTri().refined(3), ElementVector(ElementTriP1()))
    solution = solve_elliptic(basis, law, np.array([4.0, -6.0]))
    residuals = [turn.residual for turn in solution.history]
    assert all(after < 20 * before**2 + 1e-13 for before, after in pairwise(residuals))
    swapped = solve_elliptic(basis, law, np.array([-6.0, 4.0]))
    np.testing.assert_allclose(swapped.at([0.4, 0.3]), solution.at([0.4, 0.3])[::-1], rtol=1e-9)
    picard = solve_elliptic(basis, law, np.array([4.0, -6.0]), method="picard")
    np.testing.assert_allclose(picard.u, solution.u, atol=1e-8)


def test_what_vectors_refuse():
    basis = macro_basis(MeshTri().refined(1), ElementVector(ElementTriP1()))
    for source in (np.ones(3), lambda x: x[0]):
        with pytest.raises(ValueError, match="source returned shape"):
            solve_elliptic(basis, ExactClosure(1.0), source)
    with pytest.raises(ValueError, match="positive definite"):
        solve_elliptic(basis, ExactClosure(decoupled(FIRST, -SECOND)), 1.0)
    with pytest.raises(ValueError, match="d_dgrad has shape"):
        solve_elliptic(basis, lambda x, u, g: (g, 0.0, np.eye(2)), 1.0)


# -- files ---------------------------------------------------------------------------------------------------------------


def test_vectors_are_saved_as_vectors_and_tensors(tmp_path):
    meshio = pytest.importorskip("meshio")
    basis = macro_basis(MeshTri().refined(2), ElementVector(ElementTriP1()))
    slope = np.array([[1.0, 2.0], [3.0, 4.0]])
    solve_elliptic(basis, ExactClosure(1.0), 0.0, lambda x: slope @ x).save(tmp_path / "u.vtu")
    found = meshio.read(tmp_path / "u.vtu")
    np.testing.assert_allclose(found.point_data["U"][:, :2], found.points[:, :2] @ slope.T, atol=1e-13)
    flux = np.concatenate(found.cell_data["flux"]).reshape(-1, 3, 3)
    np.testing.assert_allclose(flux[:, :2, :2], np.broadcast_to(slope, (len(flux), 2, 2)), atol=1e-12)


@pytest.mark.parametrize("suffix", [".vtu", ".xdmf"])
def test_a_full_disk_leaves_the_older_file_as_it_was(tmp_path, monkeypatch, suffix):
    meshio = pytest.importorskip("meshio")
    solution, path = solve_elliptic(square(1), ExactClosure(1.0), 1.0), tmp_path / f"u{suffix}"
    solution.save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(path, mesh, **options):
        path.write_bytes(b"half of")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(meshio, "write", full)
    with pytest.raises(OSError, match=os.strerror(28)):
        solution.save(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_covariance_of_the_residual():
    """noise() against residuals drawn at random."""
    basis = macro_basis(MeshTri().refined(1), ElementTriP2())
    rng, points = np.random.default_rng(3), hmm.macro.restrict(basis, basis.zeros()).x
    stderr = rng.random(points.shape)
    forces = hmm.macro.dialogue.noise(basis, stderr)
    drawn = []
    for _ in range(2000):
        flux = stderr * rng.standard_normal(points.shape)
        answer = Answer(flux, 0 * flux, np.eye(2)[:, :, None] + 0 * flux[0])
        drawn.append(hmm.macro.reconstruct(basis, answer)[0])
    expected = np.sqrt(np.asarray(forces.power(2).sum(axis=1)).ravel())
    np.testing.assert_allclose(np.std(drawn, axis=0), expected, rtol=0.12)
