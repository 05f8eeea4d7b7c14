"""Nonlinear solids: laws with their tangents, cells at small and finite strain, and structures made of them."""

import itertools
import pickle
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg
import skfem
from scipy.linalg import eigh
from scipy.optimize import root

import hmm_core as hmm
from hmm_core import laws, media
from hmm_core.micro.finite import least_stiffness
from hmm_core.micro.grid import FourierGrid, Q1Grid
from hmm_core.micro.nonlinear import solve_nonlinear

TWO_PI = 2 * np.pi


def cos(t):
    return np.cos(TWO_PI * t)


def wavy(x, y):
    return (2 + cos(y[0])) * (1.5 + cos(y[1])) / 2


HARD = laws.RambergOsgood(
    E=media.inclusion(10, 1, radius=0.3), nu=0.3, yield_stress=media.inclusion(1.0, 0.01, radius=0.3), n=5
)
RUBBER = laws.NeoHookean(E=media.inclusion(10, 1, radius=0.3), nu=0.3)
SMOOTH = laws.NeoHookean(E=wavy, nu=0.3)
LAWS = {"hardening": (HARD, 0.02), "rubber": (RUBBER, 0.15)}
CELLS = {
    "periodic": {},
    "dirichlet": {"bc": "dirichlet"},
    "neumann": {"bc": "neumann"},
    "window": {"bc": "dirichlet", "size": 1.4, "window": ("smooth", 2)},
    "buffer": {"size": 1.3, "buffer": 0.25},
    "flux alone": {"bc": "dirichlet", "average": "flux", "buffer": 0.3},
}
OPEN = [(law, name) for law in LAWS for name in CELLS if (law, name) != ("rubber", "neumann")]


