"""The four terms of the error, each alone against its parameter; together; and where they cannot be had."""

import itertools
import pickle

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core import errors

NORMS = ("energy", "L2", "H1-semi", "H1")
SMOOTH = 1.935359234812  # A* of 2 + sin sin


def sin(t):
    return np.sin(2 * np.pi * t)


def cos(t):
    return np.cos(2 * np.pi * t)


def smooth(x, y):
    return 2 + sin(y[0]) * sin(y[1])


def shifted(medium, shift):
    return lambda x, y: medium(x, y + shift)


def graded(dim):
    """Layers with a factor exp(g . x): curved enough that a centred average of A* is not A*."""
    slope = np.array([1.0, -0.7])[:dim]
    layers = hmm.media.layered(hmm.media.cosine(2, 1, -1), (1.0, 0.0)[:dim])
    return hmm.media.graded(lambda x: np.exp(np.tensordot(slope, x, axes=1)), layers)


def triangles(refinements, element=None):
    return hmm.macro_basis(skfem.MeshTri().refined(refinements), element or skfem.ElementTriP1())


def line(refinements, element=None):
    return hmm.macro_basis(skfem.MeshLine().refined(refinements), element or skfem.ElementLineP1())


def bump(x):
    return np.sin(np.pi * x[0]) * np.sin(np.pi * x[1])


def bump_gradient(x):
    return np.pi * np.array([np.cos(np.pi * x[0]) * np.sin(np.pi * x[1]), np.sin(np.pi * x[0]) * np.cos(np.pi * x[1])])


def bump_problem(A):
    """u0 = sin sin on the unit square for a constant diagonal A*."""
    A = np.broadcast_to(A, 2)
    exact = {"exact": bump, "gradient": bump_gradient}
    return {"source": lambda x: np.pi**2 * A.sum() * bump(x), "effective": np.diag(A), **exact}


def slope(parameters, values):
    return np.polyfit(np.log(parameters), np.log(values), 1)[0]


# -- each term alone against its parameter --------------------------------------------------------------------------


@pytest.mark.parametrize("norm, order", (("energy", 1), ("L2", 2)))
@pytest.mark.parametrize("element, first", ((skfem.ElementTriP1(), 2), (skfem.ElementTriP2(), 1)))
def test_macro_term_against_the_mesh(element, first, norm, order):
    refinements, terms = range(first, first + 5), []
    for k in refinements:
        budget = hmm.decompose_error(
            hmm.media.layered(hmm.media.cosine(2, 1)),
            eps=1e-3,
            basis=triangles(k, element),
            cell=hmm.CellProblem(n=32, scheme="fourier", tol=1e-12),
            norm=norm,
            frozen=True,
            **bump_problem([np.sqrt(3), 2]),
        )
        assert budget.bound - budget.macro < 1e-9
        terms.append(budget.macro)
    H = [0.5**k for k in refinements]
    assert slope(H, terms) == pytest.approx(order + element.maxdeg - 1, abs=0.15)


def l_shape(x):
    """r^(2/3) sin(2 phi/3) on the L that lacks the quadrant x, y > 0; phi = 0 on its upper edge."""
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    return r ** (2 / 3) * np.sin(2 * phi / 3)


def l_shape_gradient(x):
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    radial, angular = np.sin(2 * phi / 3), np.cos(2 * phi / 3)
    normal, turned = x / r, np.array([-x[1], x[0]]) / r
    return 2 / 3 * r ** (-1 / 3) * (radial * normal + angular * turned)


