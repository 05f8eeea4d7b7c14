"""Cell problems of vector fields: a stiffness a_ijkl at the door, against scalars, scikit-fem, laminates and invariants."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import skfem
from scipy.linalg import eigh

import hmm_core as hmm
from hmm_core.micro import krylov
from hmm_core.micro.ensemble import effective_ensemble
from hmm_core.micro.grid import FourierGrid, Q1Grid
from hmm_core.micro.motions import pinned, rigid_motions
from hmm_core.micro.sample import ellipticity
from hmm_core.micro.transforms import KORN, kinematics

TWO_PI = 2 * np.pi
BOUNDARIES = ("periodic", "dirichlet", "neumann")
OPTIONS = (
    {},
    {"size": 1.3, "offset": 0.2},
    {"buffer": 0.3},
    {"window": ("smooth", 2), "average": "flux"},
)


def sin(t):
    return np.sin(TWO_PI * t)


def cos(t):
    return np.cos(TWO_PI * t)


def isotropic(lame, shear, dim):
    """lambda delta_ij delta_kl + mu (delta_ik delta_jl + delta_il delta_jk)."""
    one = np.eye(dim)
    lame, shear = np.broadcast_arrays(lame, shear)
    trailing = (1,) * lame.ndim
    volume, shape = np.einsum("ij,kl->ijkl", one, one), np.einsum("ik,jl->ijkl", one, one)
    shape = shape + shape.swapaxes(2, 3)
    return volume.reshape(*volume.shape, *trailing) * lame + shape.reshape(*shape.shape, *trailing) * shear


def elastic(x, y):
    """Isotropic, with two moduli that vary apart: every strain component drives every other."""
    return isotropic(1 + 0.6 * cos(y[0]) * sin(y[1]), 1.5 + sin(y[0] + y[1]), len(y))


def crystal(x, y):
    """Anisotropic and without a mirror, minor and major symmetries: C = sum of squares of symmetric matrices."""
    d = len(y)
    M = [np.eye(d), np.diag(np.arange(1.0, d + 1)), np.ones((d, d)), np.eye(d)[::-1] + 0.3 * np.eye(d)]
    amplitudes = 2 + sin(y[0]), 1.2 + cos(y[1] - y[0]), 0.3 + 0.2 * sin(y[1]), 1 + 0.5 * cos(y[0] + 0.1)
    squares = (np.einsum("ij,kl->ijkl", m, m)[..., None, None] * a for m, a in zip(M, amplitudes, strict=True))
    return isotropic(0.1, 1.0, d)[..., None, None] + sum(squares)


def coupled(x, y):
    """Without minor symmetries, major ones kept: what resists rotations too."""
    d, extra = len(y), np.zeros((len(y),) * 4)
    for i, j in itertools.permutations(range(d), 2):
        extra[i, j, i, j] += 1.0
        extra[i, j, j, i] -= 0.3
    cross = np.zeros_like(extra)
    cross[0, 0, 0, 1] = cross[0, 1, 0, 0] = 0.4
    return elastic(x, y) + extra[..., None, None] * (1.3 + cos(y[1])) + cross[..., None, None] * sin(y[0])


def gyrating(x, y):
    """Strains alone, major symmetry broken: as the tangent of a law without a potential."""
    skew = np.zeros((len(y),) * 4)
    skew[0, 0, 1, 1], skew[1, 1, 0, 0] = 1.0, -1.0
    for pair in ((0, 1), (1, 0)):
        skew[(0, 0, *pair)], skew[(*pair, 0, 0)] = 0.5, -0.5
    return elastic(x, y) + skew[..., None, None] * (0.8 * sin(y[0]) * cos(y[1]))


def swirling(x, y):
    """Neither minor nor major symmetry."""
    return coupled(x, y) + gyrating(x, y) - elastic(x, y)


MEDIA = {medium.__name__: medium for medium in (elastic, crystal, coupled, gyrating, swirling)}


def mandel(A):
    """Stiffnesses (d, d, d, d, ...) as matrices of quadratic forms on strains."""
    d = len(A)
    pairs = [(i, i) for i in range(d)] + [(i, j) for i in range(d) for j in range(i + 1, d)]
    weight = [1.0 if i == j else np.sqrt(2) for i, j in pairs]
    return np.array(
        [[v * w * A[p + q] for q, w in zip(pairs, weight, strict=True)] for p, v in zip(pairs, weight, strict=True)]
    )


def matrix(A):
    """Stiffnesses (d, d, d, d, ...) as matrices on all gradients."""
    return A.reshape(len(A) ** 2, len(A) ** 2, *A.shape[4:])


# -- two scalar problems at once ------------------------------------------------------------------------------------------


def scalar_media(dim):
    """For each component another conductivity tensor; the first is not symmetric."""

    def first(x, y):
        b = np.eye(dim)[..., None, None] * (2 + sin(y[0]) * cos(y[1]))
        b[0, 1] += 0.7 * cos(y[0])
        b[1, 0] -= 0.7 * cos(y[0])
        return b

    def second(x, y):
        return np.eye(dim)[..., None, None] * np.exp(cos(y[0] - y[1]) + 0.5 * sin(y[-1]))

    return [first, second, second][:dim]


def symmetric_media(dim):
    def first(x, y):
        return np.diag(np.arange(1.0, dim + 1))[..., None, None] * (2 + sin(y[0]) * cos(y[1]))

    return [first, *scalar_media(dim)[1:]]


def decoupled(parts):
    """a_ijkl = delta_ik b^i_jl."""

    def medium(x, y):
        b = [part(x, y) for part in parts]
        a = np.zeros((len(parts),) * 4 + b[0].shape[2:])
        for i, b_i in enumerate(b):
            a[i, :, i] = b_i
        return a

    return medium


def assert_decoupled(cell, parts, tol):
    micro = cell.solve(decoupled(parts))
    scale = np.abs(micro.tensor).max()
    for i, part in enumerate(parts):
        alone = cell.solve(part)
        np.testing.assert_allclose(micro.tensor[i, :, i], alone.tensor, atol=tol * scale)
        np.testing.assert_allclose(micro.correctors[i, :, i], alone.correctors, atol=10 * tol**0.5)
        for k in range(len(parts)):
            if k != i:
                assert np.abs(micro.tensor[i, :, k]).max() < tol * scale
                assert np.abs(micro.correctors[i, :, k]).max() < tol
    return micro


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("make", (scalar_media, symmetric_media))
def test_a_decoupled_medium_is_two_scalar_problems(make, bc, options):
    cell = hmm.CellProblem(n=10, bc=bc, tol=1e-13, **options)
    micro = assert_decoupled(cell, make(2), 1e-12)
    assert micro.tensor.shape == (2,) * 4 and micro.correctors.shape == (2, 2, 2, cell.cells + 1, cell.cells + 1)
    assert micro.solver.endswith("bicgstab" if make is scalar_media else "cg")


@pytest.mark.parametrize(
    "options",
    (
        {"scheme": "fourier"},
        {"scheme": "fourier", "n": 9},
        {"dim": 3, "n": 4},
        {"dim": 3, "n": 4, "bc": "dirichlet"},
        {"dim": 3, "n": 4, "bc": "neumann"},
        {"dim": 3, "n": 5, "scheme": "fourier"},
        {"bc": "dirichlet", "average": "energy", "buffer": 0.2},
        {"bc": "dirichlet", "equation": ("zero-order", 0.1), "size": 1.5},
        {"equation": ("zero-order", 0.01)},
        {"equation": ("zero-order", 0.1), "richardson": True, "average": "energy"},
        {"bc": "dirichlet", "equation": ("parabolic", 0.02), "window": ("smooth", 2), "buffer": 0.2},
    ),
)
def test_decoupled_in_every_other_way(options):
    cell = hmm.CellProblem(**({"n": 8, "tol": 1e-13} | options))
    parts = (scalar_media if options.get("scheme") else symmetric_media)(cell.dim)
    assert_decoupled(cell, parts, 1e-11 if "equation" in options else 1e-12)


# -- an independent finite element code -----------------------------------------------------------------------------------


def scikit_fem(medium, n, bc):
    """<a (E + grad w)> <E + grad w>^-1 of one period: ElementVector(ElementQuad1), the same 2 x 2 Gauss points."""
    line = np.linspace(-0.5, 0.5, n + 1)
    mesh = skfem.MeshQuad.init_tensor(line, line)
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementQuad1()), intorder=3)
    y = np.asarray(basis.global_coordinates())
    a = medium(np.zeros((2, 1, 1)), y.reshape(2, 1, -1)).reshape(2, 2, 2, 2, *y.shape[1:])

    def flux(gradient):
        return np.einsum("ijkl...,kl...->ij...", a, gradient)

    K = skfem.BilinearForm(lambda u, v, w: (flux(u.grad) * v.grad).sum(axis=(0, 1))).assemble(basis)
    where = np.rint((mesh.p + 0.5) * n).astype(int)
    dofs = basis.nodal_dofs  # (component, vertex)
    if bc == "periodic":  # opposite sides share their unknowns
        owner = np.ravel_multi_index(where % n, (n, n))
        columns = (2 * owner[None] + np.array([[0], [1]])).ravel()
        T = sp.csr_matrix((np.ones(dofs.size), (dofs.ravel(), columns)), shape=(basis.N, 2 * n * n))
    else:
        inside = ((where > 0) & (where < n)).all(axis=0) if bc == "dirichlet" else np.ones(where.shape[1], dtype=bool)
        free = dofs[:, inside].ravel()
        T = sp.csr_matrix((np.ones(free.size), (free, np.arange(free.size))), shape=(basis.N, free.size))
    unit, loads = np.eye(4).reshape(4, 2, 2, 1, 1), []
    for E in unit:
        stress = flux(np.broadcast_to(E, (2, 2, *y.shape[1:])))
        if bc == "neumann":
            stress = stress - (stress * basis.dx).sum(axis=(2, 3), keepdims=True)
        loads.append(skfem.LinearForm(lambda v, w, s=stress: -(s * v.grad).sum(axis=(0, 1))).assemble(basis))
    w = T @ np.linalg.lstsq((T.T @ K @ T).toarray(), T.T @ np.transpose(loads), rcond=1e-12)[0]
    gradients = [E + basis.interpolate(column).grad for E, column in zip(unit, w.T, strict=True)]
    felt, caused = (
        [(part * basis.dx).sum(axis=(2, 3)).ravel() for part in parts] for parts in (map(flux, gradients), gradients)
    )
    return np.transpose(felt), np.transpose(caused), [column[dofs] for column in w.T]


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("name", MEDIA)
def test_coupled_media_agree_with_scikit_fem(name, bc):
    n, medium = 8, MEDIA[name]
    micro = hmm.CellProblem(n=n, bc=bc, tol=1e-11).solve(medium)
    felt, caused, fields = scikit_fem(medium, n, bc)
    if name in ("coupled", "swirling"):
        expected = felt @ np.linalg.inv(caused)
    else:  # gradients modulo rotations
        strain = np.array([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1.0]])
        expected = felt @ np.linalg.pinv(strain @ caused)
    np.testing.assert_allclose(matrix(micro.tensor), expected, atol=1e-8)
    if bc == "dirichlet":  # the fields too, where they are unique; a rotation drives none but in media that resist it
        symmetric = (micro.correctors + micro.correctors.swapaxes(0, 1)) / 2
        for k, (i, j) in enumerate(np.ndindex(2, 2)):
            theirs = np.empty((2, n + 1, n + 1))
            line = np.linspace(-0.5, 0.5, n + 1)
            where = np.rint((skfem.MeshQuad.init_tensor(line, line).p + 0.5) * n).astype(int)
            theirs[:, where[0], where[1]] = fields[k]
            ours = micro.correctors[i, j]
            assert name in ("coupled", "swirling") or np.array_equal(ours, symmetric[i, j])
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


# -- closed forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", (2, 3))
def test_elastic_laminate(dim):
    """Reference 18: layers that the grid resolves are exact, for the strain varies along the normal alone."""
    f, lames, shears = 0.25, (3.0, 0.7), (0.4, 2.0)

    def mean(function):
        return f * function(lames[0], shears[0]) + (1 - f) * function(lames[1], shears[1])

    def layers(x, y):
        inside = np.abs(y[0] - np.round(y[0])) < f / 2
        return isotropic(np.where(inside, *lames), np.where(inside, *shears), dim)

    h = 1 / mean(lambda lame, shear: 1 / (lame + 2 * shear))
    q = mean(lambda lame, shear: lame / (lame + 2 * shear))
    tangential = mean(lambda lame, shear: 4 * shear * (lame + shear) / (lame + 2 * shear)) + q**2 * h
    A = hmm.CellProblem(dim=dim, n=8, tol=1e-12).effective_tensor(layers)
    expected = np.zeros((dim,) * 4)
    expected[0, 0, 0, 0] = h
    for i in range(1, dim):
        expected[0, 0, i, i] = expected[i, i, 0, 0] = q * h
        expected[i, i, i, i] = tangential
        for first, last in itertools.product(((0, i), (i, 0)), repeat=2):
            expected[first + last] = 1 / mean(lambda lame, shear: 1 / shear)
    if dim == 3:
        expected[1, 1, 2, 2] = expected[2, 2, 1, 1] = (
            mean(lambda lame, shear: 2 * lame * shear / (lame + 2 * shear)) + q**2 * h
        )
        for first, last in itertools.product(((1, 2), (2, 1)), repeat=2):
            expected[first + last] = mean(lambda lame, shear: shear)
    np.testing.assert_allclose(A, expected, atol=1e-10)


def test_smooth_elastic_laminate_is_spectral():
    def mean(function):
        t = (np.arange(64) + 0.5) / 64
        return function(2 + cos(t), 1.5 + sin(t)).mean()

    A = hmm.CellProblem(n=28, scheme="fourier", tol=1e-13).effective_tensor(
        lambda x, y: isotropic(2 + cos(y[0]), 1.5 + sin(y[0]), 2)
    )
    assert A[0, 0, 0, 0] == pytest.approx(1 / mean(lambda lame, shear: 1 / (lame + 2 * shear)), rel=1e-9)
    assert A[0, 1, 0, 1] == pytest.approx(1 / mean(lambda lame, shear: 1 / shear), rel=1e-9)
    assert A[0, 1, 1, 0] == pytest.approx(A[0, 1, 0, 1], rel=1e-14)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("name", MEDIA)
def test_a_constant_stiffness_is_returned_exactly(name, bc, options):
    constant = MEDIA[name](None, np.full((2, 1, 1), 0.17))[..., 0, 0]
    cell = hmm.CellProblem(n=5, bc=bc, **options)
    np.testing.assert_allclose(cell.effective_tensor(lambda x, y: constant), constant, atol=1e-12)


# -- invariants -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim, n", ((2, 10), (3, 4)))
@pytest.mark.parametrize("name", ("elastic", "crystal", "coupled"))
def test_symmetric_and_ordered_by_boundary_condition(name, dim, n):
    form = matrix if name == "coupled" else mandel
    forms = []
    for bc in ("neumann", "periodic", "dirichlet"):
        A = hmm.CellProblem(dim=dim, n=n, bc=bc, tol=1e-11).effective_tensor(MEDIA[name])
        np.testing.assert_allclose(matrix(A), matrix(A).T, atol=1e-11)
        if name != "coupled":
            np.testing.assert_array_equal(A, A.swapaxes(0, 1))
            np.testing.assert_array_equal(A, A.swapaxes(2, 3))
        forms.append(form(A))
    y = hmm.CellProblem(dim=dim, n=n).grid.points[:, None]
    values = np.moveaxis(form(MEDIA[name](None, y)[..., 0, :]), -1, 0)
    bounds = [np.linalg.inv(np.linalg.inv(values).mean(axis=0)), *forms, values.mean(axis=0)]
    for lower, upper in itertools.pairwise(bounds):
        gap = np.linalg.eigvalsh(upper - lower)
        assert gap[0] > -1e-9 and gap[-1] > 1e-3


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("options", ({}, {"buffer": 0.25}))
@pytest.mark.parametrize("name", ("crystal", "swirling"))
def test_rotating_the_medium_rotates_the_tensor(name, bc, options):
    R = np.array([[0.0, -1.0], [1.0, 0.0]])

    def turned(A):
        return np.einsum("ai,bj,ck,dl,ijkl...->abcd...", R, R, R, R, A)

    def medium(x, y):
        return turned(MEDIA[name](x, np.tensordot(R.T, y, axes=1)))

    cell = hmm.CellProblem(n=8, bc=bc, tol=1e-10, **options)
    np.testing.assert_allclose(cell.effective_tensor(medium), turned(cell.effective_tensor(MEDIA[name])), atol=1e-8)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("name", ("gyrating", "swirling"))
def test_transposing_the_medium_transposes_the_tensor(name, bc):
    cell = hmm.CellProblem(n=8, bc=bc, tol=1e-11)
    A = cell.effective_tensor(MEDIA[name])
    B = cell.effective_tensor(lambda x, y: np.moveaxis(MEDIA[name](x, y), (2, 3), (0, 1)))
    assert np.abs(matrix(A) - matrix(A).T).max() > 1e-3
    np.testing.assert_allclose(matrix(A), matrix(B).T, atol=1e-9)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("name", MEDIA)
def test_correctors_have_the_gradient_they_are_named_for_and_give_the_tensor(name, bc):
    cell = hmm.CellProblem(n=12, bc=bc, tol=1e-12)
    micro = cell.solve(MEDIA[name])
    w = micro.correctors.reshape(1, 4, 2, 13, 13)
    grid = Q1Grid(2, 12, 1.0, "neumann", "vector")
    gradient = grid.gradient(w)[0].reshape(2, 2, 2, 2, -1)  # [i, j] drives, [k, l] is driven
    drive = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(2))
    if name in ("elastic", "crystal", "gyrating"):
        drive = (drive + drive.swapaxes(0, 1)) / 2
    np.testing.assert_allclose(gradient.mean(axis=-1), 0, atol=1e-7)
    a = MEDIA[name](None, cell.grid.points[:, None])[..., 0, :]
    flux = np.einsum("klmnp,ijmnp->klijp", a, drive[..., None] + gradient).mean(axis=-1)
    np.testing.assert_allclose(flux, micro.tensor, atol=1e-6)
    if bc == "dirichlet":
        assert np.abs(w[..., 0, :]).max() == np.abs(w[..., :, -1]).max() == 0
    else:
        inner = w if bc == "neumann" else w[..., :-1, :-1]
        trapezoid = np.ones(inner.shape[-1])
        trapezoid[[0, -1]] = 0.5 if bc == "neumann" else 1.0
        np.testing.assert_allclose(inner @ trapezoid @ trapezoid, 0, atol=1e-10)


def weighted(weights):
    """crystal with its strain components scaled, in 2D and in Mandel's notation: as anisotropic as one likes."""
    S, root = kinematics(2, "strain").reshape(3, 4), np.sqrt(np.array(weights))

    def medium(x, y):
        M = np.einsum("li,ij...,mj->lm...", S, matrix(crystal(x, y)), S) * (root[:, None] * root)[..., None, None]
        return np.einsum("li,lm...,mj->ij...", S, M, S).reshape(2, 2, 2, 2, *M.shape[2:])

    return medium


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("options", ({}, {"buffer": 0.2}))
@pytest.mark.parametrize("weights", ((1, 1, 1), (1e-4, 1, 1), (1, 1, 1e-4), (1e-3, 1e-3, 1)))
def test_tolerance_is_the_accuracy_of_every_entry(weights, options, bc):
    """Relative to the diagonal: preconditioned by components, a residual says less of an anisotropic strain (``korn``)."""
    fine, loose, close = (
        mandel(hmm.CellProblem(n=10, bc=bc, tol=tol, **options).effective_tensor(weighted(weights)))
        for tol in (1e-9, 1e-2, 1e-5)
    )
    scale = np.sqrt(np.outer(np.diag(fine), np.diag(fine)))
    assert np.abs((loose - fine) / scale).max() < 1e-2
    assert np.abs((close - fine) / scale).max() < 1e-5