def states(d, scale, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((d, count)), np.zeros((d, count)), scale * rng.standard_normal((d, d, count))


def rotation(d, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    return Q * np.sign(np.linalg.det(Q)) ** (np.arange(d) == 0)


def at(law, xi):
    """Stress and tangent of a homogeneous law at gradients (d, d, K)."""
    d, count = xi.shape[1:]
    j, _, tangent = law(np.zeros((d, count, 1)), np.zeros((d, 1, 1)), np.zeros((d, count, 1)), xi[..., None])
    return j[..., 0], tangent[..., 0]


def differences(respond, xi, step=1e-6):
    """d stress (d, d, K)/d xi by central differences, (d, d, d, d, K)."""
    d = len(xi)
    units = step * np.eye(d * d).reshape(d * d, d, d, 1)
    columns = [(respond(xi + e) - respond(xi - e)) / (2 * step) for e in units]
    return np.stack(columns, axis=2).reshape(*(d,) * 4, -1)


# -- laws ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", (2, 3))
@pytest.mark.parametrize("law, scale", ((laws.NeoHookean(3, 0.3), 0.2), (laws.RambergOsgood(3, 0.3, 0.02, 4), 0.05)))
def test_tangents_of_laws(law, scale, dim):
    xi = states(dim, scale, 20)[2]
    _, tangent = at(law, xi)
    np.testing.assert_allclose(tangent, differences(lambda g: at(law, g)[0], xi), atol=1e-7 * np.abs(tangent).max())
    np.testing.assert_allclose(tangent, tangent.transpose(2, 3, 0, 1, 4), atol=1e-13 * np.abs(tangent).max())


@pytest.mark.parametrize("dim", (2, 3))
def test_solids_at_small_strain_are_hookean(dim):
    C, xi = media.stiffness(3, 0.3, dim=dim), states(dim, 1e-7, 5)[2]
    for law in (laws.NeoHookean(3, 0.3), laws.RambergOsgood(3, 0.3, 1.0, 5)):
        j, tangent = at(law, np.concatenate([xi, 0 * xi[..., :1]], axis=-1))
        np.testing.assert_allclose(j[..., :-1], np.einsum("ijkl,klp->ijp", C, xi), rtol=1e-5, atol=1e-12)
        np.testing.assert_allclose(tangent[..., -1], C, atol=1e-14)
    plastic = laws.RambergOsgood(3, 0.3, 1.0, 1, alpha=0.5)  # n = 1: softer in shape, not in volume
    mu, K = 1 / (2 * 1.3 / 3 + 3 * 0.5 / 3), 1 / 0.4
    np.testing.assert_allclose(at(plastic, 1e4 * xi)[1][..., 0], media.stiffness(lam=K - 2 * mu / 3, mu=mu, dim=dim))


def test_uniaxial_tension_is_what_ramberg_and_osgood_wrote():
    E, nu, yielding, n, alpha = 200.0, 0.3, 0.4, 7.0, 3 / 7
    for sigma in (1e-3, 0.1, 0.4, 1.0, 1.5):
        plastic = alpha * yielding / E * (sigma / yielding) ** n
        strain = np.diag([sigma / E + plastic, *[-nu * sigma / E - plastic / 2] * 2])
        j, _ = at(laws.RambergOsgood(E, nu, yielding, n, alpha), strain[..., None])
        np.testing.assert_allclose(j[..., 0], np.diag([sigma, 0, 0]), atol=1e-11 * sigma)


@pytest.mark.parametrize("dim", (2, 3))
def test_a_rubber_does_not_care_from_where_it_is_seen(dim):
    law, R = laws.NeoHookean(3, 0.3), rotation(dim)
    F = np.eye(dim)[..., None] + states(dim, 0.2, 10)[2]
    P, turned = (at(law, G - np.eye(dim)[..., None])[0] for G in (F, np.einsum("ij,jkp->ikp", R, F)))
    np.testing.assert_allclose(turned, np.einsum("ij,jkp->ikp", R, P), atol=1e-13)
    np.testing.assert_allclose(at(law, (R - np.eye(dim))[..., None])[0], 0, atol=1e-14)
    cauchy = np.einsum("ijp,kjp->ikp", P, F)
    np.testing.assert_allclose(cauchy, cauchy.swapaxes(0, 1), atol=1e-13)  # no torque
    inverted = np.diag([-1.5] + [0.0] * (dim - 1))[..., None]
    assert np.isnan(at(law, inverted)[0]).all()


def test_equibiaxial_stretch():
    """P of a homogeneous stretch s in the plane: mu (s - 1/s) + 2 lam ln(s)/s."""
    s, mu, lam = 1.7, 3 / 2.6, 3 * 0.3 / (1.3 * 0.4)
    P, _ = at(laws.NeoHookean(3, 0.3), ((s - 1) * np.eye(2))[..., None])
    np.testing.assert_allclose(P[..., 0], (mu * (s - 1 / s) + 2 * lam * np.log(s) / s) * np.eye(2), rtol=1e-14)


@pytest.mark.parametrize("method", ("complex-step", "differences"))
def test_derivatives_from_the_stress_alone(method):
    """A law of vectors that depends on U too."""

    def j(x, y, u, xi):
        strain = (xi + np.swapaxes(xi, 0, 1)) / 2
        return wavy(x, y) * (1 + (strain * strain).sum(axis=(0, 1))) * strain + u[0] ** 2 * u[:, None] * cos(y[1])

    rng = np.random.default_rng(0)
    x, y, u, xi = (
        rng.random((2, 3, 1)),
        rng.random((2, 1, 5)),
        rng.normal(size=(2, 3, 1)),
        rng.normal(size=(2, 2, 3, 5)),
    )
    _, d_du, d_dxi = laws.WithDerivatives(j, method)(x, y, u, xi)
    assert d_du.shape == (2, 2, 2, 3, 5) and d_dxi.shape == (2, 2, 2, 2, 3, 5)
    strain, one = (xi + xi.swapaxes(0, 1)) / 2, np.eye(2)
    both = (np.einsum("ik,jl->ijkl", one, one) + np.einsum("il,jk->ijkl", one, one)) / 2
    exact = (1 + (strain * strain).sum(axis=(0, 1))) * both[..., None, None] + 2 * strain[:, :, None, None] * strain
    np.testing.assert_allclose(d_dxi, wavy(x, y) * exact, rtol=1e-8, atol=1e-8)
    by_u = np.einsum("ik,p->ikp", one, u[0, :, 0] ** 2) + 2 * np.einsum("ip,p,k->ikp", u[..., 0], u[0, :, 0], one[0])
    np.testing.assert_allclose(
        d_du, by_u[:, None, :, :, None] * cos(y[1]) + np.zeros((2, 1, 1, 1)), rtol=1e-7, atol=1e-8
    )


# -- cells -----------------------------------------------------------------------------------------------------------------


def linear(medium):
    return lambda x, y, u, xi: (np.einsum("ijkl...,kl...->ij...", medium(x, y) + 0 * xi[0, 0], xi), 0.0, medium(x, y))


@pytest.mark.parametrize("dim", (2, 3))
@pytest.mark.parametrize("options", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("rotations", (False, True))
def test_a_linear_law_is_a_linear_cell_problem(rotations, options, dim):
    """Of strains, and of whole gradients where the medium resists rotations too."""
    cell = hmm.CellProblem(dim=dim, n=6 if dim == 2 else 4, tol=1e-9, **options)
    extra = np.eye(dim * dim).reshape(*(dim,) * 4, 1, 1) * (0.5 if rotations else 0.0)

    def medium(x, y):
        return media.stiffness(E=wavy(x, y), nu=0.3, dim=dim) + extra

    x, u, grad = states(dim, 1.0, 2)
    micro = solve_nonlinear(cell, linear(medium), x, u, grad)
    tensor = cell.effective_tensor(medium)
    np.testing.assert_allclose(micro.d_dgrad, np.repeat(tensor[..., None], 2, axis=-1), atol=1e-7)
    np.testing.assert_allclose(micro.flux, np.einsum("ijkl,klp->ijp", tensor, grad), atol=1e-7)
    assert micro.d_du.shape == (dim, dim, dim, 2) and not micro.d_du.any() and micro.newton.max() <= 8


@pytest.mark.parametrize("law, name", OPEN)
def test_tangent_against_differences(law, name):
    law, scale = LAWS[law]
    cell = hmm.CellProblem(n=8, tol=1e-11, **CELLS[name])
    x, u, grad = states(2, scale)
    micro = solve_nonlinear(cell, law, x, u, grad)
    found = differences(lambda g: solve_nonlinear(cell, law, x, u, g).flux, grad, 1e-5 * scale)
    np.testing.assert_allclose(micro.d_dgrad, found, atol=1e-6 * np.abs(found).max())
    if cell.buffer == 0 and cell.window == "box":
        np.testing.assert_allclose(
            micro.d_dgrad, micro.d_dgrad.transpose(2, 3, 0, 1, 4), atol=1e-8 * np.abs(found).max()
        )


@pytest.mark.parametrize("law", LAWS)
def test_tangent_against_differences_in_space_and_by_fourier(law):
    law, scale = LAWS[law]
    solid = {"n": 4, "dim": 3}, type(law)(**vars(law) | {"E": media.inclusion(10, 1, radius=0.3, shape="sphere")})
    smooth = {"n": 8, "scheme": "fourier"}, type(law)(**vars(law) | {"E": wavy})
    for options, made in (solid, smooth):
        one = made if law is RUBBER else type(law)(**vars(made) | {"yield_stress": 0.02})
        cell = hmm.CellProblem(**options, tol=1e-10)
        x, u, grad = states(cell.dim, scale / 2, 1)
        micro = solve_nonlinear(cell, one, x, u, grad)
        respond = partial(solve_nonlinear, cell, one, x, u)
        found = differences(lambda g, respond=respond: respond(g).flux, grad, 1e-5 * scale)
        np.testing.assert_allclose(micro.d_dgrad, found, atol=1e-6 * np.abs(found).max())


@pytest.mark.parametrize("name", CELLS)
def test_a_flux_that_follows_the_value(name):
    """d sigma/dU of a field of two components: two fields more."""

    def law(x, y, u, xi):
        strain = (xi + xi.swapaxes(0, 1)) / 2
        kick = np.stack([[cos(y[0]), 0.3 + 0 * y[0]], [0.2 + cos(y[1]), cos(y[0] - y[1])]])
        C = media.stiffness(E=wavy(x, y), nu=0.3) + 0.2 * np.eye(4).reshape(2, 2, 2, 2, 1, 1)
        d_du = np.stack([kick * (1 + 2 * u[1]), kick * 2 * u[0]], axis=2)
        return (
            np.einsum("ijkl...,kl...->ij...", C + 0 * xi[0, 0], xi) + kick * (u[0] + 2 * u[0] * u[1]) + 0 * strain,
            d_du,
            C,
        )

    cell = hmm.CellProblem(n=6, tol=1e-10, **CELLS[name])
    x, _, grad = states(2, 1.0, 2)
    u = np.array([[0.3, -0.2], [0.5, 0.1]])
    micro = solve_nonlinear(cell, law, x, u, grad)
    for k, step in enumerate(1e-4 * np.eye(2)[:, :, None]):
        above, below = (solve_nonlinear(cell, law, x, u + s * step, grad).flux for s in (1, -1))
        np.testing.assert_allclose(micro.d_du[:, :, k], (above - below) / 2e-4, atol=1e-6)
    again = solve_nonlinear(cell, law, x, u, grad, memory=micro.memory)
    assert not again.newton.any()
    near = solve_nonlinear(cell, law, x, u + 0.01, grad + 0.01, memory=micro.memory)
    fresh = solve_nonlinear(cell, law, x, u + 0.01, grad + 0.01)
    np.testing.assert_allclose(near.flux, fresh.flux, atol=1e-8)
    assert near.newton.max() <= fresh.newton.max()


@pytest.mark.parametrize("law, name", OPEN)
def test_a_homogeneous_deformation(law, name):
    one = {"hardening": laws.RambergOsgood(3, 0.3, 0.02, 4), "rubber": laws.NeoHookean(3, 0.3)}[law]
    x, u, grad = states(2, LAWS[law][1])
    micro = solve_nonlinear(hmm.CellProblem(n=4, tol=1e-10, **CELLS[name]), one, x, u, grad)
    flux, tangent = at(one, grad)
    np.testing.assert_allclose(micro.flux, flux, atol=1e-9)
    np.testing.assert_allclose(micro.d_dgrad, tangent, atol=1e-8)


@pytest.mark.parametrize("law", ("hardening", "rubber"))
def test_layers(law):
    """Each layer deforms homogeneously: along the normal such that the tractions agree. Solved by hand, met to round-off."""
    f, make = (
        0.25,
        {
            "hardening": lambda E: laws.RambergOsgood(E=E, nu=0.3, yield_stress=0.02, n=4),
            "rubber": lambda E: laws.NeoHookean(E=E, nu=0.3),
        }[law],
    )
    stiff, soft, layers = make(10.0), make(1.0), make(media.laminate((10.0, 1.0), (f, 1 - f)))
    _, _, grad = states(2, LAWS[law][1], 1)

    def split(a):
        jump = np.array([[a[0], 0], [a[1], 0]])[..., None]
        return grad + (1 - f) * jump, grad - f * jump

    def gap(a):
        return (at(stiff, split(a)[0])[0] - at(soft, split(a)[1])[0])[:, 0, 0]

    found = root(gap, [0.0, 0.0], tol=1e-14)
    first, second = split(found.x)
    expected = f * at(stiff, first)[0] + (1 - f) * at(soft, second)[0]
    micro = solve_nonlinear(hmm.CellProblem(n=8, tol=1e-12), layers, np.zeros((2, 1)), np.zeros((2, 1)), grad)
    np.testing.assert_allclose(micro.flux, expected, atol=1e-10)
    xi = micro.memory["load"][:, 0]
    w = micro.corrector(hmm.CellProblem(n=8))[0]
    slope = (w[:, 1, 0] - w[:, 0, 0]) * 8
    symmetric = law == "hardening"
    assert xi.shape == ((3,) if symmetric else (4,)) and w.shape == (2, 9, 9)
    here = (second if media.laminate((10.0, 1.0), (f, 1 - f))(None, np.array([-0.45, 0.0])) == 1 else first)[:, 0, 0]
    fluctuation = here - grad[:, 0, 0]
    np.testing.assert_allclose(slope, fluctuation, atol=1e-8)


@pytest.mark.parametrize("bc", ("periodic", "dirichlet"))
def test_a_composite_does_not_care_from_where_it_is_seen(bc):
    cell, R = hmm.CellProblem(n=8, bc=bc, tol=1e-11), rotation(2)
    x, u, grad = states(2, 0.1)
    one = np.eye(2)[..., None]
    seen = np.einsum("ij,jkp->ikp", R, grad + one) - one
    P, turned = (solve_nonlinear(cell, RUBBER, x, u, g) for g in (grad, seen))
    np.testing.assert_allclose(turned.flux, np.einsum("ij,jkp->ikp", R, P.flux), atol=1e-9)
    np.testing.assert_allclose(
        turned.d_dgrad, np.einsum("ai,ck,ijklp->ajclp", R, R, P.d_dgrad), atol=1e-8 * np.abs(P.d_dgrad).max()
    )
    cauchy = np.einsum("ijp,kjp->ikp", P.flux, grad + one)
    np.testing.assert_allclose(cauchy, cauchy.swapaxes(0, 1), atol=1e-8)  # the mean exerts no torque either
    rest = solve_nonlinear(cell, RUBBER, x, u, np.repeat((R - np.eye(2))[..., None], 3, axis=-1))
    np.testing.assert_allclose(rest.flux, 0, atol=1e-10)
    np.testing.assert_allclose(
        rest.d_dgrad[..., 0],
        np.einsum("ai,ck,ijkl->ajcl", R, R, cell.effective_tensor(lambda x, y: media.stiffness(RUBBER.E(x, y), 0.3))),
        atol=1e-7,
    )


def scikit_fem(law, n, grad):
    """A periodic cell in scikit-fem with its own Newton method: mean stress at one macro gradient (d, d)."""
    line = np.linspace(-0.5, 0.5, n + 1)
    mesh = skfem.MeshQuad.init_tensor(line, line)
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementQuad1()), intorder=3)
    owner = np.ravel_multi_index(np.rint((mesh.p + 0.5) * n).astype(int) % n, (n, n))
    dofs = basis.nodal_dofs
    columns = (2 * owner[None] + np.array([[0], [1]])).ravel()
    T = sp.csr_matrix((np.ones(dofs.size), (dofs.ravel(), columns)), shape=(basis.N, 2 * n * n))[:, 2:]
    y = np.asarray(basis.global_coordinates())
    w = np.zeros(T.shape[1])
    for _ in range(30):
        xi = grad[..., None, None] + np.asarray(basis.interpolate(T @ w).grad)
        j, _, tangent = law(np.zeros((2, 1, 1)), y.reshape(2, 1, -1), np.zeros((2, 1, 1)), xi.reshape(2, 2, 1, -1))
        j = np.broadcast_to(j, (2, 2, 1, y[0].size)).reshape(xi.shape)
        tangent = np.broadcast_to(tangent, (2, 2, 2, 2, 1, y[0].size)).reshape(2, 2, 2, 2, *xi.shape[2:])
        r = T.T @ skfem.LinearForm(lambda v, w, j=j: (j * v.grad).sum(axis=(0, 1))).assemble(basis)
        if np.abs(r).max() < 1e-14:
            break
        K = skfem.BilinearForm(
            lambda u, v, w, C=tangent: (np.einsum("ijkl...,kl...->ij...", C, u.grad) * v.grad).sum(axis=(0, 1))
        ).assemble(basis)
        w -= scipy.sparse.linalg.spsolve((T.T @ K @ T).tocsc(), r)
    return (j * basis.dx).sum(axis=(2, 3))


@pytest.mark.parametrize("law", LAWS)
def test_a_heterogeneous_cell_agrees_with_scikit_fem(law):
    law, scale = LAWS[law]
    x, u, grad = states(2, scale, 2, seed=4)
    micro = solve_nonlinear(hmm.CellProblem(n=8, tol=1e-12), law, x, u, grad)
    for k in range(2):
        np.testing.assert_allclose(micro.flux[..., k], scikit_fem(law, 8, grad[..., k]), atol=1e-10)


def test_a_hardening_composite_is_ordered_by_its_boundary():
    """The potential is convex, so the work of the mean fields is: Neumann <= periodic <= Dirichlet <= all strained alike."""
    x, u, grad = states(2, 0.02, 4, seed=2)
    works = []
    for bc in ("neumann", "periodic", "dirichlet"):
        path = [
            solve_nonlinear(hmm.CellProblem(n=8, bc=bc), HARD, x, u, t * grad).flux for t in (np.arange(20) + 0.5) / 20
        ]
        works.append(np.einsum("ijp,ijp->p", np.mean(path, axis=0), grad))  # the potential
    y = hmm.CellProblem(n=8).grid.points[:, None]
    path = [
        HARD(x[..., None], y, u[..., None], np.repeat(t * grad[..., None], y.shape[2], axis=-1))[0].mean(axis=-1)
        for t in (np.arange(20) + 0.5) / 20
    ]
    works.append(np.einsum("ijp,ijp->p", np.mean(path, axis=0), grad))
    for lower, upper in itertools.pairwise(works):
        assert (lower < upper).all()


# -- refusals --------------------------------------------------------------------------------------------------------------


def test_what_is_refused():
    x, u, grad = states(2, 0.1)
    with pytest.raises(hmm.RefusedState, match="does not hold the rotations of a solid at finite strain"):
        solve_nonlinear(hmm.CellProblem(n=4, bc="neumann"), RUBBER, x, u, grad)
    inverted = np.repeat(np.diag([-1.2, 0.0])[..., None], 3, axis=-1)
    with pytest.raises(hmm.RefusedState, match=r"j is not finite \(nan\) at .*xi="):
        solve_nonlinear(hmm.CellProblem(n=4), RUBBER, x, u, inverted)
    with pytest.raises(ValueError, match="in 2D cells fields have one component or 2"):
        solve_nonlinear(hmm.CellProblem(n=4), RUBBER, x, np.zeros((3, 3)), np.zeros((3, 2, 3)))
    with pytest.raises(ValueError, match=r"in 1D cells fields have one component$"):
        solve_nonlinear(hmm.CellProblem(dim=1, n=4), RUBBER, x[:1], u[:1], grad[:1, :1])
    with pytest.raises(ValueError, match=r"returned dj_du of shape .* needed"):
        solve_nonlinear(hmm.CellProblem(n=4), laws.PowerLaw(wavy, 3.0), x, u, grad)
    for make, words in (
        (lambda: laws.NeoHookean(0.0, 0.3), "E=0.0: must be a positive number, or a medium"),
        (lambda: laws.NeoHookean(1.0, 0.5), "nu=0.5: must lie between -1 and 1/2"),
        (lambda: laws.RambergOsgood(1.0, 0.3, 0.0, 5), "yield_stress=0.0"),
        (lambda: laws.RambergOsgood(1.0, 0.3, 1.0, 0.5), "n=0.5"),
        (lambda: laws.RambergOsgood(1.0, 0.3, 1.0, 5, -1), "alpha=-1"),
    ):
        with pytest.raises(ValueError, match=words):
            make()


@pytest.mark.parametrize(
    "grid", (Q1Grid(2, 5, 1.0, "periodic", "vector"), FourierGrid(2, 4, 1.0, "periodic", "vector"))
)
def test_the_least_stiffness_of_a_cell(grid):
    """Against eigenvalues of the matrices: of a homogeneous pressed solid, whose points are not definite, and of a rough one."""
    pressed = np.array([[-0.39, -0.01], [0.0, 0.18]])[..., None]
    one = at(laws.NeoHookean(1.5, 0.3), pressed)[1].reshape(1, 16, 1, 1)
    assert np.linalg.eigvalsh(one.reshape(4, 4))[0] < 0
    shape, rng = (len(grid.reference) ** 2, grid.cells**2), np.random.default_rng(0)
    for tangent in (one * np.ones(shape), one * rng.uniform(0.2, 2, shape)):
        diagonal = tangent[:, ::5].mean(axis=(2, 3))
        constant = np.zeros_like(tangent)
        constant[:, ::5] = diagonal[:, :, None, None]
        size = 2 * grid.cells**2
        unit = np.eye(size).reshape(1, size, *grid.shape)
        K, P = (grid.operator(grid.stencil(a))(unit).reshape(size, size) for a in (tangent, constant))
        values, modes = np.linalg.eigh(P)
        seen = modes[:, values > 1e-9]
        exact = eigh(seen.T @ K @ seen, seen.T @ P @ seen, eigvals_only=True)[0]
        for unit in (1.0, 2.0**60, 2.0**-60):
            found = least_stiffness(grid, unit * tangent, unit * diagonal)[0]
            assert found == pytest.approx(exact, rel=1e-3, abs=1e-3)


def test_layers_that_buckle():
    """Stiff layers pressed along themselves: the straight equilibrium stays one, and is refused where it does not hold."""
    layers = laws.NeoHookean(E=media.laminate((100.0, 1.0), (0.125, 0.875)), nu=0.3)
    cell, x, u = hmm.CellProblem(n=8, size=4.0), np.zeros((2, 1)), np.zeros((2, 1))
    mild = np.diag([0.0, -0.002])[..., None]
    solve_nonlinear(cell, layers, x, u, mild)
    with pytest.raises(hmm.RefusedState, match="is unstable: some fluctuation of its field takes no energy"):
        solve_nonlinear(cell, layers, x, u, 100 * mild)


# -- structures ------------------------------------------------------------------------------------------------------------


def cantilever(nx, ny, length=2.0, height=0.5):
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, length, nx + 1), np.linspace(0, height, ny + 1))
    return mesh.with_boundaries({"wall": lambda x: x[0] < 1e-9, "end": lambda x: x[0] > length - 1e-9})


