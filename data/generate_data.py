"""The synthetic LLM-product logs that every notebook of the series analyses.

Command line: python data/generate_data.py [--seed 42] [--n-users 50000] [--out FILE]
Python:       from generate_data import World, generate, load_logs, oracle, simulate

`World` holds every constant, `generate` returns the logs as a DataFrame, `simulate` the same as NumPy arrays
(for studies over hundreds of datasets), `oracle` what would have happened to each user under each intervention,
and `load_logs` reads the CSV. data/README.md is the data card.
"""

import argparse
import contextlib
import copy
import csv
import gzip
import hashlib
import io
import os
import shutil
import sys
import time
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

TIERS = ("light", "medium", "heavy")
SEED, N_USERS = 42, 50_000
DATASET = Path(__file__).resolve().parent / "synthetic_llm_logs.csv"
PUBLISHED_SHA256 = "4cda3829d4ffe514a7167f5ff5e3c1f1af24ea94ce192640197ac4d96c6562c6"
AGAIN = "Write the dataset again with `python data/generate_data.py`."
BLOCK = 250_000  # users held in memory at a time
COLUMNS = (
    "user_id", "workspace_id", "engagement_tier", "signup_week", "wave", "treatment_week", "treated_post",
    "prompt_variant", "opt_in_agent_mode", "query_confidence", "routed_to_premium", "task_completed", "thumbs_up",
    "session_minutes", "cost_usd", "retained_7d",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Every constant of the synthetic world; change one with `World(wave_offset=0.0)`.

    Effects, rates and offsets are probabilities (0.08 is eight percentage points) unless a unit is given. A field
    marked "by tier" takes one number for all users, or three for light, medium and heavy.

    Raises ValueError, in one line, for a field outside its range.
    """

    # Who the users are
    tier_share: tuple = (0.55, 0.30, 0.15)  # of light, medium, heavy; sums to 1
    n_workspaces: int = 50
    n_weeks: int = 52  # sign-up weeks 0 .. n_weeks - 1
    confidence_a: float = 5.0  # query confidence ~ Beta(a, b)
    confidence_b: float = 2.0
    # How treatment reaches them
    opt_in_rate: tuple = (0.12, 0.35, 0.65)  # by tier
    wave_1_workspaces: int = 25  # workspaces 0 .. 24 are wave 1, the rest wave 2
    treatment_week: tuple = (20, 30)  # week of the model upgrade in wave 1, wave 2
    premium_cutoff: float = 0.85  # queries less confident than this go to the premium model
    # What makes a user complete the task
    base_rate: tuple = (0.35, 0.55, 0.70)  # by tier
    wave_offset: float = 0.04  # of wave 1 over wave 2, in every week: not an effect of anything
    prompt_effect: float = 0.04  # of prompt variant 1
    opt_in_effect: float | tuple = 0.08  # of agent mode, by tier
    premium_effect: float = 0.06  # of the premium model
    rollout_effect: float = 0.05  # of the model upgrade
    shock_sd: float = 0.010  # innovation of the weekly AR(1) shock
    shock_ar: float = 0.75  # its coefficient
    noise_sd: float = 0.015  # individual noise
    p_limits: tuple = (0.01, 0.99)  # every probability is clipped to this range
    # What follows from it
    thumbs_base: float = 0.2
    thumbs_slope: float = 0.6  # per unit of the completion probability
    thumbs_noise_sd: float = 0.05
    session_base: float = 5.0  # minutes
    session_heavy: float = 3.0  # minutes more for the heavy tier
    session_opt_in: float = 2.0  # minutes more with agent mode
    session_noise_sd: float = 1.5  # minutes
    session_min: float = 0.5  # minutes
    cost_per_minute: float = 0.002  # USD
    cost_opt_in: float = 0.015  # USD per user
    cost_premium: float = 0.008  # USD per user
    retention_base: float = 0.4
    retention_task: float = 0.35  # per unit of the completion probability
    retention_thumbs: float = 0.1
    retention_light: float = -0.05
    retention_noise_sd: float = 0.05
    # Broken assumptions: all off here, so that the published rows never move
    seasonal_jump: float = 0.0  # added for everyone from seasonal_week on
    seasonal_week: int = 20
    confidence_slope: float | tuple = 0.0  # outcome per unit of confidence (centred on its mean), by tier
    confidence_bend: float = 0.0  # times tanh((confidence - cutoff) / 0.06)
    premium_effect_slope: float = 0.0  # premium effect per unit of (cutoff - confidence)
    cutoff_jump: float = 0.0  # a second policy: added at and above the cutoff, in all weeks
    routing_start_week: int = 0  # premium routing only for users who sign up from this week on
    opt_in_confidence_slope: float | tuple = 0.0  # log-odds of opting in per unit of centred confidence, by tier
    hidden_share: float = 0.3  # users with a trait that no column records
    hidden_opt_in: float = 0.0  # what the trait adds to the opt-in probability
    hidden_effect: float = 0.0  # what it adds to the completion probability

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                numbers = np.atleast_1d(np.asarray(value, dtype=float))
            except (TypeError, ValueError):
                raise ValueError(f"World.{field.name}: numbers only, not {value!r}") from None
            if not np.isfinite(numbers).all():
                raise ValueError(f"World.{field.name}: finite numbers only, not {value!r}")
        if len(self.tier_share) != 3 or min(self.tier_share) < 0 or abs(sum(self.tier_share) - 1) > 1e-9:
            raise ValueError(f"World.tier_share: three shares that sum to 1, not {self.tier_share}")
        for name in ("opt_in_rate", "base_rate", "opt_in_effect", "confidence_slope", "opt_in_confidence_slope"):
            if np.size(getattr(self, name)) not in (1, 3):
                raise ValueError(f"World.{name}: one number, or three (light, medium, heavy)")
        if not (0 < np.min(self.opt_in_rate) and np.max(self.opt_in_rate) < 1):
            raise ValueError(f"World.opt_in_rate: strictly between 0 and 1, not {self.opt_in_rate}")
        if len(self.treatment_week) != 2:
            raise ValueError(f"World.treatment_week: one week for each of two waves, not {self.treatment_week}")
        if len(self.p_limits) != 2 or not 0 < self.p_limits[0] < self.p_limits[1] < 1:
            raise ValueError(f"World.p_limits: two numbers, 0 < low < high < 1, not {self.p_limits}")
        if not 0 <= self.hidden_share <= 1:
            raise ValueError(f"World.hidden_share: between 0 and 1, not {self.hidden_share}")
        for name in ("shock_sd", "noise_sd", "thumbs_noise_sd", "session_noise_sd", "retention_noise_sd"):
            if getattr(self, name) < 0:
                raise ValueError(f"World.{name}: a standard deviation of at least 0, not {getattr(self, name)}")
        for name in ("n_workspaces", "n_weeks", "confidence_a", "confidence_b"):
            if getattr(self, name) <= 0:
                raise ValueError(f"World.{name}: above 0, not {getattr(self, name)}")


def _check(seed, n_users):
    """Raise ValueError, in one line, unless seed and n_users are what the generator can use."""
    for name, value, least in (("seed", seed, 0), ("n_users", n_users, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name}: a whole number of at least {least}, not {value!r}")


def _by_tier(value, tier):
    """Each user's value of a "by tier" field; tier holds 0, 1, 2 (n,)."""
    return np.broadcast_to(value, 3)[tier]


def _bernoulli(rng, p):
    """One draw of 0 or 1 for each probability in p (n,), 0 < p <= 1: the bits of rng.binomial(1, p), but faster.

    NumPy draws binomial(1, p) by inversion: one uniform u, compared with exp(log(1 - p)); for p > 1/2 the same for
    1 - p, counted backwards. That is 1 - p up to its last bit, and u, a multiple of 2^-53, falls between the two once
    in 10^15 draws.
    """
    u = rng.random(len(p))
    return np.where(p <= 0.5, u > 1 - p, u <= 1 - (1 - p)).astype(np.int64)


def _block_sizes(n_users):
    return [min(BLOCK, n_users - start) for start in range(0, n_users, BLOCK)]


def _streams(seed, n_users, world):
    """One random generator per drawn column, each standing where that column's draws begin.

    The rules draw column after column, all users at once, from a single generator. One block needs no more than
    that generator. For several blocks we run ahead once, note where each column begins in the stream, and can then
    make all columns of a block together: memory depends on the block, not on the number of users.
    """
    uniform, normal = np.random.Generator.random, np.random.Generator.standard_normal
    takes = {  # what n draws of a column take from the stream; a Bernoulli draw takes one uniform
        "tier": uniform,
        "workspace": lambda rng, n: rng.integers(0, world.n_workspaces, n),
        "week": lambda rng, n: rng.integers(0, world.n_weeks, n),
        "confidence": lambda rng, n: rng.beta(world.confidence_a, world.confidence_b, n),
        "opt_in": uniform, "shock": normal, "noise": normal, "completed": uniform, "thumbs_noise": normal,
        "thumbs": uniform, "session_noise": normal, "retention_noise": normal, "retained": uniform,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    if n_users <= BLOCK:
        return dict.fromkeys(takes, rng)
    streams = {}
    for name, take in takes.items():
        streams[name] = copy.deepcopy(rng)
        for size in [world.n_weeks - 1] if name == "shock" else _block_sizes(n_users):
            take(rng, size)
    return streams


def _weekly_shock(rng, world):
    """AR(1) shock per sign-up week (n_weeks,), zero in week 0, then centred."""
    shock = np.zeros(world.n_weeks)
    innovation = rng.normal(0, world.shock_sd, world.n_weeks - 1)
    for week in range(1, world.n_weeks):
        shock[week] = world.shock_ar * shock[week - 1] + innovation[week - 1]
    return shock - shock.mean()


def _completion_probability(d, world, **intervention):
    """Completion probability (n,) as things are, or with `opt_in`, `premium`, `prompt` or `rollout` set to 0 or 1."""
    tier, confidence = d["tier"], d["exact_confidence"]
    opt_in = intervention.get("opt_in", d["opt_in_agent_mode"])
    premium = intervention.get("premium", d["routed_to_premium"])
    prompt = intervention.get("prompt", d["prompt_variant"])
    rollout = intervention.get("rollout", d["treated_post"])
    p = (
        _by_tier(world.base_rate, tier)
        + world.wave_offset * (d["wave"] == 1)
        + world.prompt_effect * prompt
        + _by_tier(world.opt_in_effect, tier) * opt_in
        + world.premium_effect * premium
        + world.rollout_effect * rollout
        + d["shock"][d["signup_week"]]
        + d["noise"]
    )
    if world.seasonal_jump:
        p = p + world.seasonal_jump * (d["signup_week"] >= world.seasonal_week)
    if np.any(world.confidence_slope):
        p = p + _by_tier(world.confidence_slope, tier) * (confidence - _mean_confidence(world))
    if world.confidence_bend:
        p = p + world.confidence_bend * np.tanh((confidence - world.premium_cutoff) / 0.06)
    if world.premium_effect_slope:
        p = p + world.premium_effect_slope * (world.premium_cutoff - confidence) * premium
    if world.cutoff_jump:
        p = p + world.cutoff_jump * (confidence >= world.premium_cutoff)
    if world.hidden_effect:
        p = p + world.hidden_effect * d["hidden"]
    return p.clip(*world.p_limits)


def _mean_confidence(world):
    return world.confidence_a / (world.confidence_a + world.confidence_b)


def _opt_in_probability(d, world):
    rate = _by_tier(world.opt_in_rate, d["tier"])
    if np.any(world.opt_in_confidence_slope):
        slope = _by_tier(world.opt_in_confidence_slope, d["tier"])
        logit = np.log(rate / (1 - rate)) + slope * (d["exact_confidence"] - _mean_confidence(world))
        rate = 1 / (1 + np.exp(-logit))
    if world.hidden_opt_in:
        rate = (rate + world.hidden_opt_in * d["hidden"]).clip(*world.p_limits)
    return rate


def _draw_blocks(seed, n_users, world, outcomes=True):
    """Yield the users in blocks, each a dict of arrays: the columns of the logs and what lies behind them."""
    _check(seed, n_users)
    streams = _streams(seed, n_users, world)
    shock, start = None, 0
    hidden_stream = np.random.default_rng([seed, 1])  # a stream of its own: the published rows never move
    for n in _block_sizes(n_users):
        d = {"user_id": np.arange(start, start + n)}
        d["tier"] = streams["tier"].choice(3, size=n, p=world.tier_share)
        d["workspace_id"] = streams["workspace"].integers(0, world.n_workspaces, n)
        d["signup_week"] = streams["week"].integers(0, world.n_weeks, n)
        d["exact_confidence"] = streams["confidence"].beta(world.confidence_a, world.confidence_b, n).clip(0, 1)
        d["hidden"] = (hidden_stream.random(n) < world.hidden_share).astype(int)
        d["opt_in_agent_mode"] = _bernoulli(streams["opt_in"], _opt_in_probability(d, world))
        if shock is None:
            shock = _weekly_shock(streams["shock"], world)
        d["shock"] = shock
        d["noise"] = streams["noise"].normal(0, world.noise_sd, n)

        d["wave"] = np.where(d["workspace_id"] < world.wave_1_workspaces, 1, 2)
        d["treatment_week"] = np.where(d["wave"] == 1, *world.treatment_week)
        d["treated_post"] = (d["signup_week"] >= d["treatment_week"]).astype(int)
        d["prompt_variant"] = d["user_id"] % 2
        d["routed_to_premium"] = (d["exact_confidence"] < world.premium_cutoff).astype(int)
        if world.routing_start_week:
            d["routed_to_premium"] *= d["signup_week"] >= world.routing_start_week
        d["query_confidence"] = d["exact_confidence"].round(4)  # after routing was decided

        p_task = _completion_probability(d, world)
        d["task_completed"] = _bernoulli(streams["completed"], p_task)
        if outcomes:
            _add_later_outcomes(d, p_task, streams, world)
        yield d
        start += n


def _add_later_outcomes(d, p_task, streams, world):
    """Add thumbs-up, session minutes, cost and retention to a block of users."""
    n, tier, opt_in = len(p_task), d["tier"], d["opt_in_agent_mode"]
    noise = streams["thumbs_noise"].normal(0, world.thumbs_noise_sd, n)
    p_thumbs = (world.thumbs_base + world.thumbs_slope * p_task + noise).clip(*world.p_limits)
    d["thumbs_up"] = _bernoulli(streams["thumbs"], p_thumbs)

    noise = streams["session_noise"].normal(0, world.session_noise_sd, n)
    minutes = world.session_base + world.session_heavy * (tier == 2) + world.session_opt_in * opt_in + noise
    minutes = np.maximum(minutes, world.session_min)
    d["session_minutes"] = minutes.round(2)
    cost = world.cost_per_minute * minutes + world.cost_opt_in * opt_in + world.cost_premium * d["routed_to_premium"]
    d["cost_usd"] = cost.round(4)

    noise = streams["retention_noise"].normal(0, world.retention_noise_sd, n)
    p_retained = world.retention_base + world.retention_task * p_task + world.retention_thumbs * d["thumbs_up"]
    p_retained = (p_retained + world.retention_light * (tier == 0) + noise).clip(*world.p_limits)
    d["retained_7d"] = _bernoulli(streams["retained"], p_retained)


def _frame(d):
    d = d | {"engagement_tier": np.array(TIERS, dtype=object)[d["tier"]]}
    return pd.DataFrame({name: d[name] for name in COLUMNS})


def generate(seed=SEED, n_users=N_USERS, world=World()):
    """Return the logs as a DataFrame: one row per user, the columns and values of the CSV.

    The defaults give the published dataset. Raises ValueError for a seed below 0 or fewer than one user.
    """
    return pd.concat([_frame(d) for d in _draw_blocks(seed, n_users, world)], ignore_index=True)


def simulate(seed=SEED, n_users=N_USERS, world=World(), outcomes=True):
    """Return the same users as NumPy arrays (n_users,) in a dict: `generate` without the cost of pandas.

    Besides the columns of the logs it holds `tier` (0 light, 1 medium, 2 heavy, in place of engagement_tier) and
    what no log shows: `exact_confidence` (not rounded), `hidden` (the unrecorded trait, 0 or 1), `noise`. With
    `outcomes=False` it stops after task_completed, about twice as fast: same users, fewer columns.
    """
    first, *others = _draw_blocks(seed, n_users, world, outcomes)
    del first["shock"]  # per week, not per user
    if not others:
        return first
    return {name: np.concatenate([first[name], *(d[name] for d in others)]) for name in first}


def oracle(seed=SEED, n_users=N_USERS, world=World()):
    """Return what no experiment can see: each user's completion probability under each intervention.

    A DataFrame (n_users rows) with the columns p_opt_in_0, p_opt_in_1 (agent mode off, on), p_premium_0, _1,
    p_prompt_0, _1 and p_rollout_0, _1; everything else about the user stays as it was. The effect of agent mode on
    user i is p_opt_in_1[i] - p_opt_in_0[i]; its mean over all users is the ATE of this sample, over those who opted
    in the ATT (Rubin 1974, doi:10.1037/h0037350).
    """
    blocks = []
    for d in _draw_blocks(seed, n_users, world, outcomes=False):
        settings = [(name, on) for name in ("opt_in", "premium", "prompt", "rollout") for on in (0, 1)]
        blocks.append({f"p_{name}_{on}": _completion_probability(d, world, **{name: on}) for name, on in settings})
    return pd.DataFrame({name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]})


def _read_bytes(path):
    """The bytes of a file, unpacked where it is gzipped, whatever its name. ValueError for a damaged gzip file."""
    raw = Path(path).read_bytes()
    try:
        return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: a damaged gzip file ({error}). {AGAIN}") from None


def is_published(path=DATASET):
    """Whether the file, gzipped or not, holds byte for byte the dataset of the articles."""
    return hashlib.sha256(_read_bytes(path)).hexdigest() == PUBLISHED_SHA256


def find_seed(logs, seeds=range(10_000)):
    """Return the seed that made these logs with the default `World`, so that the oracle can tell their truth.

    The CSV does not carry its seed, but the tiers of the first users give it away; a candidate is believed when all
    its rows agree. Raises ValueError where no seed of `seeds` fits (logs of another world, or of a real product).
    """
    first = logs["engagement_tier"].head(50).map(TIERS.index).to_numpy()
    share = World().tier_share
    for seed in (SEED, *seeds):
        tiers = np.random.default_rng(seed).choice(3, size=len(first), p=share)
        if np.array_equal(tiers, first):
            same = simulate(seed, len(logs), outcomes=False)
            if all(np.array_equal(same[c], logs[c]) for c in ("workspace_id", "task_completed")):
                return seed
    raise ValueError(
        f"no seed below {len(seeds)} makes these logs: their true effects are unknown. "
        "Write a dataset with `python data/generate_data.py --seed N`."
    )


def _check_text(path, raw):
    """Raise ValueError, in one line, for what is no text, is cut in its last row, or is separated by anything else."""
    if not raw.strip():
        raise ValueError(f"{path}: an empty file. {AGAIN}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{path}: not a CSV file in UTF-8 (a workbook, a Parquet file?). {AGAIN}")
    lines = text.splitlines()
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if lines[0].count(separator) > lines[0].count(","):
            raise ValueError(
                f"{path}: columns are separated by {name}. Save it with commas between the columns and points in the "
                f"numbers (0.85, not 0,85). {AGAIN}"
            )
    columns, values = (next(csv.reader([line], skipinitialspace=True), []) for line in (lines[0], lines[-1]))
    if twice := sorted({name for name in COLUMNS if columns.count(name) > 1}):
        raise ValueError(f"{path}: two columns are called {', '.join(twice)}. {AGAIN}")
    if raw.endswith((b"\n", b"\r")):
        return
    if not values or len(values) != len(columns) or not values[-1]:
        raise ValueError(f"{path}: ends in the middle of a row (truncated, or not a CSV). {AGAIN}")


def load_logs(path=DATASET):
    """Read the logs (CSV, gzipped or not; one row per user) and check them; a missing default file is generated first.

    Prints one line when it had to generate the file, and one when the file is not the published dataset. Raises
    FileNotFoundError for another missing file, and ValueError for one that is truncated, is separated by semicolons,
    lacks columns (it names them), or holds text or gaps where numbers belong.
    """
    path = Path(path)
    if not path.exists():
        if path.resolve() != DATASET:
            raise FileNotFoundError(f"{path}: no such file. `python data/generate_data.py --out {path}` writes one.")
        write_logs(path)
        print(f"{path.name} was missing: generated it (seed {SEED}, {N_USERS:,} users).")
    raw = _read_bytes(path)
    _check_text(path, raw)
    try:
        logs = pd.read_csv(io.BytesIO(raw), skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV file ({str(error).strip()}). {AGAIN}") from None
    missing = [name for name in COLUMNS if name not in logs.columns]
    if missing:
        raise ValueError(f"{path}: columns missing: {', '.join(missing)}. {AGAIN}")
    if logs.empty:
        raise ValueError(f"{path}: a header and no rows. {AGAIN}")
    for name in COLUMNS:
        if name == "engagement_tier":
            wrong = ~logs[name].isin(TIERS)
        else:
            wrong = ~np.isfinite(pd.to_numeric(logs[name], errors="coerce").astype(float))
        if wrong.any():
            row = int(np.argmax(wrong))
            value = logs[name].iloc[row]
            raise ValueError(f"{path}: column {name}, row {row + 1}: {value!r} is not a value of it. {AGAIN}")
    if hashlib.sha256(raw).hexdigest() != PUBLISHED_SHA256:
        print(f"Not the published dataset ({len(logs):,} users): the numbers will differ from the articles'.")
    return logs


def write_logs(path=DATASET, seed=SEED, n_users=N_USERS, world=World()):
    """Write the logs to a .csv file, or to a .parquet folder of shards, whole or not at all; parent folders are made.

    A name that ends in .gz (logs.csv.gz) becomes a gzipped CSV, with the same bytes each time. One that ends in
    .parquet becomes a folder with a file of 250,000 users each (part-00000.parquet, ...), as Spark and DuckDB read it.
    Shows a progress bar on a terminal when it takes more than a few seconds. Raises ValueError for a bad seed or number
    of users, OSError for a path that cannot be written or a folder that is there already.
    """
    _check(seed, n_users)
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder that is there already: remove it, or choose another name")
    if path.suffix.lower() not in (".csv", ".gz", ".parquet"):
        raise ValueError(f"{path}: a name that ends in .csv, .csv.gz or .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    blocks = map(_frame, _draw_blocks(seed, n_users, world))
    try:
        if path.suffix.lower() == ".parquet":
            _write_shards(partial, blocks, n_users)
            path.unlink(missing_ok=True)  # a folder cannot take the place of a file
        else:
            _write_csv(partial, blocks, n_users, packed=path.suffix.lower() == ".gz")
        os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def _progress(n_users):
    from tqdm import tqdm

    return tqdm(total=n_users, unit=" users", unit_scale=True, delay=3, disable=None, leave=False)


def _write_csv(path, blocks, n_users, packed):
    with contextlib.ExitStack() as stack:
        bar, file = stack.enter_context(_progress(n_users)), stack.enter_context(open(path, "wb"))
        if packed:  # without a name and a time in it
            file = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0))
        for number, block in enumerate(blocks):
            block.to_csv(file, index=False, header=number == 0, lineterminator="\n", encoding="utf-8")
            bar.update(len(block))


def _write_shards(folder, blocks, n_users):
    import duckdb  # here, so that a CSV needs nothing but NumPy and pandas

    folder.mkdir()
    with _progress(n_users) as bar, duckdb.connect() as connection:
        for number, block in enumerate(blocks):
            shard = connection.from_df(block)
            shard.write_parquet(str(folder / f"part-{number:05}.parquet"), compression="zstd")
            bar.update(len(block))


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments=None):
    """The command line; returns the exit status (0, or 2 after one line on stderr)."""
    for stream in (sys.stdout, sys.stderr):  # a path may have letters that a terminal does not know
        stream.reconfigure(errors="backslashreplace")
    parser = _Parser(prog="generate_data.py", description="Write the synthetic LLM-product logs.")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random draws (default %(default)s)")
    parser.add_argument("--n-users", type=int, default=N_USERS, help="rows to write (default %(default)s)")
    place = ".csv or .csv.gz file, or .parquet folder of shards (default: %(default)s)"
    parser.add_argument("--out", type=Path, default=DATASET, help=place)
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        write_logs(options.out, options.seed, options.n_users)
    except (ValueError, ImportError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{parser.prog}: {options.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted, {options.out} is as it was", file=sys.stderr)
        return 130
    published = options.out.is_file() and is_published(options.out)
    which = "the published dataset" if published else "not the published dataset (seed 42, 50,000 users, CSV)"
    print(f"wrote {options.n_users:,} users to {options.out} in {time.perf_counter() - start:.1f} s: {which}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