@pytest.mark.parametrize("dim", (2, 3))
def test_minor_symmetries_hold_up_to_round_off(dim):
    """In another basis they are broken by 1e-16, and the medium still feels strains alone; 1e-12 is no round-off."""
    Q = np.linalg.qr(np.random.default_rng(dim).standard_normal((dim, dim)))[0]

    def turned(x, y):
        return np.einsum("ai,bj,ck,dl,ijkl...->abcd...", Q, Q, Q, Q, crystal(x, y))

    cell = hmm.CellProblem(dim=dim, n=3)
    a = turned(None, cell.grid.points[:, None])
    assert 0 < np.abs(a - a.swapaxes(0, 1)).max() < 1e-14
    A = cell.effective_tensor(turned)
    np.testing.assert_array_equal(A, A.swapaxes(0, 1))
    rotation = np.zeros((dim,) * 4)
    rotation[0, 1, 0, 1] = rotation[1, 0, 1, 0] = 1.0
    rotation[0, 1, 1, 0] = rotation[1, 0, 0, 1] = -1.0
    with pytest.raises(ValueError, match="lacks the minor symmetries"):
        cell.effective_tensor(lambda x, y: turned(x, y) - 1e-12 * rotation[..., None, None])


@pytest.mark.parametrize("bc", ("periodic", "dirichlet"))
def test_strains_that_forget_their_boundary(bc):
    """A zero-order term between its limits, the mean for T = 0 and the plain cell, which it meets like 1/T; a long heat flow."""
    plain = hmm.CellProblem(n=8, bc=bc, tol=1e-10)
    A, mean = plain.effective_tensor(crystal), crystal(None, plain.grid.points[:, None])[..., 0, :].mean(axis=-1)
    damped = [hmm.CellProblem(n=8, bc=bc, tol=1e-10, equation=("zero-order", T)) for T in (1e-12, 1e3, 1e6, 1e12)]
    first, *gaps, last = [problem.effective_tensor(crystal) for problem in damped]
    np.testing.assert_allclose(first, mean, atol=1e-9)
    assert np.abs(gaps[0] - A).max() == pytest.approx(1e3 * np.abs(gaps[1] - A).max(), rel=0.05)
    np.testing.assert_allclose(last, A, atol=1e-9)
    if bc == "dirichlet":
        heat = hmm.CellProblem(n=8, bc=bc, tol=1e-9, equation=("parabolic", 50.0)).solve(crystal)
        np.testing.assert_allclose(heat.tensor, A, atol=1e-8)
        np.testing.assert_allclose(heat.correctors, plain.solve(crystal).correctors, atol=1e-5)


