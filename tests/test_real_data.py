"""The real data in data/real: the files are what README.md says, and give the numbers that others published.

Each number is computed here on a plain route of its own, without the series' tools, and must stand in README.md.
"""

import hashlib
import re
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from rdrobust import rdrobust
from scipy import optimize, stats

import run

FOLDER = run.ROOT / "data" / "real"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
ROWS = {
    name: (int(rows.replace(",", "")), int(columns), digest)
    for name, rows, columns, digest in re.findall(
        r"^\| `(\w+\.csv)` \| ([\d,]+) \| (\d+) \| `(\w{64})` \|$", README, re.M
    )
}


@cache
def table(name):
    """A file as a reader's pandas sees it. Callers must not change it."""
    return pd.read_csv(FOLDER / name)


def section(name):
    """The part of README.md on one file."""
    parts = [part for part in README.split("\n## ") if part.splitlines()[0].endswith(f"(`{name}`)")]
    assert len(parts) == 1, name
    return parts[0]


def says(name, *texts):
    """README.md says this about the file (its lines joined; a minus sign where Python writes a hyphen)."""
    said = " ".join(section(name).split())
    for text in texts:
        text = re.sub(r"(?<!\w)-(?=\d)", "\N{MINUS SIGN}", text)
        assert text in said, f"README.md does not say of {name}: {text}"


# The files


def test_readme_lists_the_files_there_are():
    assert sorted(ROWS) == sorted(path.name for path in FOLDER.glob("*.csv"))


@pytest.mark.parametrize("name", ROWS)
def test_file_is_what_readme_says(name):
    rows, columns, digest = ROWS[name]
    content = (FOLDER / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    assert b"\r" not in content and content.endswith(b"\n") and len(content) < 1e6 and content.isascii()
    assert table(name).shape == (rows, columns)
    described = re.findall(r"^\| `(\w+)` \| (.*) \|$", section(name), re.M)
    assert [column for column, _ in described] == list(table(name))
    empty = {column: int(n[1]) if (n := re.search(r"empty in (\d+) rows", text)) else 0 for column, text in described}
    assert table(name).isna().sum().to_dict() == empty


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("nhefs.csv", ["person"]),
        ("senate.csv", ["state", "year"]),
        ("proposition99.csv", ["state", "year"]),
        ("star.csv", ["pupil"]),
        ("departures.csv", ["hour"]),
    ],
)
def test_key_names_a_row(name, key):
    assert not table(name).duplicated(key).any()


