"""Closures: the law they answer with, the shapes they keep, what they remember, what they refuse."""

import pickle
from functools import partial

import numpy as np
import pytest

from hmm_core.closure import Answer, CellClosure, ExactClosure, ask
from hmm_core.micro.cell import CellProblem

TENSOR = np.array([[2.0, 0.3], [-0.1, 1.0]])


def graded(x):
    return (1 + x[0]) * TENSOR[:, :, None]


def nonlinear(x, u):
    return np.array([[2 + np.sin(u), 0 * u], [0.1 * x[0], 1 + u**2]])


def nonlinear_slope(x, u):
    return np.array([[np.cos(u), 0 * u], [0 * u, 2 * u]])


def medium(x, y):
    return (1 + x[0]) * (2 + np.cos(2 * np.pi * y[0]))


def same_everywhere(x, y):
    return 2 + np.cos(2 * np.pi * y[0])


@pytest.fixture
def state():
    rng = np.random.default_rng(1)
    return rng.random((2, 7)), rng.standard_normal(7), rng.standard_normal((2, 7))


class CountingCell:
    """A cell problem that answers (1 + x_0) I and writes down which points it was asked."""

    dim = 2

    def __init__(self):
        self.asked = []

    def solve(self, a, x=None, eps=None, correctors=True):
        assert not correctors
        self.asked.append(x.copy())
        tensor = (1 + x[0]) * np.eye(2)[:, :, None]
        return type("Micro", (), {"tensor": tensor, "iterations": np.full(x.shape[1], 3), "solves": x.shape[1]})


@pytest.mark.parametrize(
    "A", [TENSOR, TENSOR.tolist(), lambda x: TENSOR, lambda x: np.stack([TENSOR] * x.shape[1], -1)]
)
def test_exact_closure_applies_a_constant_tensor(A, state):
    flux, d_du, d_dgrad = ExactClosure(np.array(A) if isinstance(A, list) else A)(*state)
    np.testing.assert_allclose(flux, TENSOR @ state[2], rtol=1e-14)
    assert not d_du.any()
    np.testing.assert_array_equal(d_dgrad, np.broadcast_to(TENSOR[:, :, None], (2, 2, 7)))


@pytest.mark.parametrize("A", [3.0, lambda x: 3.0, lambda x: np.full(x.shape[1], 3.0)])
def test_a_scalar_is_an_isotropic_tensor(A, state):
    answer = ExactClosure(A)(*state)
    np.testing.assert_allclose(answer.flux, 3 * state[2])
    np.testing.assert_allclose(answer.d_dgrad, 3 * np.eye(2)[:, :, None] * np.ones(7))


@pytest.mark.parametrize("trailing", [(), (1,), (5,), (3, 2), (2, 2)])
def test_any_trailing_shape_of_points(trailing):
    rng = np.random.default_rng(2)
    x, u, grad = rng.random((2, *trailing)), rng.random(trailing), rng.random((2, *trailing))
    for closure in (ExactClosure(graded), ExactClosure(nonlinear), CellClosure(medium, CountingCell())):
        flux, d_du, d_dgrad = answer = closure(x, u, grad)
        assert flux.shape == d_du.shape == (2, *trailing)
        assert d_dgrad.shape == (2, 2, *trailing)
        assert set(answer.info) == {"micro_solves", "iterations"}
    np.testing.assert_allclose(
        ExactClosure(graded)(x, u, grad).flux, (1 + x[0]) * np.einsum("ij,j...->i...", TENSOR, grad)
    )


def test_functions_of_x_and_of_x_and_u_are_told_apart(state):
    def scaled(x, scale=2.0):
        return scale * graded(x)

    def with_default(x, u=None):
        return nonlinear(x, u)

    np.testing.assert_allclose(ExactClosure(scaled)(*state).d_dgrad, 2 * graded(state[0]))
    np.testing.assert_allclose(ExactClosure(with_default)(*state).d_dgrad, nonlinear(*state[:2]))
    np.testing.assert_allclose(ExactClosure(partial(scaled, scale=1.0))(*state).d_dgrad, graded(state[0]))


@pytest.mark.parametrize("dA_du", [None, nonlinear_slope])
def test_tangent_agrees_with_differences_of_the_flux(dA_du, state):
    x, u, grad = state
    closure = ExactClosure(nonlinear, dA_du=dA_du)
    answer, h = closure(x, u, grad), 1e-5
    central = (closure(x, u + h, grad).flux - closure(x, u - h, grad).flux) / (2 * h)
    np.testing.assert_allclose(answer.d_du, central, rtol=1e-7, atol=1e-8)
    for j in range(2):
        step = h * np.eye(2)[:, j : j + 1]
        central = (closure(x, u, grad + step).flux - closure(x, u, grad - step).flux) / (2 * h)
        np.testing.assert_allclose(answer.d_dgrad[:, j], central, rtol=1e-7, atol=1e-8)