# -- rough media, batches -------------------------------------------------------------------------------------------------


def rough(sigma, n, seed=0):
    rng = np.random.default_rng(seed)
    lame, shear = np.exp(sigma * rng.standard_normal((2, n, n)))

    def medium(x, y):
        where = tuple(np.floor((c + 0.5) * n + 1e-9).astype(int) % n for c in y)
        return isotropic(lame[where], shear[where], 2)

    return medium


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_rough_media_go_to_multigrid_and_agree_with_a_factorisation(bc):
    n = 24
    cell = hmm.CellProblem(n=n, bc=bc)
    micro = cell.solve(rough(3.0, n), correctors=False)
    assert micro.solver == "amg-cg" and micro.iterations < 240
    felt, caused, _ = scikit_fem(rough(3.0, n), n, bc)
    strain = np.array([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1.0]])
    expected = felt @ np.linalg.pinv(strain @ caused)
    np.testing.assert_allclose(matrix(micro.tensor), expected, atol=1e-7 * expected.max())


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("dim, n", ((2, 8), (3, 3)))
def test_rescue_agrees_with_the_iteration(name, bc, dim, n, monkeypatch):
    cell = hmm.CellProblem(dim=dim, n=n, bc=bc, tol=1e-11)
    first = cell.solve(MEDIA[name])
    monkeypatch.setattr(krylov, "PATIENCE", 2)
    monkeypatch.setattr(krylov, "VECTORS", 1)
    monkeypatch.setattr(krylov, "SMALL", 1)
    for largest in (krylov.DIRECT, 0):
        monkeypatch.setattr(krylov, "DIRECT", largest)
        rescued = cell.solve(MEDIA[name])
        assert rescued.solver == ("lu" if largest or name in ("gyrating", "swirling") else "amg-cg") != first.solver
        np.testing.assert_allclose(rescued.tensor, first.tensor, atol=1e-9)
        np.testing.assert_allclose(rescued.correctors, first.correctors, atol=1e-5)


