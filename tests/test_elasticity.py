"""Elastic composites: phases from engineers' moduli, closed forms and bounds, invariants of the cell, FE^2, a beam resolved."""

import itertools

import numpy as np
import pytest
import scipy.sparse.linalg
import skfem

import hmm_core as hmm
from hmm_core import exact, media
from hmm_core.compare.dns import Oscillating
from hmm_core.media import elastic
from hmm_core.micro.grid import Q1Grid
from hmm_course.figures import ch12

BOUNDARIES = ("periodic", "dirichlet", "neumann")
STIFF, SOFT = media.stiffness(E=10, nu=0.3), media.stiffness(E=1, nu=0.3)
SPACE = media.stiffness(E=10, nu=0.2, dim=3), media.stiffness(E=1, nu=0.35, dim=3)
ARRAYS = {0.2: (1.7708174, 0.7158781, 0.4926840), 0.4: (2.4737489, 0.8813315, 0.6363495)}  # reference 19


def forms(C):
    """Stiffnesses (d, d, d, d, ...) as quadratic forms (..., L, L) on strains, in Mandel's notation."""
    return np.moveaxis(media.mandel(C), (0, 1), (-2, -1))


def turned(R, C):
    return np.einsum("ai,bj,ck,dl,ijkl...->abcd...", R, R, R, R, C)


def rotation(d, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    return Q * np.sign(np.linalg.det(Q)) ** (np.arange(d) == 0)


# -- moduli ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("E, nu", ((1.0, 0.3), (7.0, 0.0), (2.5, -0.7), (210e9, 0.4999)))
@pytest.mark.parametrize("dim, plane", ((3, "strain"), (2, "strain"), (2, "stress")))
def test_moduli_of_a_stiffness_are_those_it_was_made_from(E, nu, dim, plane):
    C = media.stiffness(E=E, nu=nu, dim=dim, plane=plane)
    found = media.moduli(C, plane)
    np.testing.assert_allclose([found.E, found.nu], [E, nu], rtol=1e-11, atol=1e-12)
    assert found.distance < 1e-15
    np.testing.assert_array_equal([found.C11, found.C12, found.C66], [C[0, 0, 0, 0], C[0, 0, 1, 1], C[0, 1, 0, 1]])
    lam, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    np.testing.assert_allclose(media.stiffness(lam=lam, mu=mu, dim=dim, plane=plane), C, rtol=1e-9)


def test_a_plane_is_a_cut_through_space():
    """No strain across it, or none of the stress: the entry of the third direction left out, or condensed."""
    C = media.voigt(media.stiffness(E=3, nu=0.3, dim=3))
    inside = [0, 1, 5]
    np.testing.assert_allclose(media.voigt(media.stiffness(E=3, nu=0.3)), C[np.ix_(inside, inside)], atol=1e-15)
    condensed = C[np.ix_(inside, inside)] - np.outer(C[inside, 2], C[2, inside]) / C[2, 2]
    np.testing.assert_allclose(media.voigt(media.stiffness(E=3, nu=0.3, plane="stress")), condensed, atol=1e-15)
    plate = media.stiffness(E=3, nu=0.5, plane="stress")  # incompressible, and gives way in its thickness
    np.testing.assert_allclose(media.voigt(plate), 4 * np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0.25]]))


def test_fields_of_moduli():
    E, nu = np.array([[1.0, 2.0, 3.0]]), np.array([[0.1], [0.3]])
    C = media.stiffness(E, nu)
    assert C.shape == (2, 2, 2, 2, 2, 3)
    np.testing.assert_allclose(C[..., 1, 2], media.stiffness(3.0, 0.3))
    np.testing.assert_allclose(media.moduli(C).nu, nu * np.ones((2, 3)))


@pytest.mark.parametrize("dim", (2, 3))
def test_the_nearest_isotropic_stiffness_is_the_mean_over_rotations(dim):
    rng, L = np.random.default_rng(1), dim * (dim + 1) // 2
    M = rng.standard_normal((L, L))
    C = media.from_voigt(M @ M.T + np.eye(L))
    np.testing.assert_allclose(media.voigt(C), M @ M.T + np.eye(L))
    found = media.moduli(C)
    nearest = media.stiffness(found.E, found.nu, dim=dim)
    for seed in range(3):
        again = media.moduli(turned(rotation(dim, seed), C))
        np.testing.assert_allclose([again.E, again.nu, again.distance], [found.E, found.nu, found.distance])
    gap = C - nearest
    for direction in (media.stiffness(lam=1, mu=1, dim=dim), media.stiffness(lam=0, mu=1, dim=dim)):
        assert abs((gap * direction).sum()) < 1e-12 * (C * C).sum()  # a projection
    assert found.distance == pytest.approx(np.sqrt((gap**2).sum() / (C**2).sum()))