def test_cell_closure_answers_with_the_effective_tensor(state):
    x, u, grad = state
    closure = CellClosure(medium, CellProblem(dim=2, n=8))
    tensor = closure.cell.effective_tensor(medium, x=x)
    answer = closure(x, u, grad)
    np.testing.assert_allclose(answer.flux, np.einsum("ijk,jk->ik", tensor, grad), rtol=1e-13)
    np.testing.assert_allclose(answer.d_dgrad, tensor, rtol=1e-13)
    assert closure.dim == 2 and not answer.d_du.any()
    assert answer.info["micro_solves"] == 7


def test_equal_cell_problems_are_counted_once(state):
    assert CellClosure(same_everywhere, CellProblem(dim=2, n=8))(*state).info["micro_solves"] == 1


def test_cell_closure_passes_eps_on(state):
    x, u, grad = state
    closure = CellClosure(medium, CellProblem(dim=2, n=8), eps=0.25)
    tensor = closure.cell.effective_tensor(medium, x=x, eps=0.25)
    np.testing.assert_allclose(closure(x, u, grad).d_dgrad, tensor, rtol=1e-13)


def test_memory_spares_the_micro_problems(state):
    x, u, grad = state
    cell = CountingCell()
    closure = CellClosure(medium, cell)
    first = closure(x, u, grad)
    assert first.info == {"micro_solves": 7, "iterations": 21}
    assert all(part.shape[-1] == 7 for part in first.memory.values())
    second = closure(x, u, 2 * grad, memory=first.memory)
    assert len(cell.asked) == 1 and second.info == {"micro_solves": 0, "iterations": 0}
    np.testing.assert_array_equal(second.flux, 2 * first.flux)


def test_memory_of_other_points_is_not_believed(state):
    x, u, grad = state
    cell = CountingCell()
    closure = CellClosure(medium, cell)
    memory = closure(x, u, grad).memory
    moved = x.copy()
    moved[:, 3] += 0.5
    answer = closure(moved, u, grad, memory=memory)
    np.testing.assert_array_equal(cell.asked[1], moved[:, 3:4])
    np.testing.assert_array_equal(answer.flux, (1 + moved[0]) * grad)
    with pytest.raises(ValueError, match="memory"):
        closure(x[:, :4], u[:4], grad[:, :4], memory=memory)


def test_memory_can_be_sliced(state):
    closure = CellClosure(medium, CellProblem(dim=2, n=8))
    memory = closure(*state).memory
    part = closure(*(value[..., 2:5] for value in state), memory={name: v[..., 2:5] for name, v in memory.items()})
    assert part.info["micro_solves"] == 0
    np.testing.assert_array_equal(part.d_dgrad, memory["tensor"][..., 2:5])


def test_closures_are_picklable(state):
    for closure in (ExactClosure(TENSOR), ExactClosure(nonlinear), CellClosure(medium, CellProblem(dim=2, n=8))):
        copy = pickle.loads(pickle.dumps(closure))
        np.testing.assert_array_equal(copy(*state).flux, closure(*state).flux)


def test_dimensions_are_known_where_they_can_be():
    assert ExactClosure(TENSOR).dim == 2
    assert ExactClosure(1.0).dim is None
    assert ExactClosure(graded).dim is None


# -- plain functions -----------------------------------------------------------------------------------------------------


def test_a_plain_function_is_a_closure(state):
    x, u, grad = state

    def plain(x, u, grad):
        return 2 * grad, 0.0, 2 * np.eye(2)

    answer = ask(plain, x, u, grad)
    assert isinstance(answer, Answer) and answer.memory is None
    np.testing.assert_array_equal(answer.flux, 2 * grad)
    np.testing.assert_array_equal(answer.d_du, 0 * grad)
    np.testing.assert_array_equal(answer.d_dgrad, 2 * np.eye(2)[:, :, None] * np.ones(7))


def test_a_tensor_without_point_axis_is_not_mistaken_when_there_are_d_points(state):
    x, u, grad = (value[..., :2] for value in state)
    answer = ask(lambda x, u, grad: (grad, 0.0, TENSOR), x, u, grad)
    np.testing.assert_array_equal(answer.d_dgrad, np.stack([TENSOR, TENSOR], axis=-1))