def test_macro_term_on_an_l_shaped_domain():
    """grad u0 is singular at the corner: H^(2/3). The resolved u0 finds it without being told."""
    refinements, terms = range(1, 6), []
    for k in refinements:
        basis = hmm.macro_basis(skfem.MeshTri.init_lshaped().refined(k), skfem.ElementTriP1())
        problem = {"eps": 1e-3, "basis": basis, "cell": hmm.CellProblem(n=4), "source": 0.0, "dirichlet": l_shape}
        known = {"exact": l_shape, "gradient": l_shape_gradient}
        budget = hmm.decompose_error(hmm.media.constant(2.0), frozen=True, resolution=0.05, **problem)
        if k < 4:
            exact = hmm.decompose_error(hmm.media.constant(2.0), frozen=True, **problem, **known)
            assert budget.macro == pytest.approx(exact.macro, rel=0.05)
        assert budget.total == pytest.approx(budget.macro, rel=1e-9)
        terms.append(budget.macro)
    assert slope([0.5**k for k in refinements], terms) == pytest.approx(2 / 3, abs=0.15)


@pytest.mark.parametrize("norm", ("energy", "L2"))
@pytest.mark.parametrize("dim, sizes", ((1, (1.0, 2.0)), (2, (1.0,))))
@pytest.mark.parametrize("offset, order", ((0.5, 1), (0.0, 2)))
def test_modelling_term_against_delta(offset, order, dim, sizes, norm):
    basis = line(4) if dim == 1 else triangles(1)
    for size in sizes:
        delta = np.array([0.2, 0.1, 0.05, 0.025, 0.0125])
        terms = []
        for d in delta:
            cell = hmm.CellProblem(dim=dim, n=8, size=size, offset=offset)
            problem = {"eps": d / size, "basis": basis, "cell": cell, "source": 1.0, "norm": norm, "exact": 0.0}
            terms.append(hmm.decompose_error(graded(dim), gradient=np.zeros_like, **problem).modelling)
        assert slope(delta, terms) == pytest.approx(order, abs=0.15)


ENVELOPE = [(R, f, s) for R in (1, 2, 3, 5, 10) for f in (0.25, 0.5, 0.75) for s in (0.0, 0.25)]


@pytest.mark.parametrize(
    "kwargs, order",
    (
        ({"bc": "dirichlet"}, 1),
        ({"bc": "neumann"}, 1),
        ({"bc": "periodic"}, 1),  # not a whole number of periods
        ({"bc": "dirichlet", "window": ("smooth", 1)}, 2),
    ),
)
def test_resonance_term_against_eps_over_delta(kwargs, order):
    """The envelope: the largest error over fractional parts of the cell size and phases of the medium."""
    largest = {}
    for R, fraction, shift in ENVELOPE:
        budget = hmm.decompose_error(
            shifted(smooth, shift),
            eps=1e-3,
            basis=triangles(1),
            cell=hmm.CellProblem(n=8, size=R + fraction, tol=1e-6, **kwargs),
            frozen=True,
            resolution=0.1,
            **bump_problem(SMOOTH),
        )
        largest[R] = max(largest.get(R, 0.0), budget.resonance)
        assert budget.modelling == 0
    assert slope(list(largest), list(largest.values())) == pytest.approx(-order, abs=0.5)


@pytest.mark.parametrize("size", (1, 2, 3))
@pytest.mark.parametrize("scheme", ("q1", "fourier"))
@pytest.mark.parametrize("frozen", (True, False))
def test_no_resonance_in_periodic_cells_of_whole_periods(size, scheme, frozen):
    budget = hmm.decompose_error(
        smooth,
        eps=0.013,
        basis=triangles(1),
        cell=hmm.CellProblem(n=8, size=size, scheme=scheme),
        frozen=frozen,
        **bump_problem(SMOOTH),
    )
    assert max(budget.resonance, budget.modelling) < 1e-9 < 1e-6 < budget.micro


def test_resonance_in_periodic_cells_of_a_graded_material_is_of_order_eps():
    """Not frozen, the sample is not quite periodic: the mismatch of its ends is delta, its resonance eps/delta."""
    eps, envelope = 0.05 * 0.55 ** np.arange(5), []
    for e in eps:
        problem = {"eps": e, "basis": line(6), "source": 1.0, "exact": 0.0, "norm": "L2"}
        cells = [hmm.CellProblem(dim=1, n=8, offset=phase) for phase in (0.0, 0.3)]
        tensors = [hmm.decompose_error(graded(1), cell=cell, **problem).tensors for cell in cells]
        envelope.append(max(np.abs(t["limit"] - t["resolved"]).max() for t in tensors))
    assert slope(eps, envelope) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kwargs", ({}, {"bc": "dirichlet"}, {"bc": "neumann", "size": 1.5}))
