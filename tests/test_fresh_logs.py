"""Logs that nobody has seen: every tool gives a number or refuses in plain lines, and never anything else.

Each seed makes a world, its users in three sizes, and, for two seeds of three, something wrong with them. `make
test-long` (LONG=1) takes 500 seeds, which is half an hour.
"""

import math
import warnings

import duckdb
import numpy as np
import pytest
from generate_data import World, generate
from notebook_tools import LONG
from warehouse import DESIGNS, create_logs, tool

SEEDS = 500 if LONG else 2
SIZES = (40, 600, 6_000)
OUTCOMES = ["task_completed", "minutes"]
TREATMENTS = ["opt_in_agent_mode", "routed_to_premium", "treated", "routing_on", "prompt_variant"]


def a_world(rng):
    """Constants within what a product may have, some of them at their ends."""
    return World(
        tier_share=tuple(rng.dirichlet((2, 1, 0.5))), n_workspaces=int(rng.integers(2, 80)),
        opt_in_rate=tuple(rng.uniform(0.01, 0.99, 3)), base_rate=tuple(rng.uniform(0, 1, 3)),
        confidence_a=rng.uniform(0.5, 8), confidence_b=rng.uniform(0.5, 8), shock_sd=rng.choice([0, 0.01, 0.1]),
        session_noise_sd=rng.choice([0, 1.5, 100]), seasonal_jump=rng.choice([0, 0.2]),
        confidence_bend=rng.choice([0, 0.3]), cutoff_jump=rng.choice([0, -0.2]), hidden_opt_in=rng.choice([0, 0.3]),
    )  # fmt: skip


def spoil(frame, rng):
    """One thing that is wrong with some logs; the frame, changed."""
    some = rng.random(len(frame)) < rng.choice([0.002, 0.1, 0.9])
    column = rng.choice(frame.columns)
    outcome, treatment = rng.choice(OUTCOMES), rng.choice(TREATMENTS)
    kind = rng.integers(12)
    if kind == 0:
        frame[column] = frame[column].astype(object).where(~some, None)
    elif kind == 1:
        frame[column] = frame[column].astype(object).where(~some, "oops")
    elif kind == 2:
        frame[OUTCOMES] = rng.choice([0, 1, 0.3])
    elif kind == 3:
        frame[treatment] = rng.integers(2)
    elif kind == 4:
        frame[outcome] = frame[outcome] * rng.choice([1e-12, 1e12, -1, 1e150, 1e-200])
    elif kind == 5:
        frame[outcome] = frame[outcome] + rng.choice([1e6, 1e9, -1e12])
    elif kind == 6:
        frame[outcome] = rng.standard_cauchy(len(frame))
    elif kind == 7:
        frame[treatment] = frame[treatment].map({0: "No", 1: "Yes"})
    elif kind == 8:
        frame = frame.sample(len(frame), replace=True, random_state=int(rng.integers(1000)))
    elif kind == 9:
        frame["query_confidence"] = frame["query_confidence"].round(1)
        frame["workspace_id"] = frame["workspace_id"] % 3
    elif kind == 10:
        frame[column] = rng.choice([np.inf, -np.inf, np.nan])
    else:
        frame = frame[frame[treatment] == frame.groupby("workspace_id")[treatment].transform("max")]
    return frame


def a_log(seed, users):
    rng = np.random.default_rng([seed, users])
    source = generate(seed, users, a_world(rng))  # noqa: F841 (DuckDB finds it by name)
    with duckdb.connect() as connection:
        connection.execute(create_logs("source", users))
        frame = connection.sql("FROM logs ORDER BY user_id").df()
    return spoil(frame, rng) if seed % 3 else frame


def faults(number, frame):
    """What a tool does with the log and must not, as words; "" where all is well."""
    columns, design, _ = DESIGNS[number]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = tool(number).analyse(frame, columns, **design)
            report = result.report()
    except ValueError as error:  # UnfitLog is one
        said = str(error)
        return "" if said and all(10 < len(line) < 500 for line in said.splitlines()) else f"says {said!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not math.isfinite(result.estimate) or not (math.isnan(result.lo) or result.lo <= result.estimate <= result.hi):
        return f"estimate {result.estimate}, interval {result.lo} to {result.hi}"
    return "the report says nan" if " nan" in report.lower() or " inf" in report.lower() else ""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_tool_gives_a_number_or_says_why_not(seed):
    found = {}
    for users in SIZES:
        frame = a_log(seed, users)
        for number in DESIGNS:
            if wrong := faults(number, frame):
                found[number, users] = wrong
    assert not found


def test_most_logs_get_a_number():
    """Else the test above would say nothing."""
    frame = a_log(0, SIZES[-1])
    for number, (columns, design, _) in DESIGNS.items():
        assert math.isfinite(tool(number).analyse(frame, columns, **design).estimate)
