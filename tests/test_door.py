"""The door of the micro solver: scales, shapes, slow variables and magnitudes of media and laws, none of them silently wrong."""

import re
import warnings
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core import compare, laws, media
from hmm_core.media import Affine, Sine
from hmm_core.micro import krylov
from hmm_core.micro.ensemble import Ensemble, effective_ensemble
from hmm_core.micro.nonlinear import solve_nonlinear
from hmm_core.micro.sample import ellipticity, is_symmetric, least_pivot, sample, smallest_eigenvalue


def sin(t):
    return np.sin(2 * np.pi * t)


def cos(t):
    return np.cos(2 * np.pi * t)


# -- a medium that knows its scale ----------------------------------------------------------------------------------------


def bent(x):
    return x[0] + 0.4 * x[1] ** 2


WAVE = Sine(2, 1)
MATERIAL, FROZEN = media.stratified(WAVE, bent, eps=0.01), media.stratified(WAVE, bent)
PLANE = media.stratified(WAVE, Affine(0.3, (1.0, 0.0)))
X = np.array([[0.3, 0.8], [0.1, 0.5]])


@dataclass(frozen=True)
class Twice:
    """A user's medium that holds another one."""

    inner: object

    def __call__(self, x, y):
        return 2 * np.asarray(self.inner(x, y))


def one_of(medium, x, y):
    return medium(x, y)


WRAPPED = (
    lambda medium: medium,
    lambda medium: media.graded(Affine(1, (0.1, 0)), medium),
    lambda medium: media.function(medium),
    lambda medium: media.graded(Affine(1, (0.1, 0)), media.function(Twice(medium))),
    lambda medium: partial(one_of, medium),
)


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_material_is_sampled_with_its_own_eps_only(wrap):
    """Frozen, sin(2 pi theta(x)/eps) is one number in the whole cell: the answer was 3.0 where 1.73 is right."""
    cell = hmm.CellProblem(n=8)
    medium = wrap(MATERIAL)
    assert cell.effective_tensor(medium, X, eps=0.01).shape == (2, 2, 2)
    for eps in (None, 0.02):
        words = f"eps={eps!r}.*only be sampled with eps=0.01"
        with pytest.raises(ValueError, match=words):
            cell.effective_tensor(medium, X, eps=eps)
        with pytest.raises(ValueError, match=words):
            hmm.CellClosure(medium, cell, eps)(X, np.zeros(2), np.ones((2, 2)))
        for law in (laws.PowerLaw(medium, 3.0), laws.WithDerivatives(Twice(medium)), laws.Quasilinear(Twice(medium))):
            with pytest.raises(ValueError, match=words):
                solve_nonlinear(cell, law, X, np.zeros(2), np.ones((2, 2)), eps)
    with pytest.raises(ValueError, match=r"only be sampled with eps=0.01"):
        cell.effective_tensor(medium)
    with pytest.raises(ValueError, match=r"eps=0.05.*only be sampled with eps=0.01"):
        compare.resolve(skfem.MeshTri().refined(6), skfem.ElementTriP1(), medium, 0.05, 1.0)