def derive():
    """The script data/real/derive.py as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        import derive
    finally:
        sys.path.remove(str(FOLDER))
    return derive


def test_derive_makes_the_senate_from_the_installed_package():
    assert derive().senate() == (FOLDER / "senate.csv").read_bytes()


def test_derive_says_in_one_line_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(derive().VERSIONS, "no_such_package", "1.0")
    monkeypatch.setattr(derive(), "FILES", {"x.csv": lambda folder: derive().read("no_such_package", "x", folder)})
    assert derive().main([str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == ["x.csv: no_such_package==1.0 is missing: pip download --no-deps -d packages no_such_package==1.0"]


# Propensity: NHEFS, and the job training study


def propensity(formula, rows):
    """Probability of the treatment, by logistic regression."""
    fit = smf.logit(formula, rows).fit(disp=0, maxiter=200)
    assert fit.mle_retvals["converged"]
    return fit.predict(rows)


def weighted_difference(y, treated, weights):
    """Difference of weighted means with its robust 95 % interval (that of a GEE with independent people)."""
    fit = sm.WLS(y, sm.add_constant(treated.astype(float)), weights=weights).fit(cov_type="HC0")
    return np.array([fit.params.iloc[1], *fit.conf_int().iloc[1]])


WHAT_IF = (
    "sex + race + age + I(age**2) + C(education) + cigarettes_per_day + I(cigarettes_per_day**2)"
    " + years_smoked + I(years_smoked**2) + exercise + activity + weight_1971 + I(weight_1971**2)"
)


def test_nhefs_gives_what_if():
    """Hernán and Robins, What If, sections 12.1, 12.2 and 12.6: 2.5 kg crude, 3.4 (2.4, 4.5), 3.5 (2.5, 4.5)."""
    everybody = table("nhefs.csv")
    seen = everybody[everybody["weight_change"].notna()]
    assert len(seen) == 1566
    mean = seen.groupby("quit_smoking")["weight_change"].mean()
    assert f"{mean[1] - mean[0]:.1f}" == "2.5"
    says("nhefs.csv", f"2.5 kg | {mean[1] - mean[0]:.2f} kg")

    e = propensity(f"quit_smoking ~ {WHAT_IF}", seen)
    weights = np.where(seen["quit_smoking"] == 1, 1 / e, 1 / (1 - e))
    found = weighted_difference(seen["weight_change"], seen["quit_smoking"], weights)
    assert [f"{number:.1f}" for number in found] == ["3.4", "2.4", "4.5"]
    says("nhefs.csv", "3.4 kg, 95 % 2.4 to 4.5 | {:.3f} kg [{:.2f}, {:.2f}]".format(*found))

    # The 63 whose weight is not known: weighted for having been seen, too.
    everybody = everybody.assign(unseen=everybody["weight_change"].isna().astype(int))
    quit_ = everybody["quit_smoking"] == 1
    e = propensity(f"quit_smoking ~ {WHAT_IF}", everybody)
    lost = propensity(f"unseen ~ quit_smoking + {WHAT_IF}", everybody)
    stable = np.where(quit_, quit_.mean() / e, (1 - quit_.mean()) / (1 - e))
    rates = everybody.groupby("quit_smoking")["unseen"].mean()
    stable *= (1 - everybody["quit_smoking"].map(rates)) / (1 - lost)
    found = weighted_difference(seen["weight_change"], seen["quit_smoking"], stable[seen.index])
    assert [f"{number:.1f}" for number in found] == ["3.5", "2.5", "4.5"]
    says("nhefs.csv", "3.5 kg, 95 % 2.5 to 4.5 | {:.2f} kg [{:.2f}, {:.2f}]".format(*found))
    says("nhefs.csv", f"{100 * rates[1]:.1f} % of the quitters and {100 * rates[0]:.1f} % of the others")


def difference(rows):
    """Earnings of the trained minus those of the others, and the standard error of OLS."""
    fit = smf.ols("earnings_1978 ~ treated", rows).fit()
    return fit.params["treated"], fit.bse["treated"]


def test_experiment_gives_its_benchmark():
    """Dehejia and Wahba (1999): 1,794 dollars (633) in the experiment, -8,498 (712) against the survey."""
    for name, published in (("nsw_experiment.csv", (1794, 633)), ("nsw_cps.csv", (-8498, 712))):
        found = difference(table(name))
        assert np.allclose(found, published, atol=0.51)
        says(name, "{:,.0f} ({:.0f})".format(*found))
    says("nsw_cps.csv", "-8,498 (712) | {:,.0f} ({:.0f})".format(*found))
    trained = [
        table(name).query("treated == 1").reset_index(drop=True) for name in ("nsw_experiment.csv", "nsw_cps.csv")
    ]
    pd.testing.assert_frame_equal(*trained)


def test_survey_gives_the_mixtape():
    """Cunningham, Mixtape, ch. 5: -11,876 plain, -7,238 normalized, 1,806 with scores from .1 to .9."""
    people = table("nsw_cps.csv")
    people = people.assign(
        none_1974=(people["earnings_1974"] == 0).astype(int), none_1975=(people["earnings_1975"] == 0).astype(int)
    )
    covariates = "age + education_years + black + hispanic + married + no_degree + earnings_1974 + earnings_1975"
    squares = " + I(age**2) + I(age**3) + I(education_years**2) + none_1974 + none_1975 + education_years:earnings_1974"
    y, treated = people["earnings_1978"].to_numpy(), people["treated"].to_numpy() == 1

    def normalized(e, keep=True):
        one, other = treated & keep, ~treated & keep
        return np.average(y[one], weights=1 / e[one]) - np.average(y[other], weights=1 / (1 - e[other]))

    e = propensity(f"treated ~ {covariates}{squares}", people).to_numpy()
    plain = np.mean(y * treated / e - y * ~treated / (1 - e))
    middle = (e >= 0.1) & (e <= 0.9)
    found = [plain, normalized(e), normalized(e, middle)]
    assert [int(number) for number in found] == [-11876, -7238, 1806]
    says("nsw_cps.csv", *(f"{int(number):,} | {number:,.1f}" for number in found))

    # Why no check may pass it: almost nobody in the survey resembles the trained.
    weight = 1 / e[treated]
    assert f"{weight.max():.0f}" == "942" and f"{weight.sum() ** 2 / (weight**2).sum():.0f}" == "13"
    says("nsw_cps.csv", f"{middle.sum()} of the {len(people):,} people", "one weight of 942", "no more than 13")
    linear = normalized(propensity(f"treated ~ {covariates}", people).to_numpy())
    says("nsw_cps.csv", f"{linear:,.0f}")


# Discontinuity: the Senate


def test_senate_gives_rdrobust():
    """Calonico, Cattaneo, Farrell and Titiunik (2017): 7.414, robust [4.094, 10.919], bandwidth 17.75."""
    rows = table("senate.csv")
    fit = rdrobust(rows["vote_next"], rows["margin"])
    estimate, (lo, hi), bandwidth = fit.coef.iloc[0, 0], fit.ci.iloc[2], fit.bws.iloc[0, 0]
    assert [f"{number:.3f}" for number in (estimate, lo, hi)] == ["7.414", "4.094", "10.919"]
    says("senate.csv", f"{estimate:.3f} points, robust interval [{lo:.3f}, {hi:.3f}], bandwidth {bandwidth:.2f}")
    seen = rows[rows["vote_next"].notna()]
    assert [(seen["margin"] < 0).sum(), (seen["margin"] >= 0).sum()] == list(fit.N)
    # The same by hand: two lines, triangular weights.
    near = seen[seen["margin"].abs() < bandwidth]
    weights = 1 - near["margin"].abs() / bandwidth
    by_hand = smf.wls("vote_next ~ I((margin >= 0) * 1.0) * margin", near, weights=weights).fit()
    assert by_hand.params.iloc[1] == pytest.approx(estimate, abs=1e-6)
    assert rows.loc[rows["vote_next"].isna(), "year"].min() == 2006  # their next elections lie beyond the data


def test_what_the_senate_race_cannot_change_does_not_jump_except_open_seats():
    """The intervals that README.md gives for what was decided before the election."""
    rows = table("senate.csv")
    excluding_zero = []
    for column in ("vote_before", "vote_other_seat_before", "presidential_vote_before", "open_seat", "midterm"):
        lo, hi = rdrobust(rows[column], rows["margin"]).ci.iloc[2]
        if lo > 0 or hi < 0:
            excluding_zero.append(column)
            says("senate.csv", f"[{lo:.2f}, {hi:.2f}]")
    assert excluding_zero == ["open_seat"]


# Synthetic control: Proposition 99


@cache
def panel():
    """California and the 38 other states: (31,), (38, 31), and the number of years before the tax."""
    wide = table("proposition99.csv").pivot(index="state", columns="year", values="packs")
    first = table("proposition99.csv").dropna()
    assert first["state"].unique() == ["California"] and first["first_treated"].unique() == [1989]
    years_before = int((wide.columns < 1989).sum())
    return wide.loc["California"].to_numpy(), wide.drop(index="California").to_numpy(), years_before


def exact(a, b, zeta):
    """Weights >= 0 with sum 1 that minimize mean((a w - b)^2) + zeta^2 |w|^2, by non-negative least squares."""
    n, heavy = a.shape[1], 1e4 * np.abs(a).max()
    stacked = np.vstack([a, zeta * len(b) ** 0.5 * np.eye(n), heavy * np.ones(n)])
    weights = optimize.nnls(stacked, np.r_[b, np.zeros(n), heavy])[0]
    return weights / weights.sum()


def frank_wolfe(a, b, zeta, noise):
    """The same problem as R's synthdid solves it: 100 steps, drop small weights, up to 10,000 steps more."""

    def steps(weights, limit):
        ridge, previous = len(b) * zeta**2, np.inf
        for step in range(limit):
            fitted = a @ weights
            gradient = a.T @ (fitted - b) + ridge * weights
            corner = gradient.argmin()
            move = -weights.copy()
            move[corner] += 1
            turn = a[:, corner] - fitted
            curve = turn @ turn + ridge * (move @ move)
            if curve > 0:
                weights = weights + np.clip(-(gradient @ move) / curve, 0, 1) * move
            value = zeta**2 * (weights @ weights) + np.mean((a @ weights - b) ** 2)
            if step > 1 and previous - value <= (1e-5 * noise) ** 2:
                break
            previous = value
        return weights

    weights = steps(np.full(a.shape[1], 1 / a.shape[1]), 100)
    weights[weights <= weights.max() / 4] = 0
    return steps(weights / weights.sum(), 10_000)