@pytest.mark.parametrize("norm", ("energy", "L2"))
def test_micro_term_of_q1_elements_against_the_grid(kwargs, norm):
    n = np.array([8, 14, 24, 44, 80])
    terms = [
        hmm.decompose_error(
            smooth,
            eps=1e-3,
            basis=triangles(1),
            cell=hmm.CellProblem(n=int(k), **kwargs),
            norm=norm,
            frozen=True,
            **bump_problem(SMOOTH),
        ).micro
        for k in n
    ]
    assert slope(1 / n, terms) == pytest.approx(2, abs=0.15)


def test_micro_term_of_trigonometric_polynomials_is_spectral():
    """The error falls by a factor for every point that is added: its logarithm is a straight line in n."""
    n = np.array([4, 6, 8, 10, 12, 14])
    terms = [
        hmm.decompose_error(
            smooth,
            eps=1e-3,
            basis=triangles(1),
            cell=hmm.CellProblem(n=int(k), scheme="fourier", tol=1e-13),
            frozen=True,
            **bump_problem(SMOOTH),
        ).micro
        for k in n
    ]
    rate, log_constant = np.polyfit(n, np.log(terms), 1)
    assert rate < -1
    np.testing.assert_allclose(np.log(terms), rate * n + log_constant, atol=1)


# -- together -------------------------------------------------------------------------------------------------------

CELLS = (
    {},
    {"size": 2.5, "bc": "dirichlet"},
    {"size": 1.5, "bc": "neumann", "offset": 0.5},
    {"size": 1.5, "bc": "dirichlet", "buffer": 0.25, "window": ("smooth", 1)},
    {"scheme": "fourier"},
)


@pytest.mark.parametrize("kwargs", CELLS)
@pytest.mark.parametrize("frozen", (True, False))
def test_the_terms_bound_the_total_and_the_total_is_the_error(kwargs, frozen):
    a, cell, eps = graded(2), hmm.CellProblem(n=8, **kwargs), 0.03
    u0 = hmm.solve_elliptic(triangles(6), hmm.ExactClosure(a.effective), 1.0)
    for norm in NORMS if kwargs == {} else ("energy",):
        budget = hmm.decompose_error(
            a, eps=eps, basis=triangles(2), cell=cell, source=1.0, frozen=frozen, norm=norm, resolution=0.1
        )
        assert 0 < budget.total <= budget.bound * (1 + 1e-9)
        assert budget.unresolved <= 0.1 * max(budget.resonance, budget.micro)
        assert budget.bound == sum(budget.terms.values()) and next(iter(budget.terms)) == "macro"
        direct = hmm.solve_elliptic(triangles(2), hmm.CellClosure(a, cell, None if frozen else eps), 1.0)
        np.testing.assert_allclose(budget.solutions["cell"].u, direct.u, rtol=1e-10)
        order = 2 if norm == "L2" else 1
        by_hand = direct.error(u0, norm, tensor=a.effective, gradient=u0.gradient_at)
        assert budget.total == pytest.approx(by_hand, rel=0.02 * order)