def test_curved_layers_seen_frozen_are_no_material():
    """b(x, grad theta(x) . x/eps) has another wave vector than b(x, theta(x)/eps), unless the layers are plane."""
    cell = hmm.CellProblem(n=8)
    with pytest.raises(
        ValueError, match=r"eps=0.01, but stratified.*only be sampled with eps=None \(slow variable frozen\)"
    ):
        cell.effective_tensor(FROZEN, X, eps=0.01)
    assert cell.effective_tensor(FROZEN, X).shape == (2, 2, 2)
    frozen, cut = (cell.effective_tensor(PLANE, X, eps) for eps in (None, 0.01))
    material = cell.effective_tensor(replace(PLANE, eps=0.01), X, 0.01)
    np.testing.assert_allclose(cut, frozen, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(material, cut, rtol=1e-6, atol=1e-12)


@dataclass(frozen=True)
class Strata:
    """A random medium whose realisations are materials."""

    eps: float

    def realisation(self, i):
        return media.stratified(WAVE, Affine(i / 7, (1.0, 0.5)), eps=self.eps)


def test_an_ensemble_of_materials():
    cell = hmm.CellProblem(n=4, bc="dirichlet", size=1.5)
    x = np.array([0.2, 0.6])
    ensemble = effective_ensemble(Strata(0.01), cell, 3, x=x, eps=0.01)
    alone = cell.effective_tensor(Strata(0.01).realisation(1), x, 0.01)
    np.testing.assert_allclose(ensemble.samples[..., 1], alone, rtol=1e-12)
    for options in ({"x": x}, {"x": x, "eps": 0.02}, {}):
        with pytest.raises(ValueError, match=r"only be sampled with eps=0.01"):
            effective_ensemble(Strata(0.01), cell, 3, **options)


# -- shapes that can mean two things --------------------------------------------------------------------------------------


def points(count, dim=2):
    return np.linspace(0, 0.6, count) * np.array([[1.0], [0.5], [0.3]])[:dim]


FLAT = {  # media that squeeze, transpose or list an axis, with numbers of points at which nobody saw it
    "one value per macro point": (lambda x, y: 1 + x[0].ravel(), 256),
    "that, times a field": (lambda x, y: (1 + x[0].ravel()) * (2 + sin(y[0])), 256),
    "points and macro points exchanged": (lambda x, y: (1 + x[0] + 0 * y[0]).T, 256),
    "a tensor per macro point": (lambda x, y: np.eye(2)[:, :, None] * (1 + x[0].ravel()), 256),
    "the entries of a diagonal": (lambda x, y: np.array([1 + x[0] + 0 * y[0], 2 + sin(y[0]) + x[0]]), 2),
    "macro points first": (lambda x, y: (1 + x[0])[..., None] * np.eye(2), 2),
    "one number per component": (lambda x, y: np.array([[1.0], [2.0]]) + 0 * y[0], 2),
}


@pytest.mark.parametrize("name", FLAT)
def test_shapes_that_fit_by_chance_are_refused(name):
    medium, count = FLAT[name]
    cell = hmm.CellProblem(n=8)  # 256 micro points
    for many in (count, 5):
        with pytest.raises(ValueError, match=r"shape|raised"):
            cell.effective_tensor(medium, points(many))
    with pytest.raises(ValueError, match=r"shape|raised"):
        hmm.CellProblem(n=8).effective_tensor(medium, points(256 + count))  # another chunk, with as many points


@pytest.mark.parametrize("count", (1, 2, 3, 4, 5, 16, 64, 256))
@pytest.mark.parametrize("dim", (1, 2, 3))
def test_shapes_that_are_right_are_right_for_every_number_of_points(dim, count):
    """Sixteen (n = 2), sixty-four micro points: as many as macro points, as components, or not."""
    cell = hmm.CellProblem(dim=dim, n=2, scheme="fourier" if dim > 1 else "q1")
    x = points(count, dim)

    def scalar(x, y):
        return 1 + x[0] + 0.5 * cos(y[0])

    def tensor(x, y):
        return np.diag(np.arange(1.0, dim + 1))[..., None, None] * scalar(x, y)

    kinds = {"scalar": scalar, "slow": lambda x, y: 1 + x[0], "tensor": tensor, "number": lambda x, y: 2.0}
    kinds |= {"matrix": lambda x, y: np.eye(dim), "fast": lambda x, y: 2 + cos(y[0])}
    if dim > 1:
        kinds["stiffness"] = lambda x, y: (
            np.einsum("ik,jl->ijkl", np.eye(dim), np.eye(dim))[..., None, None] * scalar(x, y)
        )
    for medium in kinds.values():
        together = cell.effective_tensor(medium, x)
        for k in (0, count - 1):
            np.testing.assert_allclose(together[..., k], cell.effective_tensor(medium, x[:, k]), rtol=1e-12, atol=1e-15)


def test_a_medium_is_asked_again_once_and_only_where_numbers_coincide():
    calls = []

    def medium(x, y):
        calls.append((x.shape[1], y.shape[2]))
        return 1 + x[0] + 0.5 * cos(y[0])

    cell = hmm.CellProblem(n=8)
    cell.effective_tensor(medium, points(512))
    assert calls == [(256, 256), (3, 4), (256, 256)]
    calls.clear()
    cell.effective_tensor(medium, points(300))
    assert calls == [(256, 256), (3, 4), (44, 256)]
    calls.clear()
    cell.effective_tensor(medium, points(100))
    assert calls == [(100, 256)]


def test_sample_reads_rank_where_all_numbers_are_equal():
    """K = P = d = 2: a (2, 2) answer may be a tensor or a field; asked again, it shows."""
    x, y = np.array([[[0.1], [0.4]], [[0.0], [0.3]]]), np.array([[[0.2, 0.7]], [[0.1, 0.6]]])
    assert sample(lambda x, y: np.eye(2), x, y).shape == (1, 4, 2)
    field = sample(lambda x, y: 1 + x[0] + y[0], x, y)
    np.testing.assert_allclose(field[:, 0], 1 + x[0] + y[0])
    stiffness = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(2))
    assert sample(lambda x, y: stiffness, x, y).shape == (1, 16, 2)
    tensors = sample(lambda x, y: np.eye(2)[..., None, None] * (1 + x[0] + y[0]), x, y)
    np.testing.assert_allclose(tensors[:, 3], 1 + x[0] + y[0])