def estimates(solve):
    """SC, intercept-shifted SC and synthetic DiD, their weights found by `solve(a, b, zeta)`."""
    treated, donors, before = panel()
    years_after = len(treated) - before
    noise = np.diff(donors[:, :before], axis=1).std(ddof=1)

    def fit(a, b, eta, intercept):
        if intercept:
            a, b = a - a.mean(axis=0), b - b.mean()
        return solve(a, b, eta * noise, noise)

    def effect(units, times):
        gap = treated - units @ donors
        return gap[before:].mean() - gap[:before] @ times

    a, b = donors[:, :before].T, treated[:before]
    equal = np.full(before, 1 / before)
    late = fit(donors[:, :before], donors[:, before:].mean(axis=1), 1e-6, True)
    return (
        effect(fit(a, b, 1e-6, False), 0 * equal),
        effect(fit(a, b, 1e-6, True), equal),
        effect(fit(a, b, years_after**0.25, True), late),
    )


def test_proposition_99_gives_synthdid():
    """Arkhangelsky et al. (2021), table 1: DiD -27.3, SC -19.6, demeaned SC -11.1, SDID -15.6; R gives the digits."""
    treated, donors, before = panel()
    change = np.array([row[before:].mean() - row[:before].mean() for row in (treated, *donors)])
    did = change[0] - change[1:].mean()
    as_in_r = estimates(frank_wolfe)
    exactly = estimates(lambda a, b, zeta, noise: exact(a, b, zeta))
    assert f"{did:.3f}" == "-27.349"
    assert [f"{number:.3f}" for number in as_in_r] == ["-19.620", "-11.105", "-15.604"]
    assert [f"{number:.3f}" for number in exactly] == ["-19.514", "-11.109", "-15.605"]
    for r, here in zip((did, *as_in_r), (did, *exactly), strict=True):
        says("proposition99.csv", f"{r:.1f}; {r:.3f} | {here:.3f}")