def test_the_total_against_a_known_solution():
    budget = hmm.decompose_error(
        smooth,
        eps=1e-2,
        basis=triangles(3),
        cell=hmm.CellProblem(n=8, size=1.5, bc="dirichlet"),
        frozen=True,
        norm="H1",
        **bump_problem(SMOOTH),
    )
    tensor = hmm.CellProblem(n=8, size=1.5, bc="dirichlet").effective_tensor(smooth)
    source = bump_problem(SMOOTH)["source"]
    direct = hmm.solve_elliptic(triangles(3), hmm.ExactClosure(tensor), source)
    assert budget.total == pytest.approx(direct.error(bump, "H1", gradient=bump_gradient), rel=1e-9)
    assert budget.tensors["cell"].shape == (2, 2, budget.x.shape[1])
    np.testing.assert_allclose(budget.tensors["cell"], np.broadcast_to(tensor[..., None], (2, 2, 128)), rtol=1e-9)
    np.testing.assert_array_equal(budget.tensors["limit"], budget.tensors["effective"])
    assert set(budget.solutions) == {"u0", *budget.tensors} and budget.solutions["u0"] is bump


def test_neighbours_differ_by_the_terms():
    budget = hmm.decompose_error(
        graded(1), eps=0.05, basis=line(3), cell=hmm.CellProblem(dim=1, size=1.3), source=1.0, norm="H1-semi"
    )
    chain = [budget.solutions[name] for name in ("effective", "limit", "resolved", "cell")]
    for (first, second), name in zip(itertools.pairwise(chain), list(budget.terms)[1:], strict=True):
        assert first.error(second, "H1-semi", gradient=second.gradient_at) == pytest.approx(
            budget.terms[name], rel=1e-9
        )
    assert budget.solutions["u0"].basis.mesh.nelements >= 8


@pytest.mark.parametrize("norm", NORMS)
def test_a_resolved_homogenized_solution_serves_as_well_as_a_known_one(norm):
    problem = bump_problem(SMOOTH)
    known = {name: problem.pop(name) for name in ("exact", "gradient")}
    setup = {"eps": 1e-2, "basis": triangles(3), "cell": hmm.CellProblem(n=8), "norm": norm, "frozen": True}
    exact = hmm.decompose_error(smooth, **setup, **problem, **known)
    resolved = hmm.decompose_error(smooth, **setup, **problem)
    given = hmm.decompose_error(smooth, **setup, **problem, exact=resolved.solutions["u0"])
    assert resolved.macro == pytest.approx(exact.macro, rel=0.02)
    assert resolved.total == pytest.approx(exact.total, rel=0.02)
    assert given.total == pytest.approx(resolved.total, rel=1e-6)


# -- each term vanishes with its cause ------------------------------------------------------------------------------


def test_no_macro_term_where_the_space_holds_u0():
    budget = hmm.decompose_error(
        lambda x, y: 1 / (2 + cos(y[0])),
        eps=0.1,
        basis=line(2, skfem.ElementLineP2()),
        cell=hmm.CellProblem(dim=1, size=2.4),
        source=1.0,
        effective=0.5,
        frozen=True,
    )
    assert budget.macro < 1e-12 and budget.total == pytest.approx(budget.resonance, rel=1e-6)


def test_no_modelling_term_without_slow_variable_or_when_it_is_frozen():
    setup = {"eps": 0.2, "basis": line(3), "cell": hmm.CellProblem(dim=1, size=1.7, offset=0.5), "source": 1.0}
    assert hmm.decompose_error(graded(1), frozen=True, **setup).modelling == 0
    layers = hmm.media.layered(hmm.media.cosine(2, 1, -1), (1.0,))
    assert hmm.decompose_error(layers, **setup).modelling < 1e-12
    assert hmm.decompose_error(graded(1), **setup).modelling > 1e-2


def test_no_micro_term_on_a_line_and_in_a_constant():
    setup = {"eps": 0.1, "source": 1.0}
    budget = hmm.decompose_error(graded(1), basis=line(3), cell=hmm.CellProblem(dim=1, size=1.7), **setup)
    assert budget.micro < 1e-12 < budget.resonance
    constant = hmm.media.constant([[2.0, 0.5], [0.5, 1.0]])
    cell = hmm.CellProblem(n=4, bc="neumann", size=1.3, buffer=0.2)
    budget = hmm.decompose_error(constant, basis=triangles(2), cell=cell, **setup)
    assert budget.bound - budget.macro < 1e-12 and budget.unresolved < 1e-12


