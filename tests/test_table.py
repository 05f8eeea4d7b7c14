"""Tables: below their promise on any question, the same whatever was asked before, noise kept, work counted, limits named."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hmm_core as hmm
from hmm_core import Answer, CellProblem, PhysicalFlux, RefusedState, TableClosure, Volumes, solve_balance_law
from hmm_core.closure import TableFull, ask


@dataclass
class Counting:
    """A law of u and grad (flux and tangent), which writes down what it is asked, and may be noisy."""

    law: object
    noise: float = 0.0
    seed: int = 0
    seen: list = field(default_factory=list)

    def __call__(self, x, u, grad):
        flux, d_du, d_dgrad = self.law(u, grad)
        new = [tuple(map(float, (u[k], *grad[..., k].ravel()))) for k in range(x.shape[1])]
        self.seen += new
        info, flux = {"micro_solves": len(new)}, np.broadcast_to(flux, grad.shape)
        if not self.noise:
            return Answer(flux, d_du, d_dgrad, info=info)
        noise = [np.random.default_rng([self.seed, hash(s) % 2**32]).standard_normal() for s in new]
        return Answer(flux + self.noise * np.array(noise), d_du, d_dgrad, np.full_like(grad, self.noise), info=info)


def jam(u, grad):
    return (u * (1 - u) * np.exp(-u))[None], ((1 - 3 * u + u**2) * np.exp(-u))[None], 0.0


def states(count, seed=0, d=1, low=0.0, high=1.0):
    rng = np.random.default_rng(seed)
    return rng.random((d, count)), rng.uniform(low, high, count), rng.uniform(-1, 1, (d, count))


# -- the promise ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 12), st.floats(0, 6.3)), min_size=1, max_size=4),
    st.sampled_from([1e-2, 1e-3, 1e-5]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_the_error_is_below_its_promise_for_random_laws(terms, tol, slopes, seed):
    """Sums of waves, up to two periods over the range."""
    if not slopes:
        tol = max(tol, 1e-3)

    def law(u, grad):
        parts = [(a * np.sin(k * u + s), a * k * np.cos(k * u + s)) for a, k, s in terms]
        return sum(p[0] for p in parts)[None], sum(p[1] for p in parts)[None], 0.0

    table = TableClosure(Counting(law), u=(0.0, 1.0), tol=tol, slopes=slopes)
    x, u, grad = states(400, seed)
    answer = table(x, u, grad)
    assert np.abs(answer.flux - law(u, grad)[0]).max() <= tol
    assert (
        answer.info["error"] <= tol and answer.info["micro_solves"] == table.size + 1
    )  # one to see that x does not matter


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.booleans(), st.integers(0, 2**31))
def test_the_promise_for_u_and_grad(numbers, slopes, seed):
    a, b, c, k, n, s = numbers

    def law(u, grad):
        g = grad[0]
        flux = a * np.sin(k * u + n * g) + b * u * g**2 + c * (u**2 - g**2) + np.cos(s * g)
        d_du = a * k * np.cos(k * u + n * g) + b * g**2 + 2 * c * u
        d_dg = a * n * np.cos(k * u + n * g) + 2 * b * u * g - 2 * c * g - s * np.sin(s * g)
        return flux[None], d_du[None], d_dg[None, None]

    tol = 1e-3 if slopes else 3e-2
    table = TableClosure(Counting(law), u=(0, 1), grad=(-1, 1), tol=tol, slopes=slopes)
    x, u, grad = states(300, seed)
    assert np.abs(table(x, u, grad).flux - law(u, grad)[0]).max() <= tol


@pytest.mark.parametrize("slopes, order", [(True, 4), (False, 2)])
def test_the_order_of_the_interpolation_tells_the_size(slopes, order):
    sizes, x, u = [], np.zeros((1, 2000)), np.linspace(0, 1, 2000)
    for tol in (1e-3, 1e-7) if slopes else (1e-3, 1e-5):
        table = TableClosure(Counting(jam), u=(0, 1), tol=tol, slopes=slopes)
        table(x, u, 0 * x)
        sizes.append(table.size)
    ratio = {4: 10.0, 2: 10.0}[order]  # (1e4)^(1/4), (1e2)^(1/2)
    assert ratio / 2.2 < sizes[1] / sizes[0] < 2.2 * ratio
    assert sizes[0] <= (11 if slopes else 60)


def test_the_tangent_is_that_of_the_interpolant():
    """Newton's method sees a derivative that belongs to its function."""

    def law(u, grad):
        return np.exp(u) * grad**3, np.exp(u) * grad**3, (3 * np.exp(u) * grad**2)[None]

    for slopes in (True, False):
        table = TableClosure(Counting(law), u=(0, 1), grad=(-1, 1), tol=1e-2, slopes=slopes)
        x, u, grad = states(50, 3)
        answer, h = table(x, u, grad), 1e-7
        for du, dgrad, part in ((h, 0, answer.d_du), (0, h, answer.d_dgrad[0])):
            ahead, behind = (
                table(x, np.clip(u + s * du, 0, 1), np.clip(grad + s * dgrad, -1, 1)).flux for s in (1, -1)
            )
            np.testing.assert_allclose((ahead - behind) / (2 * h), part, rtol=1e-5, atol=1e-6)