def test_a_stored_field_is_a_medium_where_nothing_is_ambiguous():
    cell = hmm.CellProblem(n=8)
    stored = 1.5 + sin(cell.grid.points[0])
    assert cell.effective_tensor(lambda x, y: stored).shape == (2, 2)
    assert cell.effective_tensor(lambda x, y: stored, points(7)).shape == (2, 2, 7)
    with pytest.raises(ValueError, match="other numbers of points"):
        cell.effective_tensor(lambda x, y: stored, points(256))


@dataclass(frozen=True)
class Squeezing:
    def realisation(self, i):
        return lambda x, y: (1 + i + 0.5 * cos(y[0])).ravel()


def test_an_ensemble_reads_each_realisation_by_itself():
    cell = hmm.CellProblem(n=2, scheme="fourier")
    for count in (2, 4, 5):  # 2 components, 4 micro points
        ensemble = effective_ensemble(Squeezing(), cell, count)
        for k in range(count):
            np.testing.assert_allclose(
                ensemble.samples[..., k], cell.effective_tensor(Squeezing().realisation(k)), rtol=1e-12
            )


def flux_of(j=None, dj_du=None, dj_dxi=None):
    def law(x, y, u, xi):
        a = 1 + x[0] + 0.5 * cos(y[0])
        parts = a * xi, 0.0, a
        return tuple(
            part if given is None else given(a, xi) for given, part in zip((j, dj_du, dj_dxi), parts, strict=True)
        )

    return law


@pytest.mark.parametrize(
    "law, count",
    (
        (flux_of(j=lambda a, xi: a * xi[0]), 5),  # one component for all
        (flux_of(j=lambda a, xi: (a * xi)[:, 0]), 2),
        (flux_of(dj_du=lambda a, xi: a), 5),
        (flux_of(j=lambda a, xi: (a * xi).swapaxes(0, 1)), 2),  # macro points first
        (flux_of(j=lambda a, xi: (a * xi).swapaxes(1, 2)), 64),
        (flux_of(dj_dxi=lambda a, xi: (a + 0 * xi[0]).T), 64),
        (lambda x, y, u, xi: ((1 + x[0].ravel()) * xi, 0.0, 1 + x[0].ravel()), 64),
        (lambda x, y, u, xi: ((1 + u.ravel()) * xi, 0.0, 1 + u.ravel()), 64),
    ),
)
def test_laws_that_fit_by_chance_are_refused(law, count):
    cell = hmm.CellProblem(n=4)  # 64 micro points
    for many in (count, 7):
        with pytest.raises(ValueError, match=r"shape|raised"):
            solve_nonlinear(cell, law, points(many), np.zeros(many), np.ones((2, many)))


def test_laws_that_are_right_are_asked_again_once():
    calls = []

    def law(x, y, u, xi):
        calls.append(xi.shape)
        a = 1 + x[0] + 0.5 * cos(y[0])
        return a * xi, 0.0, a

    cell = hmm.CellProblem(n=4)
    micro = solve_nonlinear(cell, law, points(64), np.zeros(64), np.ones((2, 64)))
    assert calls[0] == (2, 3, 4) and (2, 3, 4) not in calls[1:]
    tensor = cell.effective_tensor(lambda x, y: 1 + x[0] + 0.5 * cos(y[0]), points(64))
    np.testing.assert_allclose(micro.flux, tensor.sum(axis=1), rtol=1e-7)
    calls.clear()
    solve_nonlinear(cell, law, points(5), np.zeros(5), np.ones((2, 5)))
    assert (2, 3, 4) not in calls