@pytest.mark.parametrize("dim", (2, 3))
def test_mandel_keeps_products_lengths_and_eigenvalues(dim):
    """The energy of a strain, the norm of the tensor, its eigenvalues seen from anywhere; the inverse is the compliance."""
    rng, L = np.random.default_rng(2), dim * (dim + 1) // 2
    M = rng.standard_normal((L, L))
    C = media.from_voigt(M @ M.T + np.eye(L))
    strain = rng.standard_normal((dim, dim))
    strain = strain + strain.T
    e = np.array([strain[p] * (1 if p[0] == p[1] else np.sqrt(2)) for p in elastic.pairs(dim)])
    form = media.mandel(C)
    assert e @ e == pytest.approx((strain**2).sum())
    assert e @ form @ e == pytest.approx(np.einsum("ij,ijkl,kl", strain, C, strain))
    assert (form**2).sum() == pytest.approx((C**2).sum())
    seen = media.mandel(turned(rotation(dim), C))
    np.testing.assert_allclose(np.linalg.eigvalsh(seen), np.linalg.eigvalsh(form), rtol=1e-10)
    stress = np.einsum("ijkl,kl->ij", C, strain)
    s = np.array([stress[p] * (1 if p[0] == p[1] else np.sqrt(2)) for p in elastic.pairs(dim)])
    np.testing.assert_allclose(np.linalg.inv(form) @ s, e)
    both = media.mandel(np.stack([C, 2 * C], axis=-1))
    assert both.shape == (L, L, 2)
    np.testing.assert_allclose(both[..., 1], 2 * form)
    isotropic = np.linalg.eigvalsh(media.mandel(media.stiffness(lam=1.0, mu=0.5, dim=dim)))
    np.testing.assert_allclose(isotropic, [1.0] * (L - 1) + [dim + 1.0])  # 2 mu, and d lam + 2 mu once


# -- closed forms ---------------------------------------------------------------------------------------------------------


def reference_18(lam, mu, f, dim):
    """Entries of a laminate with normal 1, as they are tabulated."""
    lam, mu, f = map(np.asarray, (lam, mu, f))
    M = lam + 2 * mu
    h, q = 1 / (f @ (1 / M)), f @ (lam / M)
    C = np.zeros((3, 3) if dim == 2 else (6, 6))
    C[0, 0], C[-1, -1] = h, 1 / (f @ (1 / mu))
    for i in range(1, dim):
        C[0, i] = C[i, 0] = q * h
        C[i, i] = f @ (4 * mu * (lam + mu) / M) + q**2 * h
    if dim == 3:
        C[1, 2] = C[2, 1] = f @ (2 * lam * mu / M) + q**2 * h
        C[3, 3], C[4, 4] = f @ mu, C[5, 5]
    return media.from_voigt(C)


@pytest.mark.parametrize("dim", (2, 3))
def test_reference_18(dim):
    lam, mu, f = (3.0, 0.7, 1.5), (0.4, 2.0, 1.0), (0.25, 0.25, 0.5)
    phases = [media.stiffness(lam=a, mu=b, dim=dim) for a, b in zip(lam, mu, strict=True)]
    normal = np.eye(dim)[0]
    medium, expected = media.laminate(tuple(phases), f, wave=tuple(normal)), reference_18(lam, mu, f, dim)
    np.testing.assert_allclose(medium.effective(), expected, atol=1e-14)
    np.testing.assert_allclose(exact.laminate(medium.profile, normal=normal), expected, atol=1e-13)
    A = hmm.CellProblem(dim=dim, n=8 if dim == 2 else 4, tol=1e-12).effective_tensor(medium)
    np.testing.assert_allclose(A, expected, atol=1e-10)
    R = rotation(dim)
    np.testing.assert_allclose(exact.laminate(phases, f, normal=R[:, 0]), turned(R, expected), atol=1e-13)
    normals = np.moveaxis([R[:, 0], normal], 0, -1)
    both = exact.laminate(lambda t: medium.profile(t)[..., None], normal=normals)
    np.testing.assert_allclose(both[..., 0], turned(R, expected), atol=1e-13)
    np.testing.assert_allclose(both[..., 1], expected, atol=1e-13)


