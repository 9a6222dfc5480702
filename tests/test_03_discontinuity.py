"""The tool of notebook 03: right numbers against statsmodels, rdrobust and brute force; refusals for awkward logs."""

import io
from contextlib import redirect_stdout

import discontinuity as rd
import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from notebook_tools import RANDOM_LOGS
from own_logs import FATAL, UnfitLog
from rdrobust import rdrobust
from scipy.optimize import linprog
from statsmodels.sandbox.regression.gmm import IV2SLS

COLUMNS = {"outcome": "y", "running": "x"}


def world(seed, n=6000, *, cutoff=0.6, side="above", effect=0.5, decimals=None, follow=1.0, bend=0.0, number=True):
    """A log nobody has prepared: running variable x, treatment t, outcome y (a number, or 0 and 1), user u."""
    rng = np.random.default_rng(seed)
    x = rng.beta(3, 2, n)
    if decimals is not None:
        x = x.round(decimals)
    rule = x >= cutoff if side == "above" else x < cutoff
    t = np.where(rng.random(n) < follow, rule, ~rule).astype(int)
    mean = 0.3 + 0.4 * x + bend * np.tanh((x - cutoff) / 0.06) + effect * t
    y = mean + rng.normal(0, 1, n) if number else (rng.random(n) < mean.clip(0, 1)).astype(int)
    return pd.DataFrame({"u": np.arange(n), "x": x, "t": t, "y": y, "z": rng.normal(size=n)})


def library(frame, cutoff=0.6, sign=1, **options):
    """rdrobust on the rows: (estimate, lo, hi, h); sign -1 where treated is below."""
    with redirect_stdout(io.StringIO()):
        fit = rdrobust(frame["y"], frame["x"], c=cutoff, **options)
    limits = sorted(sign * fit.ci.to_numpy()[2])
    return sign * fit.coef.iloc[0, 0], *limits, fit.bws.iloc[0, 0]


def cells(x, *columns):
    """Distinct values of x, rows, and sums of further columns."""
    frame = pd.DataFrame(dict(enumerate(columns))).assign(x=np.asarray(x), n=1.0)
    table = frame.groupby("x", as_index=False).sum()
    return (table["x"].to_numpy(), table["n"].to_numpy(), *(table[k].to_numpy() for k in range(len(columns))))


# ---- the estimators


@pytest.mark.parametrize("degree, hole", [(1, 0.0), (2, 0.0), (1, 0.02)])
def test_local_fit_is_statsmodels_hc3(degree, hole):
    frame = world(1, decimals=3)
    x, n, y, yy = cells(frame["x"] - 0.6, frame["y"], frame["y"] ** 2)
    jump, error = rd.local_fit(x, n, y, yy, 0.15, degree, hole=hole)
    distance = (frame["x"] - 0.6).to_numpy()
    near = (np.abs(distance) < 0.15) & ((np.abs(distance) > hole + 1e-9) | (hole == 0))
    right = (distance >= 0) * 1.0
    X = np.column_stack([distance**k * side for k in range(degree + 1) for side in (np.ones(len(right)), right)])
    fit = sm.OLS(frame["y"][near].to_numpy(), X[near]).fit(cov_type="HC3")
    np.testing.assert_allclose([jump, error], [fit.params[1], fit.bse[1]], rtol=1e-9)
    slope, error = rd.local_fit(x, n, y, yy, 0.15, degree, hole=hole, derivative=1)
    np.testing.assert_allclose([slope, error], [fit.params[3], fit.bse[3]], rtol=1e-7)