# -- where it is hard -----------------------------------------------------------------------------------------------


def test_singular_corners_are_resolved_by_their_own_order():
    """Checkerboard: h^0.79. The exact cell has no resonance, so what is left of it is what unresolved promises."""
    setup = {"eps": 1e-2, "basis": triangles(2), "source": 1.0, "frozen": True}
    budget = hmm.decompose_error(hmm.media.checkerboard(1, 10), cell=hmm.CellProblem(n=16), **setup)
    assert budget.unresolved < 0.02 * budget.micro and budget.resonance < 0.02 * budget.micro
    tensor = hmm.CellProblem(n=16).effective_tensor(hmm.media.checkerboard(1, 10))
    off = hmm.solve_elliptic(triangles(2), hmm.ExactClosure(tensor), 1.0)
    truth = budget.solutions["effective"].error(off, "energy", tensor=10**0.5, gradient=off.gradient_at)
    assert budget.micro == pytest.approx(truth, rel=0.02)


def test_disks_that_cut_elements_are_resolved_as_far_as_asked():
    disk = hmm.media.inclusion(10.0, fraction=0.3)
    setup = {"eps": 1e-2, "basis": triangles(1), "source": 1.0, "frozen": True, "effective": 1.65203601108}
    budget = hmm.decompose_error(disk, cell=hmm.CellProblem(n=16), resolution=0.1, **setup)
    assert budget.resonance < 0.1 * budget.micro and budget.unresolved < 0.1 * budget.micro


def test_what_cannot_be_resolved_is_an_error(monkeypatch):
    setup = {"eps": 1e-2, "basis": triangles(1), "source": 1.0, "frozen": True}
    monkeypatch.setitem(errors.FINEST, 2, 64)
    with pytest.raises(hmm.ConvergenceError, match=r"U_delta.*n=64.*resolution=2.0e-02"):
        hmm.decompose_error(hmm.media.checkerboard(1, 10), cell=hmm.CellProblem(n=16), **setup)
    with pytest.raises(hmm.ConvergenceError, match=r"U_delta.*unknown"):
        hmm.decompose_error(hmm.media.checkerboard(1, 10), cell=hmm.CellProblem(n=96, size=2.0), **setup)
    monkeypatch.setitem(errors.LARGEST, 2, 10)
    with pytest.raises(hmm.ConvergenceError, match=r"u0 is not resolved.*exact="):
        hmm.decompose_error(hmm.media.constant(1.0), cell=hmm.CellProblem(n=4), **setup)


@pytest.mark.parametrize(
    "mesh, element",
    (
        (skfem.MeshQuad().refined(2), skfem.ElementQuad1()),
        (skfem.MeshTet().refined(1), skfem.ElementTetP1()),
        (skfem.MeshTri().refined(1), skfem.ElementTriP3()),
    ),
)
def test_other_meshes_and_elements(mesh, element):
    basis = hmm.macro_basis(mesh, element)
    cell = hmm.CellProblem(dim=mesh.dim(), n=4, bc="dirichlet", size=1.5)
    wave = (1.0,) + (0.0,) * (mesh.dim() - 1)
    layers = hmm.media.layered(hmm.media.cosine(3, 1), wave)
    budget = hmm.decompose_error(
        layers, eps=0.1, basis=basis, cell=cell, source=1.0, frozen=True, norm="L2", resolution=0.05
    )
    assert 0 < budget.total <= budget.bound * (1 + 1e-9) and min(budget.terms.values()) >= 0


def test_mixed_boundary_conditions():
    mesh = (
        skfem.MeshTri().refined(3).with_boundaries({"left": lambda x: x[0] < 1e-9, "right": lambda x: x[0] > 1 - 1e-9})
    )
    budget = hmm.decompose_error(
        hmm.media.layered(hmm.media.cosine(2, 1)),
        eps=0.1,
        basis=hmm.macro_basis(mesh, skfem.ElementTriP1()),
        cell=hmm.CellProblem(n=8),
        source=0.0,
        dirichlet={"left": 0.0},
        neumann={"right": np.sqrt(3)},
        frozen=True,
    )
    assert budget.macro < 1e-9  # u0 = x
    assert budget.total == pytest.approx(budget.micro, rel=1e-6) and budget.resonance < 1e-9