def test_a_laminate_of_crystals():
    """Anisotropic phases without a mirror, along the second axis: the grid resolves the layers, so the cell is exact."""
    rng, phases = np.random.default_rng(3), []
    for _ in range(2):
        M = rng.standard_normal((3, 3))
        phases.append(media.from_voigt(M @ M.T + 0.3 * np.eye(3)))
    medium = media.laminate(tuple(phases), (0.375, 0.625), wave=(0.0, 1.0))
    A = hmm.CellProblem(n=8, tol=1e-12).effective_tensor(medium)
    np.testing.assert_allclose(A, medium.effective(), rtol=1e-10, atol=1e-10)
    shifted = [phase + 0.2 * np.eye(4).reshape((2,) * 4) for phase in phases]  # resists rotations too
    A = hmm.CellProblem(n=8, tol=1e-12).effective_tensor(media.laminate(tuple(shifted), wave=(1.0, 0.0)))
    np.testing.assert_allclose(A, exact.laminate(shifted), rtol=1e-10, atol=1e-10)


def cut_cells(f, h):
    """Disks of reference 19: where the circle cuts the square of side h around a point, the laminate of both sides."""
    lam, mu = np.array([[10.0], [1.0]]) * 0.3 / (1.3 * 0.4), np.array([[10.0], [1.0]]) / 2.6

    def medium(x, y):
        place = (y - np.round(y))[:, 0]
        r = np.sqrt((place**2).sum(axis=0))
        n = place / r
        wide, narrow = np.sort(np.abs(n), axis=0)[::-1] * h / 2
        narrow, s = np.maximum(narrow, 1e-6 * h), np.sqrt(f / np.pi) - r
        corner = [np.maximum(s + a * wide + b * narrow, 0) ** 2 for a, b in itertools.product((1, -1), repeat=2)]
        share = np.clip((corner[0] - corner[1] - corner[2] + corner[3]) / (8 * wide * narrow), 0, 1)
        weights = np.array([share, 1 - share])
        M = lam + 2 * mu
        across, q = 1 / (weights / M).sum(axis=0), (weights * lam / M).sum(axis=0)
        along = (weights * 4 * mu * (lam + mu) / M).sum(axis=0) + q**2 * across
        t = np.array([-n[1], n[0]])
        N, T, S = (np.einsum("ip,jp->ijp", a, b) for a, b in ((n, n), (t, t), (n, t)))
        S = S + S.swapaxes(0, 1)
        terms = (
            (N, N, across),
            (N, T, q * across),
            (T, N, q * across),
            (T, T, along),
            (S, S, 1 / (weights / mu).sum(axis=0)),
        )
        return sum(np.einsum("ijp,klp,p->ijklp", *term) for term in terms)[..., None, :]

    return medium


@pytest.mark.parametrize("f", ARRAYS)
def test_reference_19(f):
    """Square array of fibres in plane strain. Cut cells make the error smooth, O(h), so that two grids tell the limit."""
    coarse, fine = (
        np.array(media.moduli(hmm.CellProblem(n=n).effective_tensor(cut_cells(f, 1 / n)))[:3]) for n in (64, 128)
    )
    np.testing.assert_allclose(2 * fine - coarse, ARRAYS[f], rtol=1e-3)
    staircase = hmm.CellProblem(n=128).effective_tensor(media.inclusion(STIFF, SOFT, fraction=f))
    np.testing.assert_allclose(media.moduli(staircase)[:3], ARRAYS[f], rtol=0.01)