def test_local_fit_takes_many_datasets_at_once():
    rng = np.random.default_rng(2)
    x = np.arange(-50, 50) / 100 + 0.005
    n = rng.poisson(30, (2, 3, 100))
    s = rng.binomial(n, 0.4)
    jumps, errors = rd.local_fit(x, n, s, s, 0.3)
    for k in np.ndindex(2, 3):
        np.testing.assert_allclose([jumps[k], errors[k]], rd.local_fit(x, n[k], s[k], s[k], 0.3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("decimals", [None, 2])
@pytest.mark.parametrize("fuzzy", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_robust_fit_is_rdrobust_on_the_rows(seed, fuzzy, decimals):
    """Bandwidths, estimate, errors, interval, p: for continuous and for repeated values."""
    frame = world(seed, n=[300, 1500, 4000, 2500][seed], decimals=decimals, follow=0.8)
    x, n, y, yy, d, dy = cells(frame["x"] - 0.6, frame["y"], frame["y"] ** 2, frame["t"], frame["t"] * frame["y"])
    got = rd.robust_fit(x, n, y, yy, **({"d": d, "dy": dy} if fuzzy else {}))
    with redirect_stdout(io.StringIO()):
        fit = rdrobust(frame["y"], frame["x"] - 0.6, **({"fuzzy": frame["t"]} if fuzzy else {}))
    expected = [fit.coef.iloc[0, 0], fit.se.iloc[0, 0], fit.coef.iloc[2, 0], fit.se.iloc[2, 0], *fit.ci.iloc[2],
                fit.pv.iloc[2, 0], fit.bws.iloc[0, 0], fit.bws.iloc[1, 0]]  # fmt: skip
    found = [got.estimate, got.error, got.corrected, got.robust_error, got.lo, got.hi, got.p, got.h, got.b]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert got.rows == tuple(fit.N_h)


def test_robust_fit_with_a_given_bandwidth_and_a_bandwidth_for_the_bias():
    frame = world(5)
    x, n, y, yy = cells(frame["x"] - 0.6, frame["y"], frame["y"] ** 2)
    for options in ({"bandwidth": 0.1}, {"bandwidth": 0.1, "bias_bandwidth": 0.17}):
        got = rd.robust_fit(x, n, y, yy, **options)
        lib = library(frame, h=0.1, b=options.get("bias_bandwidth"))
        np.testing.assert_allclose([got.estimate, got.lo, got.hi, got.h], lib, rtol=1e-8)


def test_fuzzy_without_a_bend_is_two_stage_least_squares():
    frame = world(6, follow=0.8)
    distance = (frame["x"] - 0.6).to_numpy()
    weight = np.maximum(1 - np.abs(distance) / 0.2, 0)
    near, right = weight > 0, distance >= 0
    Z = np.column_stack([right, np.ones(len(right)), distance, distance * right])[near] * np.sqrt(weight[near])[:, None]
    X = np.column_stack([frame["t"], np.ones(len(right)), distance, distance * right])[near]
    X = X * np.sqrt(weight[near])[:, None]
    expected = IV2SLS(frame["y"].to_numpy()[near] * np.sqrt(weight[near]), X, Z).fit().params[0]
    x, n, y, yy, d, dy = cells(distance, frame["y"], frame["y"] ** 2, frame["t"], frame["t"] * frame["y"])
    assert abs(rd.robust_fit(x, n, y, yy, d=d, dy=dy, bandwidth=0.2).estimate - expected) < 1e-9


def test_worst_bias_of_honest_fit_is_that_of_a_linear_programme():
    """Over all pairs of curves with second derivative within the bound, on the points of the log."""
    rng = np.random.default_rng(7)
    x = np.sort(np.unique(np.concatenate([rng.uniform(-1, 1, 60), [0.0]])))
    n, bound = np.ones(len(x)), 2.5
    y = rng.normal(size=len(x))
    fit = rd.honest_fit(x, n, y, y**2, bound)
    worst = 0.0
    for side in (x >= 0, x < 0):
        at = x[side]
        weight = np.maximum(1 - np.abs(at) / fit["bandwidth"], 0)
        X = np.column_stack([np.ones(len(at)), at])
        row = np.linalg.solve(X.T @ (X * weight[:, None]), X.T * weight)[0]
        grid = np.linspace(0, 1, 801) * np.sign(
            at[-1] + at[0]
        )  # a curve with f(0) = f'(0) = 0 and |f''| within the bound
        step = np.abs(grid[1])
        effect = np.array([np.interp(np.abs(at), np.abs(grid), np.maximum(np.abs(grid) - k * step, 0)) @ row * step
                           for k in range(800)])  # fmt: skip
        worst += -linprog(-effect, bounds=[(-bound, bound)] * 800).fun
    assert abs(fit["bias"] / worst - 1) < 0.01
    assert fit["lo"] < fit["estimate"] < fit["hi"]
    narrow, wide = (rd.honest_fit(x, n, y, y**2, m) for m in (0.1, 20))
    assert wide["hi"] - wide["lo"] > narrow["hi"] - narrow["lo"] and wide["bandwidth"] < narrow["bandwidth"]


def test_curvature_rule_finds_the_curvature_of_a_parabola():
    x = np.linspace(-1, 1, 41)
    assert abs(rd.curvature_rule(x, np.full(41, 5.0), 5 * (1 + x + 1.7 * x**2)) - 3.4) < 1e-6


def coverage(fits, truth):
    return np.mean([fit.lo <= truth <= fit.hi for fit in fits])


@pytest.mark.parametrize("options, least", [({}, 0.90), ({"decimals": 2}, 0.90), ({"bend": 0.15}, 0.89),
                                            ({"number": False, "effect": 0.1}, 0.90),
                                            ({"follow": 0.85}, 0.90)])  # fmt: skip
def test_the_interval_covers(options, least):
    """300 logs of 4,000 rows each; 0.95 less four Monte Carlo errors is 0.90. Curves that bend cost a little."""
    effect, fits = options.get("effect", 0.5), []
    fuzzy = "follow" in options
    for seed in range(300):
        frame = world(1000 + seed, n=4000, **options)
        x, n, y, yy, d, dy = cells(frame["x"] - 0.6, frame["y"], frame["y"] ** 2, frame["t"], frame["t"] * frame["y"])
        x = np.where(np.abs(x) < 1e-9, 0.0, x)
        fits.append(rd.robust_fit(x, n, y, yy, **({"d": d, "dy": dy} if fuzzy else {})))
    assert least < coverage(fits, effect) < 0.985


def test_density_fit_keeps_its_size_and_sees_sorting():
    rng, found = np.random.default_rng(8), {0.0: [], 0.3: []}
    for share, results in found.items():
        for _ in range(150 if share == 0 else 20):
            x = rng.beta(5, 2, 20_000)
            moves = (x >= 0.85) & (x < 0.86) & (rng.random(len(x)) < share)
            value, rows = np.unique(np.floor(np.where(moves, x - 0.01, x) * 10_000), return_counts=True)
            results.append(rd.density_fit(value / 10_000 - 0.85, rows, treated=value < 8500))
    p = {share: np.array([p for p, _, _ in results]) for share, results in found.items()}
    assert np.mean(p[0.0] < 0.05) < 0.10 and np.mean(p[0.0] < 0.001) < 0.02
    assert np.mean(p[0.3] < 0.001) > 0.9 and np.mean([jump for _, jump, _ in found[0.3]]) > 0.3


# ---- the published study


SENATE = rd.HERE.parent / "data" / "real" / "senate.csv"


def test_senate_is_the_published_estimate():
    result = rd.analyse(SENATE, {"outcome": "vote_next", "running": "margin"}, cutoff=0, treated_side="above")
    assert [round(v, 3) for v in (result.estimate, result.lo, result.hi)] == [7.414, 4.094, 10.919]


# ---- the interface: right value or refusal


def answer(frame, columns=COLUMNS, **design):
    return rd.analyse(frame, columns, **{"cutoff": 0.6, "treated_side": "above", **design})


@pytest.mark.parametrize("side, decimals", [("above", None), ("below", None), ("above", 2), ("below", 2)])
def test_the_rule_says_on_which_side_a_row_at_the_cutoff_falls(side, decimals):
    """First edition: a rule 'at or above' put the rows at the cutoff into the wrong arm (.220 for .396)."""
    frame = world(9, side=side, decimals=decimals)
    expected = library(frame, sign=1 if side == "above" else -1)
    for columns in (COLUMNS, COLUMNS | {"treated": "t"}):
        got = answer(frame, columns, treated_side=side)
        np.testing.assert_allclose([got.estimate, got.lo, got.hi, got.fit.h], expected, rtol=1e-6)


def test_a_rule_at_or_below_takes_the_rows_at_the_cutoff_with_it():
    frame = world(10, decimals=2)
    frame["t"] = (frame["x"] <= 0.6) * 1
    frame["y"] = 0.4 * frame["x"] + 0.5 * frame["t"] + np.random.default_rng(0).normal(0, 1, len(frame))
    flipped = frame.assign(x=-frame["x"])
    expected = library(flipped, cutoff=-0.6)
    for columns, options in ((COLUMNS | {"treated": "t"}, {}), (COLUMNS, {"at_cutoff": "treated"})):
        got = answer(frame, columns, treated_side="below", **options)
        np.testing.assert_allclose([got.estimate, got.lo, got.hi], expected[:3], rtol=1e-6)
    wrong = answer(frame, treated_side="below")  # nobody said it, and the log cannot: the default reading
    assert abs(wrong.estimate - got.estimate) > 0.001


def test_what_only_rounding_separates_from_the_cutoff_is_at_the_cutoff():
    frame = world(11, decimals=1, n=3000).assign(x=lambda f: f["x"].round(1))
    frame = pd.concat([frame, world(12)], ignore_index=True)
    frame["t"], frame["sum"] = (frame["x"] >= 0.3) * 1, np.where(frame["x"] == 0.3, 0.1 + 0.2, frame["x"])
    assert (frame["sum"] > 0.3).sum() > (frame["x"] > 0.3).sum()
    a = answer(frame, cutoff=0.3, treated_side="below", accept="density")
    b = answer(frame, {"outcome": "y", "running": "sum"}, cutoff=0.3, treated_side="below", accept="density")
    assert a.estimate == pytest.approx(b.estimate, rel=1e-12)


def test_a_shard_of_32_bits_beside_one_of_64_keeps_its_side(tmp_path):
    """Unified to DOUBLE, a 32-bit 0.7 is 0.69999999: below a cutoff of 0.7, and still at it."""
    frame = world(32, decimals=1, n=4000, cutoff=0.7).assign(x=lambda f: f["x"].round(1))
    frame = pd.concat([frame, world(33, cutoff=0.7)], ignore_index=True).assign(t=lambda f: (f["x"] >= 0.7) * 1)
    expected = answer(frame, COLUMNS | {"treated": "t"}, cutoff=0.7, accept="density")
    duckdb.from_df(frame[:3000].astype({"x": "float32"})).write_parquet(str(tmp_path / "a.parquet"))
    duckdb.from_df(frame[3000:]).write_parquet(str(tmp_path / "b.parquet"))
    got = answer(tmp_path, COLUMNS | {"treated": "t"}, cutoff=0.7, accept="density")
    assert abs(got.estimate - expected.estimate) < 1e-4 and not got.problems["problem"].str.contains("against").any()


def test_rounding_across_the_cutoff_is_refused():
    """First edition: ROUND in the query moved users over the cutoff (.0470 for .0566)."""
    frame = world(13).assign(x=lambda f: f["x"].round(2))  # t was decided before rounding
    with pytest.raises(UnfitLog, match=r"treated against the rule .* \(at 0.6\): \d+ rows\. The score was rounded"):
        answer(frame, COLUMNS | {"treated": "t"})


@pytest.mark.parametrize("design", [{"cutoff": 0.5}, {"cutoff": 0.7}, {"treated_side": "below"}])
def test_a_cutoff_or_side_that_is_not_the_rules_is_refused(design):
    """First edition: the treatment column was ignored, a cutoff typed differently gave .0095."""
    with pytest.raises(UnfitLog, match="treated against the rule"):
        answer(world(14), COLUMNS | {"treated": "t"}, **design)


def test_exceptions_are_refused_unless_the_design_is_fuzzy():
    frame = world(31, follow=0.8, n=20_000)
    with pytest.raises(UnfitLog, match="fuzzy=True"):
        answer(frame, COLUMNS | {"treated": "t"})
    got = answer(frame, COLUMNS | {"treated": "t"}, fuzzy=True)
    expected = library(frame, fuzzy=frame["t"])
    np.testing.assert_allclose([got.estimate, got.lo, got.hi], expected[:3], rtol=1e-6)
    assert (
        got.lo < 0.5 < got.hi and "compliers" in got.estimand and got.fit.first_stage[0] == pytest.approx(0.6, abs=0.1)
    )
    no_jump = frame.assign(t=np.random.default_rng(1).integers(0, 2, len(frame)))
    with pytest.raises(UnfitLog, match="does not jump"):
        answer(no_jump, COLUMNS | {"treated": "t"}, fuzzy=True)
    with pytest.raises(ValueError, match="say which column is 'treated'"):
        answer(frame, fuzzy=True)
    assert answer(frame, COLUMNS | {"treated": "t"}, accept="rule").problems["problem"].str.contains("against").any()


@pytest.mark.parametrize("design, message", [
    ({"cutoff": 2}, "one side of the cutoff is empty"), ({"cutoff": -1}, "one side of the cutoff is empty"),
    ({"bandwidth": 10}, "bandwidth reaches beyond the data"), ({"cutoff": 0.99}, "too few|fewer than"),
])  # fmt: skip
def test_a_design_that_does_not_fit_the_log_is_refused(design, message):
    """First edition: one side empty was 'Singular matrix', bandwidth 10 was accepted."""
    with pytest.raises(UnfitLog, match=message):
        answer(world(16), **design)


@pytest.mark.parametrize("design, message", [
    ({"cutoff": "0.6"}, "cutoff: a number"), ({"cutoff": np.nan}, "cutoff: a number"), ({"bandwidth": 0}, "above 0"),
    ({"bandwidth": -0.1}, "above 0"), ({"treated_side": "left"}, "'above' or 'below'"), ({"level": 95}, "below 1"),
    ({"at_cutoff": "yes"}, "at_cutoff"), ({"accept": "everything"}, "accept"), ({"fuzzy": 2}, "fuzzy"),
])  # fmt: skip
def test_arguments_without_sense_get_one_line(design, message):
    with pytest.raises(ValueError, match=message) as error:
        answer(world(16, n=100), **design)
    assert "\n" not in str(error.value)


def spoil(column, value, rows=7, dtype=object):
    frame = world(17).astype({column: dtype})
    frame.loc[frame.index[:rows], column] = value
    return frame


@pytest.mark.parametrize("column, value, columns, message", [
    ("y", "done", COLUMNS, "outcome is not a finite number"),
    ("x", "high", COLUMNS, "running variable is not a finite number"),
    ("y", np.inf, COLUMNS, "outcome is not a finite number"),
    ("t", 2, COLUMNS | {"treated": "t"}, "treatment is neither of its two values"),
    ("u", 5999, COLUMNS | {"user": "u"}, "user appears more than once"),
    ("z", "red", COLUMNS | {"covariates": ["z"]}, "covariate z is not a finite number"),
])  # fmt: skip
def test_values_that_mean_nothing_are_counted_and_refused(column, value, columns, message):
    with pytest.raises(UnfitLog) as error:
        answer(spoil(column, value), columns)
    named = error.value.problems[error.value.problems["problem"] == message]
    assert named["rows"].sum() == 7 and set(named["severity"]) == {FATAL} and message in str(error.value)


def test_nothing_is_lost_in_silence():
    frame = spoil("y", None, rows=40)
    got = answer(frame)
    missing = got.problems[got.problems["problem"] == "outcome is missing"]
    assert missing["rows"].sum() == 40 and got.n == got.n | {"rows": 6000, "used": 5960}
    assert "Warning: outcome is missing (40 rows)." in got.report()
    np.testing.assert_allclose([got.estimate, got.lo], library(frame.dropna(subset="y").astype(float))[:2], rtol=1e-6)


def test_outcomes_missing_more_often_on_one_side_are_noticed():
    """The estimate is then a comparison of those who answered, and the report says so."""
    frame = world(18, n=20_000)
    gone = (frame["x"] > 0.6) & (np.random.default_rng(2).random(len(frame)) < 0.15)
    got = answer(frame.assign(y=frame["y"].where(~gone)))
    assert got.problems["problem"].str.contains("missing more often on one side").any()
    assert "missing more often" in got.report()
    everywhere = np.random.default_rng(3).random(len(frame)) < 0.15
    fair = answer(frame.assign(y=frame["y"].where(~everywhere)))
    assert not fair.problems["problem"].str.contains("more often").any()


def test_sorting_is_refused_and_can_be_accepted():
    frame = world(19, n=40_000)
    moved = (frame["x"] < 0.6) & (frame["x"] > 0.59) & (np.random.default_rng(4).random(len(frame)) < 0.5)
    frame["x"] += np.where(moved, 0.01, 0)
    frame["t"] = (frame["x"] >= 0.6) * 1
    with pytest.raises(UnfitLog, match="rows pile up above the cutoff: jump of the density"):
        answer(frame)
    assert "pile up" in answer(frame, accept="density").report()


def test_a_heap_is_named():
    frame = world(20, n=20_000)
    frame.loc[frame["x"].between(0.61, 0.64), "x"] = 0.64
    got = answer(frame, accept="density")
    assert got.problems.loc[got.problems["problem"].str.contains("twentieth"), "place"].item().endswith("at 0.64")


def test_a_covariate_that_jumps_is_named():
    frame = world(21, n=20_000).assign(plan=lambda f: np.where((f["x"] > 0.6) & (f["u"] % 3 == 0), "pro", "free"))
    got = answer(frame, COLUMNS | {"covariates": ["z", "plan = 'pro'"]})
    assert got.problems["problem"].str.contains("covariate plan = 'pro' jumps by 0.3").any()
    assert len(got.problems) == 1 and got.covariates()["p"].iloc[0] > 0.001


def test_integer_scores_get_a_warning_or_a_refusal():
    frame = world(22, n=20_000).assign(x=lambda f: np.floor(f["x"] * 20))
    got = answer(frame, cutoff=12)
    assert got.problems["problem"].str.contains("values of the running variable").any()
    assert "honest()" in got.problems["what_to_do"].str.cat()
    honest = got.honest()
    assert honest["lo"] < 0.5 < honest["hi"]
    with pytest.raises(UnfitLog, match="fewer than 3 values|too few"):
        answer(frame.assign(x=lambda f: np.floor(f["x"] / 5)), cutoff=2)


def test_a_constant_outcome_an_empty_log_and_a_handful_of_rows_are_refused():
    """First edition: an empty log was 'nothing was found'."""
    frame = world(23)
    with pytest.raises(UnfitLog, match="does not vary"):
        answer(frame.assign(y=1))
    with pytest.raises(UnfitLog, match="too large for its squares"):
        answer(frame.assign(y=frame["y"] * 1e200))
    with pytest.raises(UnfitLog, match="the log has no rows"):
        answer(frame[:0])
    for n in (1, 2, 5, 12, 30):
        with pytest.raises(UnfitLog):
            answer(frame[:n])


def test_every_form_of_a_log_gives_the_same_numbers(tmp_path):
    frame = world(24, number=False, effect=0.2)
    frame["arm"] = np.where(frame["t"] == 1, "Premium", "Cheap")
    columns = COLUMNS | {"treated": "arm", "user": "u"}
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    duckdb.from_df(frame).write_parquet(str(tmp_path / "a.parquet"))
    logs = [frame, tmp_path / "a.csv", tmp_path / "a.csv.gz", tmp_path / "a.parquet", duckdb.connect().from_df(frame),
            frame.sample(frac=1, random_state=1), frame.assign(y=frame["y"] == 1)]  # fmt: skip
    found = [answer(log, columns, treated_value="Premium") for log in logs]
    for other in found[1:]:
        np.testing.assert_allclose([other.estimate, other.lo, other.hi],
                                   [found[0].estimate, found[0].lo, found[0].hi], rtol=1e-9)  # fmt: skip


def test_queries_for_a_warehouse_give_the_same_numbers():
    frame = world(25).assign(arm=lambda f: np.where(f["t"] == 1, "On", "Off"))
    columns = {"outcome": "y", "running": "x * 100", "treated": "arm", "user": "u", "covariates": ["z"]}
    design = {"cutoff": 60, "treated_side": "above"}
    expected = rd.analyse(frame, columns, treated_value="On", **design)
    check, aggregate = rd.queries(columns, treated_value="On", control_value="Off", **design)
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        tables = [warehouse.sql(text).df() for text in (check, aggregate)]
        half = "FROM (SELECT * FROM logs WHERE u % 2 = {}) AS logs"
        halves = [warehouse.sql(aggregate.replace("FROM logs", half.format(k))).df()
                  for k in (0, 1)]  # fmt: skip
    for parts in (tables[1], pd.concat(halves)):  # partial aggregates of two shards add up
        got = rd.analyse_tables(tables[0], parts, columns, **design)
        np.testing.assert_allclose(
            [got.estimate, got.lo, got.hi], [expected.estimate, expected.lo, expected.hi], rtol=1e-9
        )
        np.testing.assert_allclose(got.covariates()["p"], expected.covariates()["p"], rtol=1e-6)


def test_a_large_mean_costs_no_digits():
    frame = world(26)
    small, large = answer(frame), answer(frame.assign(y=frame["y"] + 1e9))
    np.testing.assert_allclose(
        [large.estimate, large.standard_error], [small.estimate, small.standard_error], rtol=1e-5
    )


def test_cells_for_large_logs_change_next_to_nothing():
    frame = world(27, n=50_000)
    exact, cut = answer(frame), answer(frame, step=0.0005)
    assert len(cut.table) < 0.05 * len(exact.table) and abs(cut.fit.h / exact.fit.h - 1) < 0.15
    a, b = (answer(frame, bandwidth=0.1, **options) for options in ({}, {"step": 0.0005}))
    assert (
        abs(b.estimate - a.estimate) < 0.02 * a.standard_error and abs(b.standard_error / a.standard_error - 1) < 0.02
    )


def test_the_published_logs_give_the_notebooks_numbers():
    import generate_data

    columns = {"outcome": "task_completed", "running": "query_confidence", "treated": "routed_to_premium",
               "user": "user_id"}  # fmt: skip
    logs = generate_data.load_logs()
    got = rd.analyse(logs, columns, cutoff=0.85, treated_side="below")
    expected = library(logs.assign(y=logs["task_completed"], x=logs["query_confidence"]), 0.85, sign=-1)
    np.testing.assert_allclose([got.estimate, got.lo, got.hi, got.fit.h], expected, rtol=1e-7)
    assert got.problems["rows"].tolist() == [4]  # rounded after they were routed, at 0.85


# ---- what the result offers


def test_further_looks():
    result = answer(world(28, n=20_000), COLUMNS | {"treated": "t", "covariates": ["z"]})
    sweep = result.sweep((1.0,))
    np.testing.assert_allclose(sweep[["bandwidth", "estimate", "lo", "hi"]].iloc[0],
                               [result.fit.h, result.estimate, result.lo, result.hi], rtol=1e-9)  # fmt: skip
    assert len(result.donut()) == 3 and result.donut()["rows"].is_monotonic_decreasing
    assert np.allclose(result.donut([0.0])["estimate"], result.estimate)
    placebo = result.placebo()
    assert len(placebo) == 6 and (placebo["p"] > 0.001).all() and 0.6 not in placebo["cutoff"].round(6).to_list()
    chosen = result.placebo([0.5, 0.7])
    rows = world(28, n=20_000).query("x < 0.6")
    np.testing.assert_allclose(chosen["estimate"].iloc[0], library(rows, 0.5)[0], rtol=1e-6)
    assert abs(result.detectable() - 2.8016 * result.standard_error) < 1e-3 * result.standard_error
    assert result.rows_needed(result.detectable() / 2) == pytest.approx((20_000 * 4, 20_000 * 2**2.5), rel=1e-3)
    report = result.report()
    assert "at 0.6" in report and "raises y" in report and "nobody can choose" in report
    bins = result.bins()
    assert (bins["treated"] == (bins["x"] > 0.6)).all() and bins["rows"].sum() <= 20_000
    assert result.figure().axes[0].get_xlabel() == "x"


def test_rows_needed_holds_fresh_logs_between_its_limits():
    """The median error of logs with eight times the rows, against what rows_needed promises for it."""
    errors = {n: np.median([answer(world(900 + k, n=n), accept="density").standard_error for k in range(20)])
              for n in (4_000, 32_000)}  # fmt: skip
    assert 8**0.37 < errors[4_000] / errors[32_000] < 8**0.55


def test_nothing_but_refusals_on_random_logs():
    rng = np.random.default_rng(29)
    answers = 0
    for seed in range(RANDOM_LOGS):
        n = int(rng.choice([3, 30, 300, 3000]))
        frame = world(seed, n=n, decimals=[None, 0, 1, 2][seed % 4], number=bool(seed % 3)).astype(
            {"y": object, "x": object}
        )
        for column in ("x", "y", "t"):
            if rng.random() < 0.3:
                bad = rng.random(n) < rng.choice([0.01, 0.5, 1.0])
                junk = [np.nan, None, "word", np.inf, 1e308, -5, True]
                frame[column] = frame[column].astype(object).where(~bad, junk[int(rng.integers(7))])
        columns = COLUMNS | ({"treated": "t"} if seed % 2 else {})
        try:
            result = answer(frame, columns, cutoff=float(rng.choice([0.6, 0.0, 1.0])))
        except ValueError:
            continue
        answers += 1
        assert np.isfinite([result.estimate, result.standard_error, result.lo, result.hi]).all() and result.report()
    assert answers >= RANDOM_LOGS / 40


# ---- what an independent audit found


@pytest.mark.parametrize("unit", [1, 1e7, 1e-3])
def test_the_unit_of_the_running_variable_changes_nothing(unit):
    """Dollars for a token, cutoff 2e-7: rows within 1e-9 were put at the cutoff, a third of the intervals held."""
    rng, n = np.random.default_rng(3), 20_000
    x = rng.gamma(4, 0.5e-7, n)
    frame = pd.DataFrame({"x": x * unit, "y": 0.5 * (x >= 2e-7) + 2e5 * x + rng.normal(size=n) * 0.5})
    frame.loc[7, "x"] = 2e-7 * unit * (1 + 1e-15)  # only rounding separates it from the cutoff
    columns = {"outcome": "y", "running": "x"}
    got = rd.analyse(frame, columns, cutoff=2e-7 * unit, treated_side="above", at_cutoff="treated")
    there = frame.assign(x=frame["x"] / unit * 1e8)
    plain = rd.analyse(there, columns, cutoff=20, treated_side="above", at_cutoff="treated")
    numbers = [(r.estimate, r.lo, r.hi, r.n["used"]) for r in (got, plain)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6) and got.lo < 0.5 < got.hi


def test_seconds_since_1970_stay_on_their_side():
    """The last second before the change was put at the cutoff: 1e-9 of 1.76 billion."""
    rng, n = np.random.default_rng(1), 20_000
    x = rng.integers(-600, 600, n)
    frame = pd.DataFrame({"x": x, "y": 0.3 * (x >= 0) + 0.001 * x + rng.normal(size=n), "d": x >= 0})
    columns = {"outcome": "y", "running": "x", "treated": "d"}
    plain = rd.analyse(frame, columns, cutoff=0, treated_side="above")
    got = rd.analyse(frame.assign(x=x + 1_760_000_000), columns, cutoff=1_760_000_000, treated_side="above")
    assert (got.estimate, got.lo, got.hi) == pytest.approx((plain.estimate, plain.lo, plain.hi), rel=1e-9)
    assert "against the rule" not in got.warnings()
    ids = frame.assign(x=x + 20_000_001)  # 32 bits do not hold this number; its neighbour is another value
    got = rd.analyse(ids, columns, cutoff=20_000_001, treated_side="above")
    assert got.estimate == pytest.approx(plain.estimate, rel=1e-9)


@pytest.mark.parametrize("cutoff", [20_000_000.5, 20_000_001])
def test_whole_numbers_were_not_rounded(cutoff):
    """As a number of 32 bits the cutoff is 20,000,000, where many rows lie: they were put above it, .53 for 1."""
    rng, n = np.random.default_rng(3), 8000
    x = rng.integers(10_000_000, 30_000_000, n)
    x[rng.random(n) < 0.006] = 20_000_000
    y = (x > 20_000_000) + (x - 2e7) / 1e7 + 0.5 * rng.normal(size=n)
    got = rd.analyse(pd.DataFrame({"x": x, "y": y}), {"outcome": "y", "running": "x"}, cutoff=cutoff,
                     treated_side="above", accept=("density",))  # fmt: skip
    assert got.lo < 1 < got.hi and abs(got.estimate - 1) < 0.1


def test_few_events_are_refused_or_said():
    """.3 % against .1 % of 5,000 rows: the interval held the truth in seven of ten logs, without a word."""
    silent, sure = 0, 0
    for seed in range(40):
        rng, n = np.random.default_rng(seed), 5000
        x = rng.uniform(-1, 1, n)
        for rates in ((0.003, 0.001), (0.3, 0.3)):
            y = (rng.random(n) < np.where(x >= 0, *rates)) * 1
            try:
                got = rd.analyse(pd.DataFrame({"x": x, "y": y}), {"outcome": "y", "running": "x"}, cutoff=0,
                                 treated_side="above")  # fmt: skip
                said = "few ones" in got.warnings()
            except UnfitLog:
                said = True
            silent += rates[0] < 0.01 and not said
            sure += rates[0] > 0.01 and not said
    assert silent == 0 and sure == 40


@pytest.mark.parametrize("low, high", [(0, 1), (0, 100), (1, 2), (-3, 0), (5000, 5001)])
def test_few_events_do_not_depend_on_how_two_values_are_written(low, high):
    rng, n = np.random.default_rng(1), 3000
    x = rng.uniform(-1, 1, n)
    y = np.where(rng.random(n) < np.where(x >= 0, 0.02, 0.01), high, low)
    with pytest.raises(UnfitLog, match="the outcome has few (ones|rows of (100|2|0|5001)) (above|below) the cutoff"):
        rd.analyse(pd.DataFrame({"x": x, "y": y}), {"outcome": "y", "running": "x"}, cutoff=0, treated_side="above")


@pytest.mark.parametrize("scores", ["any", "whole"])
def test_costs_that_a_few_rows_decide_are_said_to(scores):
    """Most are 0 and the others lognormal with sigma 2.5, doubled at the cutoff: .74 coverage in silence."""
    said, plainly = 0, 0
    for seed in range(40):
        rng, n = np.random.default_rng(seed), 3000
        x = rng.uniform(-1, 1, n) if scores == "any" else rng.integers(-50, 50, n)
        cost = np.where(rng.random(n) < 0.05, np.exp(2.5 * rng.normal(size=n)), 0) * np.where(x >= 0, 2, 1)
        for y in (cost, rng.exponential(size=n)):
            try:
                got = rd.analyse(pd.DataFrame({"x": x, "y": y}), {"outcome": "y", "running": "x"}, cutoff=0,
                                 treated_side="above")  # fmt: skip
                found = "of the variance" in got.warnings() or "few rows other than 0" in got.warnings()
            except UnfitLog as refusal:
                found = "few rows other than 0" in str(refusal)
            said, plainly = said + (found and y is cost), plainly + (found and y is not cost)
    assert said >= 33 and plainly == 0


def test_a_bandwidth_in_which_lines_do_not_fit_is_refused():
    """The report said "raises by 0.0457 (95 % interval -0.217 to -0.161)"."""
    rng, n = np.random.default_rng(2), 20_000
    x = rng.uniform(-1, 1, n)
    frame = pd.DataFrame({"x": x, "y": -0.2 * (x >= 0) + np.where(x > 0, -3 * x**2, 0) + rng.normal(size=n) * 0.3})
    columns = {"outcome": "y", "running": "x"}
    with pytest.raises(UnfitLog, match="the lines do not fit: their bias of 0.23"):
        rd.analyse(frame, columns, cutoff=0, treated_side="above", bandwidth=0.9)
    got = rd.analyse(frame, columns, cutoff=0, treated_side="above")
    assert got.lo < -0.2 < got.hi


def test_an_aggregate_of_yesterday_gets_one_line():
    frame = pd.DataFrame({"x": np.arange(2000) % 100, "y": np.random.default_rng(1).normal(size=2000)})
    columns, design = {"outcome": "y", "running": "x"}, {"cutoff": 50, "treated_side": "above"}
    with duckdb.connect() as warehouse:
        warehouse.register("logs", frame)
        check, aggregate = (warehouse.sql(text).df() for text in rd.queries(columns, **design))
    assert rd.analyse_tables(check, aggregate, columns, **design).n["used"] > 0
    with pytest.raises(ValueError, match="^aggregate: no columns not_zero, lowest, highest; run the text that queries"):
        rd.analyse_tables(check, aggregate.drop(columns=["not_zero", "lowest", "highest"]), columns, **design)


@pytest.mark.parametrize("decimals", [15, 2])
def test_a_long_log_is_cut_into_the_same_cells_in_any_order(monkeypatch, decimals):
    """The width of a cell came from the first rows: of a log in order these are all alike."""
    monkeypatch.setattr(rd, "EXACT_ROWS", 200_000)
    rng, n = np.random.default_rng(1), 300_000
    x = np.sort(np.round(rng.uniform(0, 1, n), decimals))
    frame = pd.DataFrame({"x": x, "y": 0.2 * (x >= 0.6) + x**2 + rng.normal(size=n)})
    results = [rd.analyse(log, {"outcome": "y", "running": "x"}, cutoff=0.6, treated_side="above")
               for log in (frame, frame.sample(frac=1, random_state=0))]  # fmt: skip
    assert results[0].estimate == pytest.approx(results[1].estimate, rel=1e-9) and results[0].lo < 0.2 < results[0].hi
    cells = [len(result.table) for result in results]
    assert cells[0] == cells[1] and (18_000 < cells[0] < 22_000 if decimals == 15 else cells[0] == 101)