# -- a slow variable that hides -------------------------------------------------------------------------------------------


def branching(x, y):
    if x[0] > 0.9:  # works for one point at a time only
        return 3.0
    return 1.0


def bounded(x, y):
    if np.any(np.abs(x) > 5):
        raise ValueError("outside of the measured range")
    return 2.0


HIDING = {
    "a step": lambda x, y: np.where(x[0] > 0.5, 3.0, 1.0),
    "a step close to zero": lambda x, y: np.where(x[0] > 1e-9, 3.0, 1.0),
    "a step far away": lambda x, y: np.where(x[1] > 30, 3.0, 1.0),
    "a step on the other side": lambda x, y: np.where(x[0] < -2.5, 3.0, 1.0),
    "an oblique step": lambda x, y: np.where(x[0] - x[1] > 4, 3.0, 1.0),
    "the same at the two points that were probed": lambda x, y: 2 + np.sin(np.pi * x[0] / 0.382),
    "a bump": lambda x, y: 1 + np.exp(-40 * (x[0] - 0.55) ** 2 - 40 * (x[1] - 0.35) ** 2) + 0 * y[0],
    "its second component": lambda x, y: 1 + x[1] ** 2,
    "a branch": branching,
    "a range": bounded,
    "tensors": lambda x, y: np.eye(2)[..., None, None] * (2 + x[0] * sin(y[0])),
    "interfaces": media.inclusion(10, fraction=Affine(0.3, (0.01, 0))),
    "a phase": media.stratified(WAVE, bent),
}


@pytest.mark.parametrize("name", HIDING)
def test_a_slow_variable_is_found(name):
    with pytest.raises(ValueError, match="depends on x"):
        hmm.CellProblem(n=8, bc="dirichlet", size=1.5, offset=0.5).effective_tensor(HIDING[name])

    class Random:
        def realisation(self, i):
            return HIDING[name]

    with pytest.raises(ValueError, match="depends on x"):
        effective_ensemble(Random(), hmm.CellProblem(n=8), 2)


@pytest.mark.parametrize(
    "medium",
    (
        lambda x, y: 2.0,
        lambda x, y: 2 + 0 * x[0] + sin(y[0]),
        lambda x, y: np.where(x[0] > np.inf, np.nan, 1.0 + 0 * y[0]),
        lambda x, y: 1 + np.exp(-(0.0 * x[0])) + cos(y[1]),
        media.checkerboard(1, 10),
        PLANE,
    ),
)
def test_media_that_do_not_depend_on_x_need_none(medium):
    assert hmm.CellProblem(n=8).effective_tensor(medium).shape == (2, 2)


# -- magnitudes -----------------------------------------------------------------------------------------------------------


def scalar_wave(x, y):
    return 2 + cos(y[0]) * cos(y[-1]) + 0.5 * sin(y[0])


def tensor_wave(x, y):
    d, a = len(y), np.eye(len(y))[..., None, None] * (2 + cos(y[0]))
    a = a * np.arange(1.0, d + 1)[:, None, None, None]
    if d > 1:
        a[0, 1] = a[1, 0] = 0.3 * sin(y[1])
    return a


def swirl(x, y):
    a = tensor_wave(x, y)
    a[0, 1] += 0.9 * sin(y[0])
    a[1, 0] -= 0.9 * sin(y[0])
    return a


def times(medium, size):
    def scaled(x, y):
        with np.errstate(over="ignore"):
            return size * medium(x, y)

    return scaled


CELLS = (
    {"dim": 1},
    {"dim": 1, "bc": "neumann", "size": 1.3, "average": "flux"},
    {"dim": 1, "average": "energy", "size": 1.3, "buffer": 0.2},
    {},
    {"bc": "dirichlet", "buffer": 0.2},
    {"bc": "neumann", "window": ("smooth", 1)},
    {"scheme": "fourier", "n": 9},
    {"dim": 3, "n": 4, "bc": "neumann"},
)