def test_hashin_shtrikman_and_voigt_reuss():
    """Nested, attained by equal phases; one of them by laminates in the average over directions; textbook formulas in space."""
    for phases, f in (((SOFT, STIFF), (0.8, 0.2)), (SPACE[::-1], (0.6, 0.4))):
        reuss, voigt = exact.voigt_reuss_bounds(phases, f)
        lower, upper = exact.hashin_shtrikman_elastic(phases, f)
        for less, more in itertools.pairwise((reuss, lower, upper, voigt)):
            assert np.linalg.eigvalsh(forms(more) - forms(less))[0] > 1e-3
    for bound in (*exact.voigt_reuss_bounds((SOFT, SOFT)), *exact.hashin_shtrikman_elastic((SOFT, SOFT))):
        np.testing.assert_allclose(bound, SOFT, atol=1e-14)
    (K1, m1), (K2, m2), f2 = (1.0, 0.4), (20.0, 6.0), 0.3
    phases = [media.stiffness(lam=K - 2 * m / 3, mu=m, dim=3) for K, m in ((K1, m1), (K2, m2))]
    lower, _ = exact.hashin_shtrikman_elastic(phases, (1 - f2, f2))
    K = K1 + f2 / (1 / (K2 - K1) + 3 * (1 - f2) / (3 * K1 + 4 * m1))
    m = m1 + f2 / (1 / (m2 - m1) + 6 * (K1 + 2 * m1) * (1 - f2) / (5 * m1 * (3 * K1 + 4 * m1)))
    np.testing.assert_allclose(lower, media.stiffness(lam=K - 2 * m / 3, mu=m, dim=3), rtol=1e-13, atol=1e-13)
    softest, young = exact.voigt_reuss_bounds(phases, (1 - f2, f2))[0], [media.moduli(phase).E for phase in phases]
    assert pytest.approx(1 / ((1 - f2) / young[0] + f2 / young[1])) == media.moduli(softest).E


def test_the_array_lies_between_its_bounds():
    """In the mean over rotations, for a square array is not isotropic: K as it is, and mu of both shears above the bound."""
    for f, (C11, C12, C66) in ARRAYS.items():
        lower, upper = (media.moduli(b) for b in exact.hashin_shtrikman_elastic((SOFT, STIFF), (1 - f, f)))
        assert lower.C11 + lower.C12 < C11 + C12 < upper.C11 + upper.C12
        assert lower.C66 < (C66 + (C11 - C12) / 2) / 2 < upper.C66


# -- invariants of the cell -----------------------------------------------------------------------------------------------


RANDOM = {
    "tiles": media.random_checkerboard(SOFT, STIFF, rng=5, tile=0.5),
    "disks": media.random_disks(STIFF, SOFT, radius=0.15, rng=5, tile=0.5),
    "grains": media.gaussian_phases(SOFT, media.from_voigt([[5, 1, 0.5], [1, 3, 0], [0.5, 0, 2]]), length=0.25, rng=5),
    "fibre": media.inclusion(STIFF, SOFT, radius=0.3),
    "squares": media.inclusion(lambda x: media.stiffness(10 + x[0], 0.3), SOFT, radius=0.25, shape="square"),
    "board": media.checkerboard(STIFF, SOFT),
}


@pytest.mark.parametrize("name", RANDOM)
def test_bounds_symmetries_and_the_order_of_boundary_conditions(name):
    """Reuss <= Neumann <= periodic <= Dirichlet <= Voigt of what the sample really holds, and symmetries."""
    medium, x, found = RANDOM[name], np.array([0.3, 0.4]), []
    for bc in ("neumann", "periodic", "dirichlet"):
        A = hmm.CellProblem(n=16, bc=bc, tol=1e-10).effective_tensor(medium, x)
        np.testing.assert_array_equal(A, A.swapaxes(0, 1))
        np.testing.assert_array_equal(A, A.swapaxes(2, 3))
        np.testing.assert_allclose(A, A.transpose(2, 3, 0, 1), atol=1e-9)
        found.append(forms(A))
    y = hmm.CellProblem(n=16).grid.points[:, None]
    here = forms(np.broadcast_to(medium(x[:, None, None], y), (2, 2, 2, 2, 1, y.shape[2]))[..., 0, :])
    chain = [np.linalg.inv(np.linalg.inv(here).mean(axis=0)), *found, here.mean(axis=0)]
    for lower, upper in itertools.pairwise(chain):
        gap = np.linalg.eigvalsh(upper - lower)
        assert gap[0] > -1e-8 and gap[-1] > 1e-3


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("dim", (2, 3))
def test_hill_and_mandel(dim, bc):
    """<sigma : epsilon> = <sigma> : <epsilon>, for the fields of all strains against each other, to round-off."""
    n, medium = (16, RANDOM["disks"]) if dim == 2 else (6, media.inclusion(*SPACE, radius=0.3, shape="sphere"))
    # The energy of a box needs fields to half the digits of tol only, the flux through a window needs all of them.
    cell = hmm.CellProblem(dim=dim, n=n, bc=bc, tol=1e-13, window=("smooth", 1), average="flux")
    w = cell.solve(medium).correctors
    grid = Q1Grid(dim, n, 1.0, "neumann", "vector")
    gradient = grid.gradient(w.reshape(1, dim**2, dim, *(n + 1,) * dim))[0].reshape(*(dim,) * 4, -1)
    one = np.eye(dim)
    drive = np.einsum("ik,jl->ijkl", one, one)
    strain = gradient + (drive + drive.swapaxes(0, 1))[..., None] / 2
    a = np.broadcast_to(medium(None, cell.grid.points[:, None]), (*(dim,) * 4, 1, gradient.shape[-1]))[..., 0, :]
    stress = np.einsum("klmnp,ijmnp->ijklp", a, strain)
    work = np.einsum("ijklp,mnklp->ijmn", stress, strain) / strain.shape[-1]
    mean = np.einsum("ijkl,mnkl->ijmn", stress.mean(axis=-1), strain.mean(axis=-1))
    np.testing.assert_allclose(work, mean, rtol=0, atol=1e-11 * np.abs(work).max())
    np.testing.assert_allclose(strain.mean(axis=-1), (drive + drive.swapaxes(0, 1)) / 2, atol=1e-12)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("options", ({}, {"size": 1.5, "buffer": 0.25}, {"window": ("smooth", 2), "size": 2.0}))