def test_a_cubic_is_exact_on_an_interval_and_a_quadratic_on_a_square():
    def cubic(u, grad):
        return (2 - u + 3 * u**2 - u**3)[None], (-1 + 6 * u - 3 * u**2)[None], 0.0

    def quadratic(u, grad):
        g = grad[0]
        return (u**2 - 3 * u * g + 2 * g**2)[None], (2 * u - 3 * g)[None], (4 * g - 3 * u)[None, None]

    x, u, grad = states(100)
    for law, bounds, nodes in ((cubic, None, 9), (quadratic, (-1, 1), 81)):
        table = TableClosure(Counting(law), u=(0, 1), grad=bounds, tol=1e-9)
        np.testing.assert_allclose(table(x, u, grad).flux, law(u, grad)[0], atol=1e-13)
        assert table.size == nodes  # level 0 is halved, and no more


# -- the same whatever was asked before ----------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.permutations(range(12)), st.integers(1, 6), st.booleans())
def test_answers_do_not_depend_on_the_order_of_questions(order, first, noisy):
    noise = 1e-3 if noisy else 0.0
    x, u, grad = states(12, 5)
    at_once = TableClosure(Counting(jam, noise), u=(0, 1), tol=1e-4)(x, u, grad)
    table = TableClosure(Counting(jam, noise), u=(0, 1), tol=1e-4)
    order = np.array(order)
    parts = [table(x[:, cut], u[cut], grad[:, cut]) for cut in (order[:first], order[first:])]
    for name in ("flux", "d_du", "stderr"):
        value = getattr(at_once, name)
        if value is not None:
            together = np.concatenate([getattr(part, name) for part in parts], axis=-1)
            np.testing.assert_array_equal(together, value[..., order])


@pytest.mark.parametrize("independent", [False, True])
def test_errors_of_trajectories_do_not_depend_on_who_asks_first(independent):
    """Their random numbers belong to the place x, where the table asks: that must not be the place of the first question."""
    rings = hmm.TrajectoryClosure(hmm.particles.Exclusion(sites=10), 3, budget=20.0, replicas=2)
    x, u, grad = states(6)
    told = []
    for order in (np.arange(6), np.arange(6)[::-1]):
        table = TableClosure(rings, u=(0, 1), tol=1.0, independent=independent)
        answers = [table(x[:, k : k + 1], u[k : k + 1], grad[:, k : k + 1]) for k in order]
        told.append(np.concatenate([a.flux for a in answers], axis=-1)[:, np.argsort(order)])
    np.testing.assert_array_equal(*told)


def test_nothing_is_asked_twice_and_only_where_it_is_needed():
    closure = Counting(jam)
    table = TableClosure(closure, u=(0, 1), tol=1e-6)
    x, u, grad = states(100, low=0.3, high=0.4)
    table(x, u, grad)
    asked = table.size
    assert len(set(closure.seen)) == asked + 1 == len(closure.seen)  # one more to see that x and grad do not matter
    assert table(x, u, grad).info["micro_solves"] == 0
    table(*states(100, low=0.0, high=1.0))
    assert table.size > 1.5 * asked and len(set(closure.seen)) == len(closure.seen) == table.size + 1


def test_a_copy_knows_what_the_table_knows():
    table = TableClosure(Counting(jam), u=(0, 1), tol=1e-5)
    x, u, grad = states(200, low=0.2, high=0.4)
    answer = table(x, u, grad)
    copy = pickle.loads(pickle.dumps(table))
    again = copy(x, u, grad)
    np.testing.assert_array_equal(again.flux, answer.flux)
    assert again.info["micro_solves"] == 0
    before = table.size
    copy(*states(50, 9, low=0.0, high=1.0))  # and has its own memory
    assert copy.size > before == table.size