def cook(n):
    """Cook's tapered panel: 48 wide, 44 high on the left and 16 on the right, clamped left, sheared right; in units of 48."""
    line = np.linspace(0, 1, n + 1)
    mesh = skfem.MeshQuad.init_tensor(line, line)
    s, t = mesh.p
    mesh = skfem.MeshQuad(np.array([48 * s, 44 * s + t * (44 - 28 * s)]) / 48, mesh.t)
    return mesh.with_boundaries({"wall": lambda x: x[0] < 1e-9, "end": lambda x: x[0] > 1 - 1e-9})


def loaded(basis, closure, load, steps, **options):
    """The end of a panel pulled in steps, each started from where the last two point to: how solids that bend are loaded."""
    before, now = np.zeros(basis.N), None
    for share in (np.arange(steps) + 1) / steps:
        start = before if now is None else 2 * now.u - before
        before = before if now is None else now.u
        data = {"dirichlet": {"wall": 0.0}, "neumann": {"end": np.array([0.0, load * share])}}
        now = hmm.solve_elliptic(basis, closure, 0.0, **data, initial=start, **options)
    return now


class Stiffness:
    """The small-strain medium of a law."""

    def __init__(self, law):
        self.law = law

    def __call__(self, x, y):
        return media.stiffness(self.law.E(x, y), self.law.nu)