def test_a_quarter_turn_and_a_mirror(bc, options):
    medium, cell = RANDOM["grains"], hmm.CellProblem(n=8, bc=bc, tol=1e-9, **options)
    A = cell.effective_tensor(medium)
    for R in (np.array([[0.0, -1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])):
        moved = cell.effective_tensor(lambda x, y, R=R: turned(R, medium(x, np.tensordot(R.T, y, axes=1))))
        np.testing.assert_allclose(moved, turned(R, A), atol=1e-7)


def test_square_symmetry_leaves_three_moduli():
    A = hmm.CellProblem(n=16, tol=1e-11).effective_tensor(RANDOM["fibre"])
    C11, C12, C66, *_ = media.moduli(A)
    np.testing.assert_allclose(media.voigt(A), [[C11, C12, 0], [C12, C11, 0], [0, 0, C66]], atol=1e-9)


def test_all_boundary_conditions_meet_on_large_samples():
    """Their gap falls like one over the side of the sample; windows with a buffer come closer."""
    medium, periodic = RANDOM["board"], hmm.CellProblem(n=8).effective_tensor(RANDOM["board"])
    gaps = []
    for size in (2.0, 4.0):
        soft, stiff = (
            hmm.CellProblem(n=8, bc=bc, size=size).effective_tensor(medium) for bc in ("neumann", "dirichlet")
        )
        assert np.linalg.eigvalsh(forms(periodic - soft))[0] > 0 < np.linalg.eigvalsh(forms(stiff - periodic))[0]
        gaps.append(np.abs(stiff - soft).max())
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.3)
    windowed = hmm.CellProblem(n=8, bc="dirichlet", size=3.0, buffer=0.5, window=("smooth", 2)).effective_tensor(medium)
    assert np.abs(windowed - periodic).max() < gaps[1] / 4


# -- FE^2 -----------------------------------------------------------------------------------------------------------------


def graded_fibre():
    return media.inclusion(lambda x: media.stiffness(5 + 4 * x[0], 0.3), SOFT, fraction=lambda x: 0.2 + 0.15 * x[1])


def classical_fe2(basis, medium, n, traction, clamped):
    """Newton's method on the macro mesh, a representative volume at each Gauss point; forces from the mean stresses."""
    volume, u = ch12.RepresentativeVolume(n), np.zeros(basis.N)
    x = np.asarray(basis.global_coordinates())
    free = np.setdiff1d(np.arange(basis.N), clamped)
    for _ in range(3):
        grad = np.asarray(basis.interpolate(u).grad)
        stress, tangent = np.empty((2, 2, *x.shape[1:])), np.empty((2, 2, 2, 2, *x.shape[1:]))
        for e, q in np.ndindex(*x.shape[1:]):
            stress[..., e, q], tangent[..., e, q] = volume.respond(medium, x[:, e, q], grad[:, :, e, q])
        residual = (traction - ch12.internal_forces(basis, stress))[free]
        if np.abs(residual).max() < 1e-12 * np.abs(traction).max():
            break
        K = ch12.stiffness_matrix(basis, tangent)[free][:, free]
        u[free] += scipy.sparse.linalg.spsolve(K.tocsc(), residual)
    return u, stress, tangent