def test_threads_share_one_table():
    table, serial = (TableClosure(Counting(jam), u=(0, 1), tol=1e-6) for _ in range(2))
    x, u, grad = states(300)
    answer = serial(x, u, grad)
    with ThreadPoolExecutor(3) as executor:
        parts = list(executor.map(lambda k: table(x[:, k::6], u[k::6], grad[:, k::6]), range(6)))
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(part.flux, answer.flux[:, k::6])
    assert table.size == serial.size and sum(part.info["micro_solves"] for part in parts) == table.size + 1


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_workers_answer_at_the_nodes(kind):
    x, u, grad = states(100)
    serial = TableClosure(Counting(jam), u=(0, 1), tol=1e-5)
    with kind(2) as executor:
        table = TableClosure(Counting(jam), u=(0, 1), tol=1e-5, executor=executor)
        answer = table(x, u, grad)
        with pytest.raises(ValueError, match=r"TableClosure\(\.\.\., executor="):
            solve_balance_law(Volumes(10), PhysicalFlux(table), 0.5, [0, 1], executor=executor)
    np.testing.assert_array_equal(answer.flux, serial(x, u, grad).flux)
    assert answer.info["micro_solves"] == table.size + 1 == serial.size + 1
    assert pickle.loads(pickle.dumps(table)).executor is None


def test_what_is_saved_is_not_asked_again(tmp_path):
    path, x, u, grad = tmp_path / "table.npz", *states(200)
    table = TableClosure(Counting(jam), u=(0, 1), tol=1e-5)
    answer = table(x, u, grad)
    table.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["table.npz"]
    closure = Counting(jam)
    again = TableClosure(closure, u=(0, 1), tol=1e-5).load(path)
    np.testing.assert_array_equal(again(x, u, grad).flux, answer.flux)
    assert not closure.seen
    finer = TableClosure(closure, u=(0, 1), tol=1e-8).load(path)
    finer(x, u, grad)
    assert 0 < len(closure.seen) == finer.size - table.size
    with pytest.raises(ValueError, match="lattice"):
        TableClosure(closure, u=(0, 2)).load(path)
    path.write_bytes(b"no table")
    with pytest.raises(ValueError, match="does not hold a table"):
        TableClosure(closure, u=(0, 1)).load(path)
    with pytest.raises(FileNotFoundError):
        table.save(tmp_path / "nowhere" / "table.npz")
    with pytest.raises(ValueError, match="npz"):
        table.save(tmp_path / "table.txt")


# -- in front of micro problems ------------------------------------------------------------------------------------------


def test_a_balance_law_through_a_table_asks_hardly_ever():
    """Traffic with a jam and a fan: a few micro problems instead of one at every face and step, and the same solution."""
    closure = Counting(jam)

    def initial(x):
        return np.where(abs(x[0] - 0.5) < 0.2, 0.8, 0.1)

    direct = solve_balance_law(Volumes(100), closure, initial, [0, 0.2])
    table = TableClosure(Counting(jam), u=(0, 1), tol=1e-5)
    tabled = solve_balance_law(Volumes(100), table, initial, [0, 0.2])
    assert np.abs(tabled.averages - direct.averages).max() < 1e-4
    assert direct.micro_solves == direct.history[-1].asked > 5000
    assert tabled.micro_solves == table.size + 1 < 40


def test_nonlinear_heat_through_a_table_of_cell_problems():
    """sigma(u', ...) of a power law in a layered medium: the table in front of the cells, and the closed form behind both."""
    medium = hmm.laws.PowerLaw(lambda x, y: (2 + np.cos(2 * np.pi * y[0])) ** -2.0, 3)
    cells = hmm.NonlinearCellClosure(medium, CellProblem(dim=1, n=16))
    table = TableClosure(cells, grad=(-8.0, 8.0), tol=1e-4)
    g = np.linspace(-8, 8, 301)
    answer = table(np.zeros((1, 301)), np.zeros(301), g[None])
    np.testing.assert_allclose(answer.flux[0], np.abs(g) * g / 4, atol=2e-4)
    flow = solve_balance_law(
        Volumes(20), PhysicalFlux(table), lambda x: np.sin(2 * np.pi * x[0]), [0, 0.02], boundary="periodic"
    )
    assert flow.micro_solves < 20 and flow.history[-1].asked > 200 and flow.history[-1].implicit