def test_a_rubber_cantilever_with_fibres_resolved():
    """HMM on 4 x 1 elements against every fibre of 8 x 2 periods in the mesh, bent by a seventh of its length.

    From load to load Newton's method takes few turns, although each first one stretches what only turns."""
    law = laws.NeoHookean(E=media.inclusion(10, 1, radius=0.25, shape="square"), nu=0.3)
    element, eps, tip = skfem.ElementVector(skfem.ElementQuad2()), 1 / 4, np.array([[2.0], [0.25]])

    def resolved(x, u, grad):
        j, _, tangent = law(x[..., None], (x / eps)[..., None], u[..., None], grad[..., None])
        return j[..., 0], 0.0, tangent[..., 0]

    closure = hmm.NonlinearCellClosure(law, hmm.CellProblem(n=8))
    coarse, load = hmm.macro_basis(cantilever(4, 1), element), -0.004
    U = loaded(coarse, closure, load, 4)
    V = loaded(hmm.macro_basis(cantilever(32, 8), element), resolved, load, 4)
    bent, exact = (solution.at(tip)[:, 0] for solution in (U, V))
    assert -0.35 < exact[1] < -0.25 and abs(bent[1] / exact[1] - 1) < 0.05
    assert abs(bent[0] / exact[0] - 1) < 0.12 and exact[0] < -0.02  # the end comes closer, which no linear beam shows
    assert max(len(U.history), len(V.history)) < 12
    linear = hmm.CellClosure(Stiffness(law), hmm.CellProblem(n=8))
    assert abs(loaded(coarse, linear, load, 1).at(tip)[0, 0]) < 0.01
    last = [turn.residual for turn in U.history[-3:]]
    assert last[1] < last[0] < 1e-2 and last[2] < 1e-9
    assert pickle.loads(pickle.dumps(closure)).flux == law