def cantilever(nx, ny, length=2.0, height=0.5):
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, length, nx + 1), np.linspace(0, height, ny + 1))
    return mesh.with_boundaries({"wall": lambda x: x[0] < 1e-9, "end": lambda x: x[0] > length - 1e-9})


def test_fe2_is_hmm():
    """FE^2 (Feyel and Chaboche 2000) written out beside ``solve_elliptic``: displacements, stresses, tangents to round-off."""
    basis = hmm.macro_basis(cantilever(4, 2), skfem.ElementVector(skfem.ElementQuad1()))
    traction = skfem.LinearForm(lambda v, w: -v[1]).assemble(basis.boundary("end"))
    u, stress, tangent = classical_fe2(basis, graded_fibre(), 8, traction, basis.get_dofs("wall").flatten())
    closure = hmm.CellClosure(graded_fibre(), hmm.CellProblem(n=8, tol=1e-13))
    U = hmm.solve_elliptic(
        basis, closure, 0.0, dirichlet={"wall": 0.0}, neumann={"end": np.array([0.0, -1.0])}, tol=1e-13
    )
    np.testing.assert_allclose(U.u, u, rtol=0, atol=1e-11 * np.abs(u).max())
    np.testing.assert_allclose(U.flux, stress, rtol=0, atol=1e-11 * np.abs(stress).max())
    memory = U.memory["tensor"].reshape(tangent.shape)
    np.testing.assert_allclose(memory, tangent, rtol=0, atol=1e-12 * np.abs(tangent).max())
    computed = hmm.CellProblem(n=8, tol=1e-13)
    V = hmm.solve_elliptic(
        basis,
        hmm.ExactClosure(lambda x: computed.effective_tensor(graded_fibre(), x)),
        0.0,
        dirichlet={"wall": 0.0},
        neumann={"end": np.array([0.0, -1.0])},
        tol=1e-13,
    )
    np.testing.assert_allclose(V.u, U.u, rtol=0, atol=1e-12 * np.abs(u).max())