@pytest.mark.parametrize(
    "medium, cell",
    [(medium, cell) for medium in (scalar_wave, tensor_wave) for cell in CELLS]
    + [(swirl, cell) for cell in CELLS if cell.get("dim") != 1],
)
def test_a_power_of_two_changes_nothing_else(medium, cell):
    problem = hmm.CellProblem(**{"n": 8} | cell)
    one = problem.solve(medium)
    for power in (-900, -400, 30, 700, 1020):
        other = problem.solve(times(medium, 2.0**power))
        np.testing.assert_array_equal(np.ldexp(other.tensor, -power), one.tensor)
        np.testing.assert_array_equal(other.correctors, one.correctors)
    for size in (1e-308, 3e-310):  # subnormal numbers, as good as they are
        np.testing.assert_allclose(
            problem.effective_tensor(times(medium, size)) / size, one.tensor, rtol=1e-12, atol=1e-12
        )
    with pytest.raises(ValueError, match=r"effective tensor is about .*2\*\*-10\d\d.*another unit"):
        problem.effective_tensor(times(medium, 1e-318))
    with pytest.raises(ValueError, match="not finite at x="):
        problem.effective_tensor(times(medium, 1.7e308))


@pytest.mark.parametrize("kind, options", (("zero-order", {}), ("zero-order", {"bc": "dirichlet"}),
                         ("parabolic", {"bc": "dirichlet", "window": ("smooth", 2)})))  # fmt: skip
def test_times_have_a_magnitude_of_their_own(kind, options):
    """A medium that is s times as large feels the time s T; far beyond either end it is as if T were infinite or zero."""
    cell = partial(hmm.CellProblem, n=8, **options)
    for size in (2.0**-1000, 2.0**-300, 2.0**20, 2.0**300, 2.0**1000):
        for T in (2.0**-900, 0.125, 2.0**900):
            tensor = cell(equation=(kind, T)).effective_tensor(times(tensor_wave, size)) / size
            if 1e-300 < T * size < 1e300:
                same = cell(equation=(kind, T * size)).effective_tensor(tensor_wave)
                np.testing.assert_allclose(tensor, same, rtol=1e-12, atol=1e-14)
            if T * size < 1e-30:
                window = hmm.CellProblem(n=8, **options).grid.window(1.0, options.get("window", "box"))
                mean = (tensor_wave(None, cell().grid.points[:, None])[..., 0, :] * window.ravel()).sum(axis=-1)
                np.testing.assert_allclose(tensor, mean, rtol=1e-12, atol=1e-14)
            if T * size > 1e30 and kind == "zero-order":
                np.testing.assert_allclose(tensor, cell().effective_tensor(tensor_wave), rtol=1e-7, atol=1e-8)


