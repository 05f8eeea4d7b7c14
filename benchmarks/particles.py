"""Particles and molecules: what is timed, and the plain loops that one would write instead.

Numba compiles when it is first called, which the runs that warm up do; GillesPy2 is asked for its NumPy solver, since its
other ones need a compiler.
"""

# ruff: noqa: NPY002  (np.random inside a compiled loop is Numba's own generator, the quickest it has)

import numpy as np

SITES, COPIES, TIME = 100, 512, 40.0  # of the exclusion process at half filling
CHANGE = np.array([[-1, 1, 0, 0, 0, 0], [1, -1, -1, 1, 0, 0], [0, 0, 1, -1, -1, 1], [0, 0, 0, 0, 1, -1]])
RATES = (1e5, 1e5, 1.0, 1.0, 1e5, 1e5)  # S1 = S2 = S3 = S4, the outer pairs fast
FAST, WINDOW = (0, 1, 4, 5), 5e-4


def exclusion():
    """The library's engine: all copies at once, in NumPy. Returns the mean current."""
    from hmm_core.micro.particles import Chance, Exclusion

    model, half = (
        Exclusion(sites=SITES, block=TIME),
        COPIES // 2,
    )  # every system holds two copies, of N and N + 1 particles
    chance = Chance(1, np.zeros(1, np.uint64), np.zeros(1, np.uint64), 1, 1, half)
    state = model.start(np.zeros((1, half)), np.full(half, 0.5), np.zeros((1, half)), chance)
    return lambda: model.run(state, chance)[1].mean()


def exclusion_numba():
    """One copy after the other, one jump after the other."""
    import numba

    @numba.njit
    def loop(n, moves, seed):
        np.random.seed(seed)
        copies, sites = n.shape
        jumps = 0
        for r in range(copies):
            for _ in range(moves):
                a = int(np.random.random() * sites)
                b = a + 1 if a + 1 < sites else 0
                if n[r, a] == 1 and n[r, b] == 0:
                    n[r, a], n[r, b] = 0, 1
                    jumps += 1
        return jumps

    rng = np.random.default_rng(0)
    half = np.arange(SITES) < SITES // 2
    start = np.stack([rng.permutation(half) for _ in range(COPIES)]).astype(np.uint8)
    return lambda: loop(start.copy(), round(SITES * TIME), 1) / (COPIES * SITES * TIME)


def current_error(current: float) -> float:
    """Distance to the ring's stationary current, relative."""
    return abs(float(current) / (0.25 * SITES / (SITES - 1)) - 1)


def network(nested: bool, runs: int, count: bool = False):
    """One molecule that starts as S1, over a unit of time: P(S1); or the events that a run takes."""
    from benchmarks.tasks import Quantity
    from hmm_core.micro.particles import Network

    chain = Network(CHANGE, RATES)

    def run():
        rng = np.random.default_rng(2)
        if nested:
            told = chain.run_nested([1, 0, 0, 0], 1.0, FAST, WINDOW, rng, runs)
        else:
            told = chain.run([1, 0, 0, 0], 1.0, rng, runs)
        return Quantity(told.events / runs, "events a run") if count else told.mean[0]

    return run


def network_numba(runs: int):
    """The direct algorithm as a plain loop."""
    import numba

    @numba.njit
    def loop(change, rates, source, runs, seed):
        np.random.seed(seed)
        found = 0
        a = np.zeros(len(rates))
        for _ in range(runs):
            x, t = np.zeros(4, np.int64), 0.0
            x[0] = 1
            while True:
                total = 0.0
                for r in range(len(rates)):
                    a[r] = rates[r] * x[source[r]]
                    total += a[r]
                t -= np.log(1.0 - np.random.random()) / total
                if t > 1.0:
                    break
                pick, r = np.random.random() * total, 0
                while pick >= a[r] and r < len(rates) - 1:
                    pick -= a[r]
                    r += 1
                for i in range(4):
                    x[i] += change[i, r]
            found += x[0]
        return found / runs

    return lambda: loop(CHANGE, np.array(RATES), CHANGE.argmin(axis=0), runs, 3)


def network_gillespy2(runs: int):
    """GillesPy2's direct algorithm."""
    import logging

    logging.disable(logging.WARNING)
    import gillespy2

    model = gillespy2.Model(name="chain")
    species = [gillespy2.Species(name=f"S{i + 1}", initial_value=int(i == 0)) for i in range(4)]
    rates = [gillespy2.Parameter(name=f"c{r}", expression=value) for r, value in enumerate(RATES)]
    model.add_species(species)
    model.add_parameter(rates)
    for r, change in enumerate(CHANGE.T):
        ends = {species[int(change.argmin())]: 1}, {species[int(change.argmax())]: 1}
        model.add_reaction(gillespy2.Reaction(name=f"r{r}", reactants=ends[0], products=ends[1], rate=rates[r]))
    model.timespan(gillespy2.TimeSpan(np.array([0.0, 1.0])))
    solver = gillespy2.NumPySSASolver(model=model)
    return lambda: np.mean([path["S1"][-1] for path in solver.run(number_of_trajectories=runs, seed=4)])