def test_memory_and_tol_reach_functions_that_take_them(state):
    seen = {}

    def with_memory(x, u, grad, memory=None, **rest):
        seen.update(rest, memory=memory)
        return Answer(grad, 0 * grad, np.eye(2), memory={"slot": u}, info={"micro_solves": 5})

    answer = ask(with_memory, *state, memory={"slot": state[1]}, tol=0.5)
    assert seen["tol"] == 0.5 and seen["memory"]["slot"] is state[1]
    assert answer.info == {"micro_solves": 5}


def not_finite(x, u, grad):
    flux = grad.copy()
    flux[1, 4] = np.nan
    return flux, 0 * grad, np.eye(2)


@pytest.mark.parametrize(
    ("closure", "message"),
    [
        (not_finite, r"not_finite: flux .* x=\[.*point 4"),
        (lambda x, u, grad: None, "three arrays"),
        (lambda x, u, grad: (grad, grad), "three arrays"),
        (lambda x, u, grad: (grad[:, :3], 0.0, np.eye(2)), "flux has shape"),
        (lambda x, u, grad: (grad, u, np.eye(2)), "d_du has shape"),
        (lambda x, u, grad: (grad, 0.0, np.eye(3)), "d_dgrad has shape"),
        (lambda x, u, grad: (1j * grad, 0.0, np.eye(2)), "real numbers"),
        (lambda x, u, grad: ("a", 0.0, np.eye(2)), "real numbers"),
    ],
)
def test_bad_answers_are_refused(closure, message, state):
    with pytest.raises(ValueError, match=message):
        ask(closure, *state)


# -- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_refused(which, bad, state):
    state = [value.copy() for value in state]
    state[which][..., 4] = bad
    name = ("x", "u", "grad")[which]
    for closure in (ExactClosure(graded), CellClosure(medium, CountingCell())):
        with pytest.raises(ValueError, match=f"macro state {name} .*point 4"):
            closure(*state)


@pytest.mark.parametrize("closure", [ExactClosure(TENSOR), CellClosure(medium, CountingCell())])
def test_wrong_dimension_names_both(closure):
    with pytest.raises(ValueError, match=r"3D.*2D"):
        closure(np.zeros((3, 4)), np.zeros(4), np.zeros((3, 4)))


def test_shapes_that_do_not_belong_together(state):
    x, u, grad = state
    closure = ExactClosure(graded)
    for bad in (
        (x, u, grad[:, :3]),
        (x, u[:3], grad),
        (x, u, grad[0]),
        (x[:, :0], u[:0], grad[:, :0]),
        (0.0, 0.0, 0.0),
    ):
        with pytest.raises(ValueError, match=r"shape|needs"):
            closure(*bad)
    with pytest.raises(ValueError, match="real"):
        closure(x, u, 1j * grad)


@pytest.mark.parametrize("A", [np.ones((2, 3)), np.ones(2), np.ones((2, 2, 2)), np.nan, np.eye(2) * 1j, "2"])
def test_bad_tensors_are_refused_at_once(A):
    with pytest.raises(ValueError, match="A"):
        ExactClosure(A)


def test_derivative_without_a_function_of_u():
    for A in (TENSOR, graded):
        with pytest.raises(ValueError, match="dA_du"):
            ExactClosure(A, dA_du=nonlinear_slope)
    with pytest.raises(ValueError, match="dA_du"):
        ExactClosure(nonlinear, dA_du=2.0)


def test_bad_tensor_functions_are_named(state):
    def hole(x):
        return np.where(x[0] == x[0, 2], np.nan, 1.0)

    def wrong(x):
        return np.ones((3, 3, x.shape[1]))

    with pytest.raises(ValueError, match=r"hole in ExactClosure .*point 2"):
        ExactClosure(hole)(*state)
    with pytest.raises(ValueError, match="wrong in ExactClosure has shape"):
        ExactClosure(wrong)(*state)
    with pytest.raises(ValueError, match="complex"):
        ExactClosure(lambda x: 1j)(*state)


def test_bad_arguments_of_cell_closure():
    with pytest.raises(TypeError, match="medium"):
        CellClosure(2.0, CountingCell())
    with pytest.raises(TypeError, match="cell problem"):
        CellClosure(medium, None)
    for eps in (0, -1.0, np.nan, np.inf, "small"):
        with pytest.raises(ValueError, match="eps"):
            CellClosure(medium, CountingCell(), eps=eps)


@pytest.mark.parametrize("A", (np.diag([1.0, -2.0]), 0.0, lambda x: np.eye(2)[:, :, None] * (x[0] - 0.5)))
def test_exact_closure_refuses_a_tensor_that_is_not_elliptic(A):
    x = np.array([[0.1, 0.9], [0.2, 0.3]])
    with pytest.raises(ValueError, match=r"positive definite.*x=\[0\.1, 0\.2\]"):
        ExactClosure(A)(x, np.zeros(2), np.ones((2, 2)))