def test_a_system_of_two_components():
    """Shallow water: u = (h, q), a table of the plane; smooth waves hardly differ."""

    def water(x, u, grad):
        h, q = u
        return np.stack([q, q**2 / h + h**2 / 2])[:, None]

    def initial(x):
        return np.stack([1 + 0.1 * np.sin(2 * np.pi * x[0]), 0 * x[0]])

    table = TableClosure(water, u=[(0.7, 1.3), (-0.3, 0.3)], tol=1e-5)
    flows = [solve_balance_law(Volumes(50), flux, initial, [0, 0.3]) for flux in (water, table)]
    assert np.abs(flows[0].averages - flows[1].averages).max() < 2e-5
    assert flows[1].micro_solves == table.size + 1 < 500 < flows[0].history[-1].asked / 10


def test_every_component_has_its_own_tolerance():
    def water(x, u, grad):
        h, q = u
        return np.stack([q * h, 1e4 * (q**2 / h + h**2 / 2)])[:, None]

    bounds, (x, u, grad) = [(0.7, 1.3), (-0.3, 0.3)], (np.zeros((1, 200)), states(400)[1].reshape(2, 200) * 0.5, None)
    u[0] += 0.75
    u[1] -= 0.25
    grad = np.zeros((2, 1, 200))
    coarse, fine = (TableClosure(water, u=bounds, tol=tol) for tol in ([1e-3, 10.0], 1e-3))
    error = np.abs(coarse(x, u, grad).flux - water(x, u, grad)).max(axis=(1, 2))
    assert error[0] < 1e-3 and 1e-3 < error[1] < 10
    assert np.abs(fine(x, u, grad).flux - water(x, u, grad)).max() < 1e-3
    assert coarse.size < fine.size / 10


# -- noise ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slopes", [True, False])
def test_noise_stays_in_the_table_and_stops_the_halving(slopes):
    x, u, grad = states(20)
    scores = []
    for seed in range(50):
        table = TableClosure(Counting(jam, noise=1e-2, seed=seed), u=(0, 1), tol=1e-6, slopes=slopes)
        answer = table(x, u, grad)
        assert table.size < 80  # without noise: 39 with slopes, 1429 without
        assert (answer.stderr <= 1e-2 * (1 + 1e-12)).all() and answer.stderr.min() > 5e-3
        scores.append((answer.flux - jam(u, grad)[0]) / answer.stderr)
    assert np.std(scores) == pytest.approx(1, abs=0.2)  # 50 tables of about 9 nodes; five standard errors


def test_realisations_of_the_noise_are_those_of_its_nodes():
    table = TableClosure(Counting(jam, noise=1e-2), u=(0, 1), tol=1e-4)
    x, u, grad = states(300)
    answer = table(x, u, grad)
    drawn = np.array([table.realisation(k)(x, u, grad).flux for k in range(32)]) - answer.flux
    assert (drawn.std(axis=0) / answer.stderr).mean() == pytest.approx(1, abs=0.15)
    assert abs(drawn.mean(axis=0) / answer.stderr).max() < 5 / 32**0.5
    one = pickle.loads(pickle.dumps(table.realisation(3)))
    np.testing.assert_allclose(
        one(x[:, ::-1], u[::-1], grad[:, ::-1]).flux[..., ::-1], drawn[3] + answer.flux, atol=1e-15
    )
    assert table.realisation(3)(x, 1.1 + 0 * u, grad).flux[0, 0] == table.realisation(3)(x, 1 + 0 * u, grad).flux[0, 0]
    flux = PhysicalFlux(table).realisation(3)(x, u, grad).flux
    np.testing.assert_allclose(-flux, drawn[3] + answer.flux, atol=1e-15)
    with pytest.raises(ValueError, match="k=32"):
        table.realisation(32)