@pytest.mark.parametrize("law, load", ((HARD, 6e-3), (RUBBER, 0.02)), ids=("hardening", "rubber"))
def test_cooks_membrane(law, load):
    """Coarse HMM: refined, it stays; the micro fields remembered give the same answer as none; not as a linear one."""
    element, corner = skfem.ElementVector(skfem.ElementQuad2()), np.array([[1.0], [60 / 48]])
    cell, found, steps = hmm.CellProblem(n=8, tol=1e-7), [], 1 if law is HARD else 2
    for n in (2, 4):
        basis = hmm.macro_basis(cook(n), element)
        U = loaded(basis, hmm.NonlinearCellClosure(law, cell), load, steps, tol=1e-8)
        found.append(U.at(corner)[1, 0])
    assert found[0] == pytest.approx(found[1], rel=0.08)
    coarse = hmm.macro_basis(cook(2), element)
    plain = loaded(coarse, hmm.NonlinearCellClosure(law, cell, adaptive=False), load, steps, tol=1e-8)
    assert plain.at(corner)[1, 0] == pytest.approx(found[0], rel=1e-5)
    linear = loaded(basis, hmm.CellClosure(Stiffness(law), cell), load, 1).at(corner)[1, 0]
    assert (found[1] > 1.2 * linear) if law is HARD else (found[1] < 0.98 * linear)
    x = basis.global_coordinates()[:, 3, 0]
    assert U.reconstruct(x[:, None], eps=0.05).shape == (2, 1)


def test_a_state_that_is_refused_on_the_way_shortens_the_step():
    """Pressed by more than its modulus, the first linear step turns the bar inside out; the dialogue takes a shorter one."""
    mesh = cantilever(2, 2)
    basis = hmm.macro_basis(mesh, skfem.ElementVector(skfem.ElementQuad1()))
    law = laws.NeoHookean(E=lambda x, y: 1.5 + 0 * y[0], nu=0.3)
    closure = hmm.NonlinearCellClosure(law, hmm.CellProblem(n=4))
    U = hmm.solve_elliptic(basis, closure, 0.0, dirichlet={"wall": 0.0}, neumann={"end": np.array([-2.0, 0.0])})
    grad = np.asarray(basis.interpolate(U.u).grad)
    J = np.linalg.det(np.moveaxis(np.eye(2)[..., None, None] + grad, (0, 1), (-2, -1)))
    assert U.history[-1].residual < 1e-9 and 0.1 < J.min() < 0.6
    assert U.history[0].update < 2  # of a bar of length 2, which the linear one exceeds