def test_strains_and_gradients_in_one_batch():
    """Each macro point for itself: where the minor symmetries hold everywhere in the sample, its problem is one of strains."""

    def medium(x, y):
        resists = x[0] > 0.5
        return np.where(resists, coupled(x, y), elastic(x, y)) * (1 + x[1])

    x = np.array([[0.2, 0.8, 0.4, 0.9, 0.2], [0.0, 0.0, 1.0, 1.0, 0.0]])
    cell = hmm.CellProblem(n=6)
    micro = cell.solve(medium, x)
    assert micro.tensor.shape == (2, 2, 2, 2, 5) and micro.correctors.shape == (2, 2, 5, 2, 7, 7)
    assert micro.solves == 2  # powers of two
    for k in range(5):
        alone = cell.solve(medium, x[:, k])
        np.testing.assert_array_equal(micro.tensor[..., k], alone.tensor)
        np.testing.assert_array_equal(micro.correctors[:, :, k], alone.correctors)
        feels_rotations = np.abs(micro.tensor[0, 1, :, :, k] - micro.tensor[1, 0, :, :, k]).max() > 0.1
        assert feels_rotations == (x[0, k] > 0.5)
    assert cell.effective_tensor(medium, x.reshape(2, 5, 1)).shape == (2, 2, 2, 2, 5, 1)