@dataclass
class Rings:
    """Traffic with errors of value and tangent, drawn for the place and the state; or for the place alone, as rings with the
    same random numbers at every density."""

    seed: int
    place_alone: bool = False
    size: float = 5e-3
    steep: float = 0.05
    seen: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def __call__(self, x, u, grad):
        self.seen += list(x[0])
        keys = [
            [self.seed, *map(int, v.view(np.uint64))] for v in np.stack([x[0], 0 * u if self.place_alone else u], 1)
        ]
        error, slope = np.array([np.random.default_rng(key).standard_normal(2) for key in keys]).T[:, None]
        stderr, blurs = np.full_like(grad, self.size), (np.full_like(grad, self.steep), np.zeros_like(grad)[None])
        info = {"micro_solves": len(u), "slope_stderr": blurs}
        if len(u) > 1:  # one alone is the question whether x matters
            self.told += zip(u, u * (1 - u) + self.size * error[0], strict=True)
        return Answer(
            (u * (1 - u))[None] + self.size * error, (1 - 2 * u)[None] + self.steep * slope, 0.0, stderr, info=info
        )


def test_every_node_has_random_numbers_of_its_own():
    """Asked at one place, all nodes would err by the same number: 300 seeds tell a correlation of 0.2 at four deviations."""
    x, u, grad = np.full((1, 2), 0.3), np.array([0.25, 0.375]), np.zeros((1, 2))
    errors = []
    for seed in range(300):
        closure = Rings(seed, place_alone=True)
        table = TableClosure(closure, u=(0, 1), tol=1.0, cells=4, independent=True, x=[0.3])
        errors.append(table(x, u, grad).flux[0] - u * (1 - u))
        np.testing.assert_allclose(closure.seen, 0.3, rtol=1e-10)
        assert len(set(closure.seen)) == table.size == len(closure.seen)
    assert abs(np.corrcoef(np.array(errors).T)[0, 1]) < 4 / 300**0.5
    assert np.std(errors) == pytest.approx(5e-3, rel=0.1)


def test_a_realisation_has_the_errors_of_the_tangents():
    table, u = TableClosure(Rings(0), u=(0, 1), tol=1.0, cells=4, independent=True), np.linspace(0, 1, 9)
    answer = table(np.zeros((1, 9)), u, np.zeros((1, 9)))
    drawn = (
        np.array([table.realisation(k)(np.zeros((1, 9)), u, np.zeros((1, 9))).d_du for k in range(32)]) - answer.d_du
    )
    assert drawn.std() == pytest.approx(0.05, rel=0.2)  # of 288 numbers: 4 %


def test_boxes_that_noise_keeps_whole_use_their_middles():
    """What the closure has said at any of the nodes, the table says there: nothing that was paid for is left out."""
    closure = Rings(1)
    table = TableClosure(closure, u=(0, 1), tol=1e-4, cells=4, slopes=False, independent=True)
    table(*states(200))
    u, told = np.array(closure.told).T
    assert 17 <= table.size < 40
    np.testing.assert_allclose(table(0 * u[None], u, 0 * u[None]).flux[0], told, rtol=1e-12)


@pytest.mark.parametrize(("slopes", "tol"), [(True, 1e-3), (False, 2e-3)])
def test_the_band_through_a_table_keeps_its_promise(slopes, tol):
    """A queue that dissolves, shock and fan, by sixteen tables that refine themselves; the cells of one road err together."""
    times, options = [0, 0.2], {"boundary": "outflow"}

    def initial(x):
        return np.where(abs(x[0] - 0.4) < 0.2, 0.9, 0.2)

    truth = solve_balance_law(Volumes(20), lambda x, u, grad: jammed(u), initial, times, **options).averages[1]
    errors, bands = [], []
    for seed in range(16):
        closure = Rings(seed, size=3e-3, steep=0.03)
        table = TableClosure(closure, u=(0, 1), tol=tol, cells=4, slopes=slopes, independent=True)
        flow = solve_balance_law(Volumes(20), table, initial, times, replicas=8, **options)
        errors.append(flow.averages[1] - truth)
        bands.append(flow.stderr[1])
    errors, bands = np.array(errors), np.array(bands)
    moving = np.sqrt((errors**2).mean(axis=0)) > 1e-3
    z = errors[:, moving] / bands[:, moving]
    assert 0.75 < np.sqrt((bands**2).mean() / (errors**2).mean()) < 1.4
    assert (np.abs(z) < 2.31).mean() > 0.86  # Student's t of 8 realisations; 95 % is promised


