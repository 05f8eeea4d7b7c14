"""Exercise 7, cars on a ring."""

from hmm_course.variants import Draw, Question


def question(draw: Draw) -> Question:
    length = int(draw.integers(9, 16))
    cars = int(draw.integers(3, length - 2))
    road = cars / length * (1 - cars / length)
    exact = cars * (length - cars) / (length * (length - 1))
    return Question(
        f"On your class's ring there are {cars} cars on {length} places. Measure `mine`, its mean flux in the stationary state, "
        "so accurately that it tells a ring from an endless road: with a relative error below two percent.",
        f"class_cars, class_length = {cars}, {length}",
        "# Many rings at once, all started alike; the first sweeps are thrown away, for they remember the start.\n"
        "class_rng = np.random.default_rng(1)\n"
        "rings = np.tile(np.arange(class_length) < class_cars, (400, 1))\n"
        "measured = []\n"
        "for time in range(150):\n"
        "    rings = sweep(rings, class_rng)\n"
        "    if time >= 50:\n"
        "        measured.append(flux(rings).mean())\n"
        "mine = np.mean(measured)",
        lambda: exact,
        0.02,
        {
            "this is the flux of an endless road, r (1 - r): on a ring a car knows that it is itself missing ahead.": road
        },
    )