def test_why_r_differs_in_synthetic_control():
    """R stops before the minimum: what its weights leave of California before 1989 is more than it need be."""
    treated, donors, before = panel()
    a, b = donors[:, :before].T, treated[:before]
    noise = np.diff(donors[:, :before], axis=1).std(ddof=1)
    r, best = (np.sum((a @ weights - b) ** 2) for weights in (frank_wolfe(a, b, 1e-6 * noise, noise), exact(a, b, 0)))
    assert best < r
    says("proposition99.csv", f"{r:.2f}", f"{best:.2f}")
    # And the minimum is one: no donor could take weight from those that have it and improve the fit.
    weights = exact(a, b, 0)
    gradient = a.T @ (a @ weights - b)
    assert gradient.min() > gradient[weights > 1e-6].max() - 1e-4 * np.abs(gradient).max()


# Clusters: Project STAR


def test_star_gives_its_errors():
    """Stock and Watson, table 13.1: 13.90 (2.45) points on 5,786 pupils; 38 of them are not in Ecdat's table."""
    pupils = table("star.csv").assign(score=lambda rows: rows["math"] + rows["reading"])
    arms = pupils[pupils["class_type"] != "regular with aide"]
    arms = arms.assign(small=(arms["class_type"] == "small") * 1.0)
    clusters = arms.groupby(["school", "class_type"]).ngroup()
    ols = smf.ols("score ~ small", arms)
    robust = ols.fit(cov_type="HC1")
    clustered = ols.fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert len(arms) == 3733 and clusters.nunique() == 157 and arms["school"].nunique() == 79
    assert [f"{number:.2f}" for number in (robust.params["small"], robust.bse["small"])] == ["14.11", "2.46"]
    assert abs(robust.params["small"] - 13.90) < 0.1 * robust.bse["small"]
    assert f"{clustered.bse['small']:.2f}" == "6.64"
    ratio = clustered.bse["small"] / robust.bse["small"]
    says(
        "star.csv", "13.90 (2.45) | 14.11 (2.46)", "14.11 (6.64)", f"{ratio:.1f} times", "157 clusters", "3,733 pupils"
    )

    means = arms.pivot_table(index="school", columns="class_type", values="score")
    pairs = (means["small"] - means["regular"]).dropna()
    assert len(pairs) == 78
    assert [f"{number:.1f}" for number in (pairs.mean(), pairs.sem())] == ["15.5", "4.3"]
    says("star.csv", f"{pairs.mean():.1f} ({pairs.sem():.1f})", "78 schools")