def test_a_zero_order_term_is_part_of_the_resonance():
    cell = hmm.CellProblem(
        n=8, size=2.5, bc="dirichlet", buffer=0.5, window=("smooth", 2), equation=("zero-order", 0.2)
    )
    problem = {"eps": 1e-2, "basis": triangles(1), "frozen": True, **bump_problem(SMOOTH)}
    budget = hmm.decompose_error(smooth, cell=cell, **problem)
    assert budget.resonance > 10 * budget.unresolved and budget.modelling == 0


def test_a_budget_can_be_kept_and_its_solution_reconstructed():
    cell = hmm.CellProblem(n=8)
    setup = {"eps": 0.1, "basis": triangles(2), "cell": cell, "source": 1.0, "frozen": True}
    budget = hmm.decompose_error(hmm.media.layered(hmm.media.cosine(2, 1)), **setup)
    assert pickle.loads(pickle.dumps(budget)).terms == budget.terms
    assert budget.solutions["cell"].micro_solves == 1
    assert np.isfinite(budget.solutions["cell"].reconstruct(np.array([[0.3], [0.4]]), 0.1)).all()
    assert "array" not in repr(budget)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kwargs, error, words",
    (
        ({"a": smooth}, ValueError, "effective=None.*no way to get A"),
        ({"a": hmm.media.hou_wu()}, ValueError, "effective=None.*no closed form"),
        ({"a": 2.0}, TypeError, "a=2.0"),
        ({"eps": 0.0}, ValueError, "eps=0.0"),
        ({"eps": -1}, ValueError, "eps=-1"),
        ({"eps": np.nan}, ValueError, "eps=nan"),
        ({"eps": None}, TypeError, "eps=None"),
        ({"eps": True}, TypeError, "eps=True"),
        ({"resolution": 0.0}, ValueError, "resolution=0.0"),
        ({"resolution": 1.5}, ValueError, "resolution=1.5"),
        ({"resolution": "fine"}, TypeError, "resolution='fine'"),
        ({"basis": skfem.ElementTriP1()}, TypeError, "basis=.*macro_basis"),
        ({"cell": 8}, TypeError, "cell=8"),
        ({"cell": hmm.CellProblem(dim=3, n=4)}, ValueError, "dim=3.*2D"),
        ({"norm": "H2"}, ValueError, "norm='H2'"),
        ({"frozen": 1}, TypeError, "frozen=1"),
        ({"exact": bump}, ValueError, "norm='energy' needs the gradient"),
        ({"exact": 0.0}, ValueError, "gradient"),
        ({"effective": -1.0}, ValueError, "effective is.*not positive definite"),
        ({"effective": np.eye(3)}, ValueError, "effective has shape"),
        ({"effective": lambda x: np.full(x.shape[1], np.nan)}, ValueError, "effective.*finite"),
        ({"effective": "steel"}, ValueError, "effective returned"),
        ({"source": "load"}, TypeError, "source='load'"),
        ({"dirichlet": None}, ValueError, "no Dirichlet"),
        ({"a": lambda x, y: -1.0, "effective": 1.0}, ValueError, "positive"),
        ({"basis": hmm.macro_basis(skfem.MeshTri(), skfem.ElementTriP1B())}, ValueError, "exact=None.*ElementTriP1B"),
    ),
)
def test_bad_input(kwargs, error, words):
    good = {
        "a": hmm.media.constant(1.0),
        "eps": 0.1,
        "cell": hmm.CellProblem(n=4),
        "source": 1.0,
        "basis": triangles(1),
    }
    with pytest.raises(error, match=words):
        hmm.decompose_error(**good | kwargs)