def test_long_times_are_the_elliptic_problem():
    """The constant, which a periodic zero-order term barely sees, is no part of any corrector: round-off is not blown up."""
    for dim in (1, 2):
        reference = hmm.CellProblem(dim=dim, n=16, equation=("zero-order", 1e9)).effective_tensor(scalar_wave)
        for T in (1e12, 1e16, 1e25, 1e60, 1e150, 1e300):
            tensor = hmm.CellProblem(dim=dim, n=16, equation=("zero-order", T)).effective_tensor(scalar_wave)
            np.testing.assert_allclose(tensor, reference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("T", (0.01, 0.1, 1.0, 1e3, 1e6, 1e12))
def test_the_factorisation_knows_that_a_zero_order_term_holds_constants(T, monkeypatch):
    cell = hmm.CellProblem(n=8, tol=1e-11, equation=("zero-order", T))
    first = cell.solve(swirl)
    monkeypatch.setattr(krylov, "PATIENCE", 2)
    monkeypatch.setattr(krylov, "SMALL", 1)
    rescued = cell.solve(swirl)
    assert (first.solver, rescued.solver) == ("fft-bicgstab", "lu")
    np.testing.assert_allclose(rescued.tensor, first.tensor, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(rescued.correctors, first.correctors, atol=1e-8)


@pytest.mark.parametrize("size", (1e-300, 1e-200, 1.0, 1e200, 1e300))
def test_definiteness_does_not_depend_on_the_unit(size):
    cell = hmm.CellProblem(n=4)
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match=r"positive definite.*at x=.*y="):
        cell.effective_tensor(lambda x, y: size * indefinite)
    definite = np.array([[1.0, 0.9], [0.9, 1.0]])
    np.testing.assert_allclose(cell.effective_tensor(lambda x, y: size * definite), size * definite, rtol=1e-12)
    in_space = np.array([[1.0, 0.6, 0.6], [0.6, 1.0, -0.6], [0.6, -0.6, 1.0]])  # eigenvalue -0.2
    with pytest.raises(ValueError, match="positive definite"):
        hmm.CellProblem(dim=3, n=2).effective_tensor(lambda x, y: size * in_space)


def test_an_indefinite_corner_of_a_strong_medium():
    """Weaker by 1e-20 than the rest of the sample, it is as indefinite as any."""

    def medium(x, y):
        corner = (np.abs(y[0] - 0.3) < 0.1) & (np.abs(y[1] - 0.3) < 0.1)
        weak = 1e-20 * np.array([[1.0, 2.0], [2.0, 1.0]])
        return np.where(corner, weak[..., None, None], np.eye(2)[..., None, None])

    with pytest.raises(ValueError, match=r"positive definite.*y=\[0\.[23]\d*, 0\.[23]\d*\]"):
        hmm.CellProblem(n=8).effective_tensor(medium)


@pytest.mark.parametrize("dim", (1, 2, 3))
@pytest.mark.parametrize("low, high", ((1e-200, 1e200), (1e-308, 1e300), (1e-310, 1.0)))
def test_what_no_double_holds_together_is_refused(dim, low, high):
    def medium(x, y):
        return np.where(np.abs(y[0]) < 0.25, low, high)

    for a in (medium, lambda x, y: np.eye(dim)[..., None, None] * medium(x, y)):
        words = re.escape(f"varies from {low:.3g} ") + "at x=.*" + re.escape(f"to {high:.3g} ") + ".*double precision"
        with pytest.raises(ValueError, match=words):
            hmm.CellProblem(dim=dim, n=4).effective_tensor(a)


def test_a_line_of_contrast_1e290():
    medium = media.layered(media.Steps((1e-150, 1e140)), (1.0,))
    for average in ("ratio", "flux", "energy"):
        tensor = hmm.CellProblem(dim=1, n=4, average=average).effective_tensor(medium)
        assert tensor[0, 0] == pytest.approx(2e-150, rel=1e-12, abs=0)


def test_no_warning_at_any_size():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (1e-308, 1e-155, 1e155, 1e305):
            hmm.CellProblem(n=4).effective_tensor(times(tensor_wave, size))


@pytest.mark.parametrize("dim, bc", ((1, "periodic"), (1, "neumann"), (2, "periodic"), (2, "neumann")))
@pytest.mark.parametrize("p", (1.5, 2.0, 3.0))
def test_nonlinear_laws_of_every_size(dim, bc, p):
    """Squares of small fluxes are no numbers: the p-Laplacian of size 1e-200 was 1 % off on the line."""
    cell, x, u, grad = hmm.CellProblem(dim=dim, n=6, bc=bc), np.zeros((dim, 1)), np.zeros(1), np.full((dim, 1), 0.7)
    one = solve_nonlinear(cell, laws.PowerLaw(scalar_wave, p), x, u, grad)
    for size in (1e-250, 1e-200, 1e-160, 1e-30, 1e140):
        law = laws.PowerLaw(times(scalar_wave, size), p)
        other = solve_nonlinear(cell, law, x, u, grad)
        np.testing.assert_allclose(other.flux / size, one.flux, rtol=1e-8)
        np.testing.assert_allclose(other.d_dgrad / size, one.d_dgrad, rtol=1e-7, atol=1e-7)
        other = solve_nonlinear(cell, laws.PowerLaw(scalar_wave, p), x, u, grad * 1e-20)
        np.testing.assert_allclose(other.flux / 1e-20 ** (p - 1), one.flux, rtol=1e-8)
    for size, words in ((1e-300, "too small for its energy"), (1e160, "not finite")):
        with pytest.raises(ValueError, match=words):
            solve_nonlinear(cell, laws.PowerLaw(times(scalar_wave, size), p), x, u, grad)
    with pytest.raises(ValueError, match=r"grad=7e\+199"):
        solve_nonlinear(cell, laws.PowerLaw(scalar_wave, p), x, u, grad * 1e200)
    assert not solve_nonlinear(cell, laws.PowerLaw(scalar_wave, p), x, u, grad * 1e-200).flux.any()


# -- thresholds: nothing is decided beside something stronger -------------------------------------------------------------


@pytest.mark.parametrize("bc", ("periodic", "dirichlet"))
def test_symmetry_is_decided_at_every_point(bc):
    """A matrix that is not symmetric was called so beside an inclusion 1e11 times as stiff: A_12 = -0.07 where 0.80 is right."""

    def medium(stiff):
        def field(x, y):
            matrix = np.eye(2)[..., None, None] + np.array([[0.0, 1.0], [-1.0, 0.0]])[..., None, None] * (
                1 + cos(y[0] + y[1])
            )
            return np.where(y[0] ** 2 + y[1] ** 2 < 0.05, stiff * np.eye(2)[..., None, None], matrix)

        return field

    right = hmm.CellProblem(n=8, bc=bc).effective_tensor(medium(1e4))
    assert right[0, 1] - right[1, 0] > 1.7
    np.testing.assert_allclose(hmm.CellProblem(n=8, bc=bc, tol=1e-2).effective_tensor(medium(1e10)), right, rtol=0.01)
    stiffer, stiff = (hmm.CellProblem(n=8, bc=bc).effective_tensor(medium(contrast)) for contrast in (1e11, 1e10))
    np.testing.assert_allclose(stiffer, stiff, rtol=1e-8)


def test_symmetry_relative_to_a_weak_direction():
    a = np.array([[1.0, 1e-11], [-1e-11, 1e-12]]).reshape(1, 4, 1, 1)
    assert not is_symmetric(a)[0]
    rounded = np.array([[1.0, 0.3 + 1e-16], [0.3, 1e-1]]).reshape(1, 4, 1, 1)
    assert is_symmetric(rounded)[0] and is_symmetric(np.ones((2, 1, 1, 1))).all()
    # What the tensor is asked for decides: a skew part of 1e-11 counts if twelve digits are wanted.
    skew = np.array([[1.0, 1e-11], [-1e-11, 1.0]])
    tight, plain = (hmm.CellProblem(n=4, tol=tol).solve(lambda x, y: skew) for tol in (1e-13, 1e-8))
    assert tight.solver == "fft-bicgstab" and plain.solver == "fft-cg"
    np.testing.assert_allclose(tight.tensor, skew, rtol=1e-9)


@pytest.mark.parametrize("L", (2, 3, 6))
def test_eigenvalues_and_pivots_beside_large_ones(L):
    weights = 10.0 ** -np.linspace(0, 24, L)
    root = np.linalg.cholesky(np.eye(L) + 0.3 / L)
    tensor = weights[:, None] * (root @ root.T) * weights if L > 2 else np.array([[1.0, 0.5e-12], [0.5e-12, 1e-24]])
    pivot = least_pivot(tensor[None, :, :, None])[0, 0]
    assert pivot > 0
    assert least_pivot(-tensor[None, :, :, None])[0, 0] < 0
    if L == 2:
        value = smallest_eigenvalue(tensor[None, :, :, None])[0, 0]
        assert value == pytest.approx(0.75e-24, rel=1e-12, abs=0)
        for weak in (1e-300, 1e-150, 1.0):
            both = np.array([[weak, 0.5 * weak], [0.5 * weak, weak]])[None, :, :, None]
            assert smallest_eigenvalue(both)[0, 0] == pytest.approx(0.5 * weak, rel=1e-12, abs=0)
        random = np.random.default_rng(0).standard_normal((50, 2, 2, 3))
        symmetric = np.moveaxis(random + random.swapaxes(1, 2), -1, 1) / 2
        np.testing.assert_allclose(smallest_eigenvalue(random), np.linalg.eigvalsh(symmetric)[..., 0], atol=1e-12)
    low, harmonic = ellipticity(tensor.reshape(1, L * L, 1, 1), np.diag(tensor)[None])
    assert np.isfinite(low[0]) and np.isfinite(harmonic[0]) and low[0] > 0


def test_a_weak_direction_of_the_parabolic_tensor_is_as_accurate_as_a_strong_one():
    """The space grew until the tensor stood still relative to its largest entry: the weak one was 3e-4 off at tol = 1e-4."""

    def medium(x, y):
        a = np.zeros((2, 2, *y[0].shape))
        a[0, 0] = 1e-3 * np.exp(2 * sin(y[0]) + sin(y[1] + 2 * y[0]))
        a[1, 1] = 1 + 0.01 * sin(y[1])
        return a

    cell = hmm.CellProblem(n=12, bc="dirichlet", size=2, window=("smooth", 2), equation=("parabolic", 1e3))
    loose, tight = (replace(cell, tol=tol).effective_tensor(medium) for tol in (1e-4, 1e-10))
    np.testing.assert_allclose(np.diag(loose), np.diag(tight), rtol=1e-4)


def test_the_interval_of_a_weak_entry_is_not_widened_by_a_strong_one():
    samples = np.zeros((2, 2, 10))
    samples[0, 0], samples[1, 1] = 1e-9 * np.linspace(1, 2, 10), 1.0
    ensemble = Ensemble(samples, hmm.CellProblem(tol=1e-8))
    assert ensemble.contains(np.diag([1.5e-9, 1.0])).all()
    assert not ensemble.contains(np.diag([5e-9, 1.0]))[0, 0]
    assert ensemble.contains(np.diag([1.5e-9, 1 + 5e-9]))[1, 1] and ensemble.contains(np.diag([1.5e-9, 1.0]))[0, 1]


@pytest.mark.parametrize("size", (1e-150, 1e-10, 1e-4, 1e4, 1e10, 1e150))
def test_closed_forms_are_as_exact_in_every_unit(size):
    """The means of a laminate, of a and of 1/a, are each known to their own accuracy: <a> was 4e-4 off for a of size 1e-7."""
    root = np.sqrt(2**2 - 1.9**2)
    for profile, harmonic, mean in (
        (Sine(2 / size, 1.9 / size, power=-1), 0.5, 1 / root),
        (Sine(2 * size, 1.9 * size), root, 2),
    ):
        tensor = hmm.exact.laminate(profile) / size
        np.testing.assert_allclose(tensor, np.diag([harmonic, mean]), rtol=1e-13, atol=1e-13)
    oblique = hmm.exact.laminate(Sine(2 * size, 1.9 * size), normal=(0.6, 0.8)) / size
    n = np.outer((0.6, 0.8), (0.6, 0.8))
    np.testing.assert_allclose(oblique, root * n + 2 * (np.eye(2) - n), rtol=1e-13)


def test_a_soft_phase_may_not_be_negative():
    """Its tangent is -1e-8, that of the rest 1: the law was lifted to be elliptic, without a word."""

    def law(x, y, u, xi):
        a = np.where(np.abs(y[0]) < 0.2, -1e-8, 1.0) + 0 * xi[0]
        return a * xi, 0.0, a

    with pytest.raises(ValueError, match="not elliptic"):
        solve_nonlinear(hmm.CellProblem(n=5), law, np.zeros((2, 1)), np.zeros(1), np.ones((2, 1)))


def test_derivatives_by_complex_step_in_every_unit():
    cell, grad = hmm.CellProblem(n=4), np.array([[0.0, 0.7], [0.0, 0.2]])
    x, u = np.zeros((2, 2)), np.zeros(2)
    for size in (1e-100, 1e-35, 1.0, 1e100):
        # Derivatives below 1e-30 were taken for the error of the step.
        linear = laws.WithDerivatives(lambda x, y, u, xi, size=size: size * (2 + cos(y[0])) * xi)
        tensor = cell.effective_tensor(lambda x, y: 2 + cos(y[0]))
        np.testing.assert_allclose(
            solve_nonlinear(cell, linear, x, u, grad).d_dgrad[..., 0] / size, tensor, rtol=1e-7, atol=1e-9
        )
        cubic = laws.WithDerivatives(lambda x, y, u, xi, size=size: size * (xi * xi).sum(axis=0) * xi)
        micro = solve_nonlinear(cell, cubic, x, u, grad)
        assert not micro.flux[:, 0].any()
        np.testing.assert_allclose(micro.flux[:, 1] / size, 0.53 * grad[:, 1], rtol=1e-7)


def test_what_is_not_analytic_is_found_in_weak_company_too():
    """abs(xi) hidden in a phase, or at a macro point, whose flux is 1e-6 of the others'."""
    cell = hmm.CellProblem(n=4)
    in_phase = laws.WithDerivatives(
        lambda x, y, u, xi: np.where(y[0] < 0, xi + 0 * y[0], 1e-6 * np.linalg.norm(xi, axis=0) * xi)
    )
    at_point = laws.WithDerivatives(
        lambda x, y, u, xi: np.where(x[0] < 0.5, xi, 1e-6 * np.linalg.norm(xi, axis=0) * xi)
    )
    for law in (in_phase, at_point):
        with pytest.raises(ValueError, match="not analytic"):
            solve_nonlinear(cell, law, np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2), np.ones((2, 2)))