def test_star_aide():
    """The third arm: a teacher's aide in a regular class. Stock and Watson: 0.31 (2.27)."""
    pupils = table("star.csv").assign(score=lambda rows: rows["math"] + rows["reading"])
    fit = smf.ols("score ~ C(class_type, Treatment('regular'))", pupils).fit(cov_type="HC1")
    aide = [name for name in fit.params.index if "aide" in name][0]
    says("star.csv", f"0.31 (2.27) | {fit.params[aide]:.2f} ({fit.bse[aide]:.2f})")


# Switchbacks and streams: departures


@cache
def daytime():
    """The 17 hours from 6 to 22 of every day: share on time and hour of the day."""
    rows = table("departures.csv").assign(hour=lambda rows: pd.to_datetime(rows["hour"]))
    rows = rows[rows["hour"].dt.hour.between(6, 22)]
    assert (rows.groupby(rows["hour"].dt.date).size() == 17).all() and len(rows) == 365 * 17
    return (rows["on_time"] / rows["scheduled"]).to_numpy(), rows["hour"].dt.hour.to_numpy()


def test_departures_add_up():
    rows = table("departures.csv")
    assert rows["scheduled"].sum() == 336_776 and (rows["scheduled"] > 0).all()
    assert (rows["on_time"] <= rows["departed"]).all() and (rows["departed"] <= rows["scheduled"]).all()
    assert (rows["delay"] ** 2 <= rows["departed"] * rows["delay_squared"]).all()  # Cauchy and Schwarz
    hours = pd.to_datetime(rows["hour"])
    assert (hours.dt.hour.value_counts()[range(5, 24)] == 365).all()
    assert hours.is_monotonic_increasing and (hours == hours.dt.floor("h")).all()
    at_night = hours[hours.dt.hour < 5]
    assert list(at_night.astype(str)) == ["2013-07-27 01:00:00"]
    cancelled = rows["scheduled"].sum() - rows["departed"].sum()
    says("departures.csv", f"{cancelled:,} cancelled", "2013-07-27 01:00:00")
    says("departures.csv", f"{100 * rows['on_time'].sum() / rows['scheduled'].sum():.1f} % are on time")


def test_neighbouring_hours_correlate():
    share, hour = daytime()
    rows_apart = np.corrcoef(share[1:], share[:-1])[0, 1]
    awake = hour[1:] > hour[:-1]  # not from 22 o'clock to 6 of the next morning
    hour_apart = np.corrcoef(share[1:][awake], share[:-1][awake])[0, 1]
    rest = share - pd.Series(share).groupby(hour).transform("mean").to_numpy()
    without_profile = np.corrcoef(rest[1:][awake], rest[:-1][awake])[0, 1]
    assert f"{rows_apart:.2f}" == "0.81" and hour_apart > rows_apart
    for number in (rows_apart, hour_apart, without_profile):
        says("departures.csv", f"{number:.2f}"[1:])