# -- what strains need below ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ("scalar", "vector", "strain"))
@pytest.mark.parametrize("bc", BOUNDARIES)
def test_pinned_unknowns_leave_no_rigid_motion(bc, fields):
    for dim, cells in ((2, 4), (3, 2)):
        grid = Q1Grid(dim, cells, 1.0, bc, fields)
        K = grid.matrix(grid.stencil(np.ones((1, 1, 2**dim, cells**dim)))).toarray()
        free = np.delete(np.arange(len(K)), pinned(grid))
        motions = rigid_motions(grid).reshape(-1, len(K))
        if bc == "neumann":
            assert len(motions) == {"scalar": 1, "vector": dim, "strain": dim * (dim + 1) // 2}[fields]
            np.testing.assert_allclose(K @ motions.T, 0, atol=1e-12)
        assert np.linalg.eigvalsh(K[np.ix_(free, free)])[0] > 1e-3
        kernel = (np.linalg.eigvalsh(K) < 1e-12).sum()
        assert (
            kernel == len(pinned(grid)) == {"periodic": dim, "dirichlet": 0, "neumann": len(motions)}[bc]
            or fields == "scalar"
        )


@pytest.mark.parametrize("bc", ("dirichlet", "neumann"))
def test_korn(bc):
    """The factor by which a residual measured component by component may understate the energy of the error."""
    for dim, cells in ((2, 10), (3, 4)):
        strain = Q1Grid(dim, cells, 1.0, bc, "strain")
        points = (2**dim, cells**dim)
        K = strain.matrix(strain.stencil(np.ones((1, 1, *points)))).toarray()
        precondition = strain.preconditioner(np.ones((1, len(strain.kinematics))))
        values, modes = np.linalg.eigh(K)
        seen = modes[:, values > 1e-10]
        P = np.array([precondition(v.reshape(1, 1, *strain.shape)).ravel() for v in seen.T]).T
        ratio = eigh(seen.T @ (seen / values[values > 1e-10]) @ (seen.T @ seen), seen.T @ P, eigvals_only=True)
        assert 1 < ratio[-1] < KORN[bc]


@pytest.mark.parametrize(
    "grid, shift",
    (
        (Q1Grid(2, 6, 1.3, "periodic", "strain"), 0.0),
        (Q1Grid(2, 6, 1.3, "periodic", "strain"), 3.0),
        (Q1Grid(3, 4, 1.0, "periodic", "strain"), 0.1),
        (FourierGrid(2, 6, 1.0, "periodic", "strain"), 0.0),
        (FourierGrid(3, 5, 1.0, "periodic", "strain"), 0.0),
    ),
)
def test_periodic_strains_are_inverted_exactly(grid, shift):
    L = len(grid.kinematics)
    diagonal = np.linspace(0.5, 2, L)[None] * np.array([[1.0], [3.0]])
    points = (len(grid.reference) ** grid.dim, grid.cells**grid.dim)
    stencil = grid.stencil(np.einsum("bl,lm,ge->blmge", diagonal, np.eye(L), np.ones(points)).reshape(2, -1, *points))
    apply = grid.operator(stencil + shift * grid.mass if shift else stencil)
    precondition = grid.preconditioner(diagonal, shift)
    r = apply(np.random.default_rng(0).standard_normal((2, 2, *grid.shape)))
    r -= r.mean(axis=tuple(range(-grid.dim, 0)), keepdims=True)
    np.testing.assert_allclose(apply(precondition(r)), r, atol=1e-10 * abs(r).max())


@pytest.mark.parametrize(
    "grid", (Q1Grid(2, 6, 1.3, "periodic", "strain"), FourierGrid(3, 5, 1.0, "periodic", "strain"))
)
def test_periodic_strains_are_inverted_exactly_for_any_constant_stiffness(grid):
    """All of the mean is the reference there, and ellipticity is measured by it: 1 for a constant."""
    rng, L = np.random.default_rng(0), len(grid.kinematics)
    root = rng.standard_normal((2, L, L))
    tensors = root @ root.swapaxes(1, 2) + 0.2 * np.eye(L)
    points = (len(grid.reference) ** grid.dim, grid.cells**grid.dim)
    a = np.ascontiguousarray(np.broadcast_to(tensors.reshape(2, L * L, 1, 1), (2, L * L, *points)))
    apply, precondition = grid.operator(grid.stencil(a)), grid.preconditioner(tensors)
    r = apply(rng.standard_normal((2, 2, *grid.shape)))
    np.testing.assert_allclose(apply(precondition(r)), r, atol=1e-9 * abs(r).max())
    share = np.where(np.arange(points[1]) % 2, 3.0, 1.0)
    low, harmonic = ellipticity(share * a, tensors)
    np.testing.assert_allclose(low, 1.0, rtol=1e-9)
    np.testing.assert_allclose(harmonic, 1 / (1 / share).mean(), rtol=1e-9)


def test_phases_of_one_poisson_ratio_take_few_iterations():
    """Their stiffnesses are multiples of the mean, so contrast alone is left: as many iterations as a scalar needs."""
    inside = hmm.media.stiffness(10, 0.3)
    counts = [
        hmm.CellProblem(n=32).solve(medium, correctors=False).iterations
        for medium in (
            hmm.media.inclusion(inside, inside / 10, radius=0.3),
            hmm.media.inclusion(10, 1, radius=0.3),
        )
    ]
    assert counts[0] <= counts[1] + 4


# -- bad input ------------------------------------------------------------------------------------------------------------


def somewhere(inside, outside):
    return lambda x, y: np.where((abs(y[0] - 0.2) < 0.1) & (abs(y[1] - 0.2) < 0.1), inside(x, y), outside(x, y))


@pytest.mark.parametrize(
    "medium, words",
    (
        (
            somewhere(lambda x, y: -elastic(x, y), elastic),
            r"stiffness.*positive definite.*strains.*y=\[0\.[12]\d*, 0\.[12]\d*\]",
        ),
        (somewhere(lambda x, y: np.nan * elastic(x, y), elastic), r"not finite at x=.*y=\[0\.[12]\d*, 0\.[12]\d*\]"),
        (somewhere(coupled, elastic), r"stiffness.*all 4 components.*minor symmetries.*y="),
        (lambda x, y: np.ones((2, 2, 2, 2, 1, 1)), "stiffness.*positive definite"),
        (lambda x, y: np.ones((2, 2, 2, 3, 1, 1)), r"shape \(2, 2, 2, 3, 1, 1\)"),
        (lambda x, y: np.ones((2, 2, 2, 2, 7)), r"shape \(2, 2, 2, 2, 7\)"),
        (lambda x, y: elastic(x, y) * 1e200 * (1 + 1e20 * x[0]), "depends on x"),
    ),
)
@pytest.mark.parametrize("bc", ("periodic", "neumann"))
def test_bad_stiffnesses(medium, words, bc):
    with pytest.raises(ValueError, match=words):
        hmm.CellProblem(n=8, bc=bc).effective_tensor(medium)


def test_on_a_line_a_stiffness_is_a_number():
    cell = hmm.CellProblem(dim=1, n=8)
    with pytest.raises(ValueError, match="on a line a stiffness is a number"):
        cell.effective_tensor(lambda x, y: (2 + cos(y[0]))[None, None, None, None])
    assert cell.effective_tensor(lambda x, y: np.full((1, 1, 1, 1), 2.0)) == pytest.approx(2.0)  # a constant tensor


def test_what_is_made_for_scalars_says_so():
    class Random:
        def realisation(self, i):
            return elastic

    with pytest.raises(ValueError, match=r"samples.shape.*must be \(d, d, N\)"):
        effective_ensemble(Random(), hmm.CellProblem(n=4), 3)


@pytest.mark.parametrize(
    "options", ({"average": "energy"}, {"bc": "dirichlet", "equation": ("parabolic", 0.05), "window": ("smooth", 2)})
)
def test_what_needs_symmetry_says_so(options):
    with pytest.raises(ValueError, match="needs a symmetric medium"):
        hmm.CellProblem(n=8, **options).effective_tensor(gyrating)