def jammed(u):
    return (u * (1 - u))[None], (1 - 2 * u)[None], 0.0


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_a_state_outside_the_bounds_names_them():
    table = TableClosure(Counting(jam), u=(0, 1))
    x, u, grad = states(5)
    u[3] = 1.25
    with pytest.raises(ValueError, match=r"u = 1\.25 at x=.* outside the table's bounds \(0\.0, 1\.0\); 1 of 5"):
        table(x, u, grad)
    assert table.size == 0
    u[3] = 1 + 1e-14  # round-off of a macro solver
    assert table(x, u, grad).flux[0, 3] == table(x, np.minimum(u, 1), grad).flux[0, 3]
    both = TableClosure(Counting(jam), u=(0, 1), grad=[(-1, 1), (-1, 1)])
    with pytest.raises(ValueError, match=r"grad\[1\] = 2\.0"):
        both(np.zeros((2, 1)), np.zeros(1), np.array([[0.0], [2.0]]))
    with pytest.raises(ValueError, match="1 numbers, but the table has bounds for 2"):
        both(np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)))


def test_a_law_that_depends_on_more_than_is_tabulated_is_refused():
    x, u, grad = states(5)
    with pytest.raises(ValueError, match="depends on x"):
        TableClosure(lambda x, u, grad: x * u, u=(0, 1))(x, u, grad)
    np.testing.assert_allclose(TableClosure(lambda x, u, grad: x * u, u=(0, 1), x=[2.0])(x, u, grad).flux[0], 2 * u)
    with pytest.raises(ValueError, match="depends on grad"):
        TableClosure(hmm.ExactClosure(2.0), u=(0, 1))(x, u, grad)
    with pytest.raises(ValueError, match="depends on x or u"):
        TableClosure(hmm.ExactClosure(lambda x, u: 1 + u**2), grad=(-1, 1))(x, u + 1, grad)
    with pytest.raises(ValueError, match="depends on x"):  # a single question, too
        TableClosure(lambda x, u, grad: x * u, u=(0, 1))(x[:, :1], u[:1], grad[:, :1])
    with pytest.raises(ValueError, match="depends on x or grad"):
        TableClosure(lambda x, u, grad: (u + grad, 1.0, 0.0), u=(0, 1))(x, u, 0 * grad + 3)


def test_a_full_table_says_so_and_keeps_what_it_has():
    table = TableClosure(Counting(jam), u=(0, 1), tol=1e-9, max_size=50)
    with pytest.raises(TableFull, match=r"max_size=50: allow more, or a larger tol than 1e-09"):
        table(*states(500))
    assert 0 < table.size <= 50


def test_a_law_that_jumps_is_refused():
    with pytest.raises(RefusedState, match=r"jumps near the state \[0\.3"):
        TableClosure(Counting(lambda u, grad: (np.where(u > 0.3, 1.0, 0.0)[None], 0.0, 0.0)), u=(0, 1))(
            np.zeros((1, 1)), np.array([0.3]), np.zeros((1, 1))
        )


def test_a_refused_state_of_the_closure_comes_through():
    with pytest.raises(RefusedState, match="flux"):
        TableClosure(Counting(lambda u, grad: (np.where(u > 0.9, np.nan, u)[None], 0.0, 0.0)), u=(0, 1))(*states(50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "u=None and grad=None"),
        ({"u": (1, 0)}, "u="),
        ({"u": (0, np.inf)}, "u="),
        ({"u": 3.0}, "u="),
        ({"grad": [(0, 1), (0, 1, 2)]}, "grad|sequence"),
        ({"u": (0, 1), "tol": 0.0}, "tol"),
        ({"u": (0, 1), "executor": 2}, "submit"),
        ({"u": (0, 1), "cells": 0}, "cells"),
        ({"u": [(0, 1)] * 3, "cells": 10**5}, "cells"),
        ({"u": (0, 1), "max_size": 1.5}, "max_size"),
        ({"u": [(0, 1)] * 9}, "too many"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TableClosure(Counting(jam), **options)
    with pytest.raises(TypeError, match="closure"):
        TableClosure(3.0, u=(0, 1))


def test_a_table_is_a_closure():
    table = TableClosure(Counting(jam), u=(0, 1))
    x, u, grad = states(6)
    answer = ask(table, x, u, grad)
    shaped = table(x.reshape(1, 2, 3), u.reshape(2, 3), grad.reshape(1, 2, 3))
    np.testing.assert_array_equal(shaped.flux.reshape(1, 6), answer.flux)
    assert shaped.d_dgrad.shape == (1, 1, 2, 3)