def test_a_beam_resolved():
    """A clamped beam of 8 x 2 and 16 x 4 periods, every fibre in the mesh: HMM's deflection is met as eps falls."""
    medium = media.inclusion(STIFF, SOFT, radius=0.25, shape="square")
    data = {"source": 0.0, "dirichlet": {"wall": 0.0}, "neumann": {"end": np.array([0.0, -1e-3])}}
    element = skfem.ElementVector(skfem.ElementQuad2())
    closure = hmm.CellClosure(medium, hmm.CellProblem(n=32))
    U = hmm.solve_elliptic(hmm.macro_basis(cantilever(16, 4), element), closure, **data)
    assert U.micro_solves == 1
    tip, gaps = np.array([[2.0], [0.25]]), []
    for eps in (1 / 4, 1 / 8):
        n = round(8 / eps)
        basis = hmm.macro_basis(cantilever(2 * n, n // 2), element)
        resolved = hmm.solve_elliptic(basis, hmm.ExactClosure(Oscillating(medium, eps)), **data)
        gaps.append(abs(resolved.at(tip)[1, 0] / U.at(tip)[1, 0] - 1))
    assert gaps[0] < 0.05 and gaps[1] < 0.01, gaps


# -- bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    (
        (lambda: media.stiffness(E=0, nu=0.3), "E=0: must be positive"),
        (lambda: media.stiffness(E=1, nu=0.6), r"nu=0.6: Poisson's ratio .* between -1 and 1/2"),
        (lambda: media.stiffness(E=1, nu=-1), "nu=-1.0: Poisson"),
        (lambda: media.stiffness(E=1, nu=np.nan), "nu=nan: Poisson"),
        (lambda: media.stiffness(E=1, nu=0.51, plane="stress"), "nu=0.51: Poisson"),
        (lambda: media.stiffness(E=1, nu=0.5), "nu=0.5: an incompressible phase has no stiffness .*lam is infinite"),
        (lambda: media.stiffness(E=1, nu=[0.3, 0.5], dim=3), r"nu=\[0.3, 0.5\]: an incompressible phase"),
        (lambda: media.stiffness(lam=np.inf, mu=1), "lam=inf: an incompressible phase"),
        (lambda: media.stiffness(lam=-0.7, mu=1), "lam=-0.7: must be above -2 mu/3"),
        (lambda: media.stiffness(lam=1, mu=0), "mu=0: must be positive"),
        (lambda: media.stiffness(E=1), "E=1: give E and nu, or lam and mu"),
        (lambda: media.stiffness(E=1, nu=0.3, lam=1, mu=1), "give E and nu, or lam and mu"),
        (lambda: media.stiffness(), "nothing given: give E and nu"),
        (lambda: media.stiffness(1, 0.3, dim=1), "dim=1: must be 2 or 3"),
        (lambda: media.stiffness(1, 0.3, plane="plate"), "plane='plate'"),
        (lambda: media.stiffness(1, 0.3, dim=3, plane="stress"), "plane='stress': plane stress is a state of plates"),
        (lambda: media.from_voigt(np.eye(4)), r"matrix.shape=\(4, 4\)"),
        (lambda: media.voigt(np.eye(3)), r"stiffness.shape=\(3, 3\)"),
        (lambda: media.mandel(np.eye(3)), r"stiffness.shape=\(3, 3\)"),
        (lambda: media.moduli(np.eye(3)), r"stiffness.shape=\(3, 3\)"),
        (
            lambda: media.inclusion(-STIFF, SOFT, radius=0.1),
            "inside: the stiffness with Voigt matrix .* positive definite",
        ),
        (lambda: media.inclusion(STIFF, 0 * SOFT, radius=0.1), "matrix: the stiffness with Voigt matrix"),
        (lambda: media.inclusion(STIFF, 1.0, radius=0.1), "shapes of inside, matrix.*all be stiffnesses"),
        (lambda: media.inclusion(SPACE[0], SPACE[1], radius=0.1), "inside=.*medium's dimension, 2"),
        (lambda: media.laminate((STIFF, -SOFT)), r"values\[1\]: the stiffness with Voigt matrix"),
        (lambda: media.laminate((STIFF, 2.0)), "all be stiffnesses"),
        (
            lambda: media.checkerboard(STIFF, media.from_voigt(np.diag([1, 1, 0]))),
            "k2: the stiffness with Voigt matrix",
        ),
        (lambda: media.random_checkerboard(STIFF, -SOFT, rng=0), "k2: the stiffness with Voigt matrix"),
        (lambda: media.random_disks(SPACE[0], 1.0, dim=3, radius=0.1, rng=0), "all be stiffnesses"),
        (lambda: media.constant(np.ones((2, 2, 2, 2))), "value: the stiffness"),
        (lambda: exact.laminate((STIFF, 1.0)), "all be stiffnesses"),
        (lambda: exact.laminate((STIFF, -STIFF)), "n.a n must be positive definite"),
        (lambda: exact.voigt_reuss_bounds((STIFF, -STIFF)), r"phases\[1\]: the stiffness"),
        (lambda: exact.hashin_shtrikman_elastic((STIFF, media.from_voigt(np.diag([1.0, 2, 1])))), "must be isotropic"),
        (lambda: media.checkerboard(STIFF, SOFT).effective(), "no closed form"),
        (lambda: media.random_checkerboard(STIFF, SOFT, rng=0).effective(), "no closed form"),
    ),
)
def test_bad_input_names_the_phase(make, words):
    with pytest.raises((ValueError, NotImplementedError), match=words):
        make()


def test_bad_functions_of_x():
    y, x = np.zeros((2, 1, 5)), np.zeros((2, 3, 1))
    wrong = media.inclusion(lambda x: np.ones((3, 3, 1)), SOFT, radius=0.2)
    with pytest.raises(ValueError, match=r"returned shape \(3, 3, 1\) for x of shape \(2, 3, 1\)"):
        wrong(x, y)
    mixed = media.inclusion(lambda x: 1 + x[0], SOFT, radius=0.2)
    with pytest.raises(ValueError, match="all must be stiffnesses"):
        mixed(x, y)
    soft = media.inclusion(lambda x: media.stiffness(x[0] - 1, 0.3) if x[0].min() > 1 else -STIFF, SOFT, radius=0.2)
    with pytest.raises(ValueError, match=r"stiffness a\(x, y\) must be positive definite .*y=\["):
        hmm.CellProblem(n=8).effective_tensor(soft, x[:, :, 0])