def a_a_switchbacks(slots, draws, hour_effects, seed):
    """Paired switchbacks without any effect, blocks of three hours: estimates of the total, OLS errors, freedom."""
    share, hour = daytime()
    rng = np.random.default_rng(seed)
    start = rng.integers(0, len(share) - slots + 1, draws)
    first = rng.integers(0, 2, (draws, slots // 6))
    on = np.repeat(np.stack([first, 1 - first], axis=-1).reshape(draws, -1), 3, axis=1)
    before = np.concatenate([np.zeros((draws, 1)), on[:, :-1]], axis=1)
    window = start[:, None] + np.arange(slots)
    x = np.stack([np.ones_like(before), on, before], axis=-1)
    if hour_effects:
        x = np.concatenate([x, hour[window][..., None] == np.arange(7, 23)], axis=-1)
    y, xt = share[window][..., None], x.swapaxes(1, 2)
    inverse = np.linalg.inv(xt @ x)
    b = inverse @ (xt @ y)
    freedom = slots - x.shape[-1]
    variance = ((y - x @ b) ** 2).sum(axis=(1, 2)) / freedom
    total = b[:, 1, 0] + b[:, 2, 0]
    return total, np.sqrt(variance * inverse[:, 1:3, 1:3].sum(axis=(1, 2))), freedom


@pytest.mark.parametrize(
    ("slots", "draws", "hour_effects", "trial"),
    [(48, 20_000, False, (0.069, 0.055, 0.907)), (408, 1_000, True, (0.016, 0.020, None))],
)
def test_switchback_on_real_hours(slots, draws, hour_effects, trial):
    """OLS takes the hours for independent; `trial` is a first simulation, by other code, of 1,500 draws."""
    total, error, freedom = a_a_switchbacks(slots, draws, hour_effects, seed=[2026, slots])
    spread, mean_error = total.std(), error.mean()
    coverage = np.mean(np.abs(total) < stats.t.ppf(0.975, freedom) * error)
    assert abs(total.mean()) < 4 * spread / draws**0.5
    assert spread == pytest.approx(trial[0], abs=4 * trial[0] / (2 * 1500) ** 0.5)
    assert mean_error == pytest.approx(trial[1], abs=0.001)
    assert trial[2] is None or coverage == pytest.approx(trial[2], abs=4 * (0.09 / 1500) ** 0.5)
    spread, mean_error, coverage = (f"{number:.3f}"[1:] for number in (spread, mean_error, coverage))
    says("departures.csv", f"{slots} slots: SD {spread}, mean OLS error {mean_error}, coverage {coverage}")


def test_coin_on_every_flight_needs_no_correction_and_coin_on_every_hour_does():
    """A/A tests of thirty days: a coin per flight keeps its size, however hours resemble each other."""
    rows = table("departures.csv")
    day = pd.to_datetime(rows["hour"]).dt.date
    counts = rows.groupby(day)[["scheduled", "on_time"]].sum().to_numpy()
    rng = np.random.default_rng([2026, 7])
    start = rng.integers(0, 365 - 29, 4_000)
    n, k = np.moveaxis(counts[start[:, None] + np.arange(30)], -1, 0)

    def z(n1, k1, n, k):
        pooled = k / n
        return (k1 / n1 - (k - k1) / (n - n1)) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / (n - n1)))

    k1 = rng.binomial(k, 0.5)
    n1 = k1 + rng.binomial(n - k, 0.5)
    looks = z(*(part.cumsum(axis=1) for part in (n1, k1, n, k)))
    size, peeking = np.mean(np.abs(looks[:, -1]) > 1.96), np.mean((np.abs(looks) > 1.96).any(axis=1))
    assert size == pytest.approx(0.05, abs=0.012) and peeking > 4 * size

    hours = rows[["scheduled", "on_time"]].to_numpy()[rng.integers(0, len(rows) - 570, 4_000)[:, None] + np.arange(570)]
    heads = rng.integers(0, 2, hours.shape[:2])
    n1, k1 = np.moveaxis((hours * heads[..., None]).sum(axis=1), -1, 0)
    n, k = np.moveaxis(hours.sum(axis=1), -1, 0)
    by_hour = np.mean(np.abs(z(n1, k1, n, k)) > 1.96)
    assert by_hour > 0.4
    says("departures.csv", *(f"{100 * number:.0f} %" for number in (size, peeking, by_hour)))
