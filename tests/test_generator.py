"""The generator: the published rows, the rules for any other, the command line, and what it does with bad input."""

import dataclasses
import errno
import gzip
import hashlib
import io
import shutil
import signal
import subprocess
import sys
import time

import duckdb
import generate_data
import numpy as np
import pandas as pd
import pytest
from generate_data import COLUMNS, TIERS, World, find_seed, generate, load_logs, oracle, simulate, write_logs
from scipy import stats

SCRIPT = generate_data.__file__
N = 200_000


def digest(frame):
    return hashlib.sha256(frame.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def command(*arguments, cwd=None, script=SCRIPT):
    return subprocess.run([sys.executable, script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("seed, n_users, sha256", [
    (42, 50_000, "4cda3829d4ffe514a7167f5ff5e3c1f1af24ea94ce192640197ac4d96c6562c6"),
    (42, 10_000, "bb951a5f5b18aa62fc11b9281703351c0ce30897e6c114b6304b104e43279bbb"),
    (7, 1_000, "059bfd46b328c94b5e1f7830af033dbd9f9dc4c4e7666af7495b90fa2e67bdbf"),
])  # fmt: skip
def test_rows_are_the_specified_ones(seed, n_users, sha256, tmp_path):
    assert digest(generate(seed, n_users)) == sha256
    write_logs(tmp_path / "a.csv", seed, n_users)
    assert hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("low, high", [(1e-12, 1e-3), (0.3, 0.7), (0.499999, 0.500001), (0.999, 1.0), (1e-300, 1.0)])
def test_a_draw_of_0_or_1_is_numpys_binomial(low, high):
    """The same bits, and the stream stands where it stood; two million draws for each range of p."""
    p = np.random.default_rng(1).uniform(low, high, 2_000_000)
    p[:4] = low, high, 0.5, np.nextafter(0.5, 1)
    ours, numpys = np.random.default_rng(2), np.random.default_rng(2)
    np.testing.assert_array_equal(generate_data._bernoulli(ours, p), numpys.binomial(1, p))
    assert ours.bit_generator.state == numpys.bit_generator.state


@pytest.mark.parametrize("world", [World(), World(hidden_opt_in=0.2, hidden_effect=0.1, opt_in_confidence_slope=2.0)])
@pytest.mark.parametrize("block, n_users", [(700, 3_001), (1_000, 3_000), (1, 20)])
def test_blocks_do_not_change_a_row(monkeypatch, world, block, n_users):
    whole, futures = simulate(5, n_users, world), oracle(5, n_users, world)
    monkeypatch.setattr(generate_data, "BLOCK", block)
    parts = simulate(5, n_users, world)
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)
    pd.testing.assert_frame_equal(futures, oracle(5, n_users, world))


def test_generate_simulate_and_csv_agree():
    frame, arrays = generate(3, 2_000), simulate(3, 2_000)
    for name in COLUMNS:
        if name == "engagement_tier":
            np.testing.assert_array_equal(frame[name], np.array(TIERS)[arrays["tier"]])
        else:
            np.testing.assert_array_equal(frame[name], arrays[name])
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert list(read) == list(COLUMNS)
    for name in COLUMNS:
        np.testing.assert_array_equal(read[name], frame[name])
    short = simulate(3, 2_000, outcomes=False)
    assert "thumbs_up" not in short and np.array_equal(short["task_completed"], arrays["task_completed"])


@pytest.fixture(scope="module")
def big():
    return simulate(11, N)


def near(mean, expected, sd, n):
    assert abs(mean - expected) < 4.5 * sd / np.sqrt(n), (mean, expected)


def test_distribution_of_users(big):
    for tier, share in enumerate(World.tier_share):
        users = big["tier"] == tier
        near(users.mean(), share, np.sqrt(share * (1 - share)), N)
        rate = World.opt_in_rate[tier]
        near(big["opt_in_agent_mode"][users].mean(), rate, np.sqrt(rate * (1 - rate)), users.sum())
    for column, values in (("workspace_id", 50), ("signup_week", 52)):
        assert stats.chisquare(np.bincount(big[column], minlength=values)).pvalue > 1e-4
    assert stats.kstest(big["exact_confidence"], stats.beta(5, 2).cdf).pvalue > 1e-4
    assert np.array_equal(big["query_confidence"], big["exact_confidence"].round(4))


def test_rules(big):
    assert np.array_equal(big["user_id"], np.arange(N))
    assert np.array_equal(big["wave"], np.where(big["workspace_id"] < 25, 1, 2))
    assert np.array_equal(big["treatment_week"], np.where(big["wave"] == 1, 20, 30))
    assert np.array_equal(big["treated_post"], (big["signup_week"] >= big["treatment_week"]) * 1)
    assert np.array_equal(big["prompt_variant"], np.arange(N) % 2)
    assert np.array_equal(big["routed_to_premium"], (big["exact_confidence"] < 0.85) * 1)
    on_the_edge = big["query_confidence"] == 0.85
    assert set(big["routed_to_premium"][on_the_edge]) == {0, 1}  # decided before rounding


def test_distribution_of_outcomes(big):
    wave, opt_in, premium = big["wave"] == 1, big["opt_in_agent_mode"], big["routed_to_premium"]
    base = np.array([0.35, 0.55, 0.70])[big["tier"]]
    p = base + 0.04 * wave + 0.04 * big["prompt_variant"] + 0.08 * opt_in + 0.06 * premium + 0.05 * big["treated_post"]
    near(big["noise"].mean(), 0, 0.015, N)
    assert abs(big["noise"].std() / 0.015 - 1) < 0.01
    residual = big["task_completed"] - p.clip(0.01, 0.99)  # the weekly shock (SD about .013) is left in
    assert abs(residual.mean()) < 0.005
    weekly = np.bincount(big["signup_week"], residual) / np.bincount(big["signup_week"])
    assert 0.008 < weekly.std() < 0.03
    near((big["thumbs_up"] - 0.2 - 0.6 * p).mean(), 0.6 * residual.mean(), 0.5, N)
    near((big["session_minutes"] - 5 - 3 * (big["tier"] == 2) - 2 * opt_in).mean(), 0, 1.5, N)
    assert big["session_minutes"].min() == 0.5
    cost = 0.002 * big["session_minutes"] + 0.015 * opt_in + 0.008 * premium
    assert np.abs(big["cost_usd"] - cost).max() < 0.5e-4 + 0.002 * 0.005 + 1e-9
    expected = 0.4 + 0.35 * p + 0.1 * big["thumbs_up"] - 0.05 * (big["tier"] == 0)
    near((big["retained_7d"] - expected).mean(), 0.35 * residual.mean(), 0.5, N)


def test_weekly_shock_is_a_centred_ar1():
    shocks = []
    for seed in range(2_000):
        rng = np.random.default_rng(seed)
        shock = generate_data._weekly_shock(rng, World())
        assert abs(shock.sum()) < 1e-12
        shocks.append(shock - shock[0])
    late = np.array(shocks)[:, 30:]
    slope = (late[:, 1:] * late[:, :-1]).sum() / (late[:, :-1] ** 2).sum()
    assert abs(slope - 0.75) < 0.01 and abs(late.std() - 0.010 / np.sqrt(1 - 0.75**2)) < 0.0005


def test_oracle_on_the_published_sample():
    futures, logs = oracle(), generate()
    effect = futures["p_opt_in_1"] - futures["p_opt_in_0"]
    assert round(effect.mean(), 5) == 0.07998
    assert round(effect[logs["opt_in_agent_mode"] == 1].mean(), 5) == 0.07994


def test_oracle_agrees_with_randomized_outcomes():
    """In each world everyone is set to one arm; completions must average to the oracle's probability."""
    futures = oracle(8, N)
    assert abs((futures["p_premium_1"] - futures["p_premium_0"]).mean() - 0.06) < 1e-3
    for name, off in (("prompt", World(prompt_effect=0.0)), ("opt_in", World(opt_in_effect=0.0)),
                      ("premium", World(premium_effect=0.0)), ("rollout", World(rollout_effect=0.0))):  # fmt: skip
        done = simulate(8, N, off, outcomes=False)["task_completed"]
        assert abs(done.mean() - futures[f"p_{name}_0"].mean()) < 4.5 * 0.5 / np.sqrt(N)
        assert (futures[f"p_{name}_1"] >= futures[f"p_{name}_0"]).all()


def by_tier(value, tier):
    return np.array([(value if np.ndim(value) else [value] * 3)[k] for k in tier])


def reference(seed, n, w):
    """The rules written down once more, plainly, with NumPy's own draws: columns, and a function of interventions."""
    rng, hidden = np.random.default_rng(seed), np.random.default_rng([seed, 1]).random(n) < w.hidden_share
    tier = rng.choice(3, n, p=w.tier_share)
    workspace, week = rng.integers(0, w.n_workspaces, n), rng.integers(0, w.n_weeks, n)
    confidence = rng.beta(w.confidence_a, w.confidence_b, n)
    centred = confidence - w.confidence_a / (w.confidence_a + w.confidence_b)
    odds = np.array([r / (1 - r) for r in by_tier(w.opt_in_rate, tier)])
    odds = odds * np.exp(by_tier(w.opt_in_confidence_slope, tier) * centred)
    p_opt_in = odds / (1 + odds) + w.hidden_opt_in * hidden
    p_opt_in = p_opt_in if w.hidden_opt_in == 0 else np.minimum(np.maximum(p_opt_in, w.p_limits[0]), w.p_limits[1])
    opt_in = rng.binomial(1, p_opt_in)
    shock = [0.0]
    for innovation in rng.normal(0, w.shock_sd, w.n_weeks - 1):
        shock.append(w.shock_ar * shock[-1] + innovation)
    shock = np.array(shock) - sum(shock) / w.n_weeks
    noise = rng.normal(0, w.noise_sd, n)
    start = np.array([w.treatment_week[0] if k < w.wave_1_workspaces else w.treatment_week[1] for k in workspace])
    post, prompt = (week >= start) * 1, np.arange(n) % 2
    premium = ((confidence < w.premium_cutoff) & (week >= w.routing_start_week)) * 1

    def p_task(opt_in=opt_in, premium=premium, prompt=prompt, rollout=post):
        p = by_tier(w.base_rate, tier) + shock[week] + noise + w.hidden_effect * hidden
        p = p + np.where(workspace < w.wave_1_workspaces, w.wave_offset, 0) + w.prompt_effect * prompt
        p = p + by_tier(w.opt_in_effect, tier) * opt_in + w.rollout_effect * rollout
        p = p + (w.premium_effect + w.premium_effect_slope * (w.premium_cutoff - confidence)) * premium
        p = p + np.where(week >= w.seasonal_week, w.seasonal_jump, 0)
        p = p + by_tier(w.confidence_slope, tier) * centred
        p = p + w.confidence_bend * np.tanh((confidence - w.premium_cutoff) / 0.06)
        p = p + np.where(confidence >= w.premium_cutoff, w.cutoff_jump, 0)
        return np.minimum(np.maximum(p, w.p_limits[0]), w.p_limits[1])

    def clipped(p):
        return np.minimum(np.maximum(p, w.p_limits[0]), w.p_limits[1])

    done = rng.binomial(1, p_task())
    thumbs = clipped(w.thumbs_base + w.thumbs_slope * p_task() + rng.normal(0, w.thumbs_noise_sd, n))
    thumbs = rng.binomial(1, thumbs)
    minutes = w.session_base + w.session_heavy * (tier == 2) + w.session_opt_in * opt_in
    minutes = np.maximum(minutes + rng.normal(0, w.session_noise_sd, n), w.session_min)
    retained = w.retention_base + w.retention_task * p_task() + w.retention_thumbs * thumbs
    retained = retained + w.retention_light * (tier == 0) + rng.normal(0, w.retention_noise_sd, n)
    retained = rng.binomial(1, clipped(retained))
    columns = {
        "tier": tier, "workspace_id": workspace, "signup_week": week, "treatment_week": start, "treated_post": post,
        "wave": np.where(workspace < w.wave_1_workspaces, 1, 2), "prompt_variant": prompt, "opt_in_agent_mode": opt_in,
        "query_confidence": confidence.round(4), "routed_to_premium": premium, "task_completed": done,
        "thumbs_up": thumbs, "session_minutes": minutes.round(2), "retained_7d": retained,
        "cost_usd": w.cost_per_minute * minutes + w.cost_opt_in * opt_in + w.cost_premium * premium,
    }  # fmt: skip
    return columns, p_task


OTHER_WORLDS = {  # every field of World, with a value beside its default; where it needs company to matter, with that
    "tier_share": (0.2, 0.3, 0.5), "n_workspaces": 40, "n_weeks": 40, "confidence_a": 3.0, "confidence_b": 3.0,
    "opt_in_rate": (0.6, 0.3, 0.2), "wave_1_workspaces": 10, "treatment_week": (8, 40), "premium_cutoff": 0.6,
    "base_rate": (0.6, 0.2, 0.4), "wave_offset": -0.2, "prompt_effect": 0.2, "opt_in_effect": (0.3, -0.1, 0.0),
    "premium_effect": -0.2, "rollout_effect": 0.2, "shock_sd": 0.1, "shock_ar": 0.2, "noise_sd": 0.1,
    "p_limits": (0.45, 0.55), "thumbs_base": 0.4, "thumbs_slope": -0.1, "thumbs_noise_sd": 0.3, "session_base": 9.0,
    "session_heavy": -1.0, "session_opt_in": 4.0, "session_noise_sd": 3.0, "session_min": 6.0, "cost_per_minute": 0.01,
    "cost_opt_in": 0.1, "cost_premium": 0.2, "retention_base": 0.1, "retention_task": -0.2, "retention_thumbs": 0.5,
    "retention_light": 0.3, "retention_noise_sd": 0.3, "seasonal_jump": 0.3,
    "seasonal_week": {"seasonal_week": 45, "seasonal_jump": 0.3}, "confidence_slope": (1.0, -0.5, 0.2),
    "confidence_bend": 0.3, "premium_effect_slope": 2.0, "cutoff_jump": 0.4,
    "routing_start_week": 30, "opt_in_confidence_slope": (3.0, -2.0, 1.0), "hidden_opt_in": 0.3, "hidden_effect": 0.4,
    "hidden_share": {"hidden_share": 0.8, "hidden_effect": 0.4},
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(World)])
def test_each_field_of_a_world_does_what_it_says(field):
    """Slopes, bends, weeks, costs: column by column and intervention by intervention, as in the plain reference."""
    changed = OTHER_WORLDS[field] if isinstance(OTHER_WORLDS[field], dict) else {field: OTHER_WORLDS[field]}
    world, n = World(**changed), 2_000
    expected, p_task = reference(9, n, world)
    found, futures = simulate(9, n, world), oracle(9, n, world)
    for name, values in expected.items():
        exact = name not in ("cost_usd", "session_minutes")
        np.testing.assert_allclose(found[name], values, rtol=0, atol=0 if exact else 0.5001e-2, err_msg=name)
    np.testing.assert_allclose(found["cost_usd"], expected["cost_usd"], rtol=0, atol=0.5001e-4)
    for name in ("opt_in", "premium", "prompt", "rollout"):
        for on in (0, 1):
            np.testing.assert_allclose(futures[f"p_{name}_{on}"], p_task(**{name: on}), rtol=0, atol=1e-12)
    without, _ = reference(9, n, World(**{name: value for name, value in changed.items() if name != field}))
    assert any(not np.array_equal(without[name], expected[name]) for name in expected), "a value that changes something"


BROKEN = {
    "seasonal_jump": 0.05, "confidence_slope": 0.3, "confidence_bend": 0.15, "premium_effect_slope": 0.25,
    "cutoff_jump": 0.03, "routing_start_week": 10, "opt_in_confidence_slope": 2.0, "hidden_opt_in": 0.2,
    "hidden_effect": 0.1,
}  # fmt: skip


def test_each_broken_assumption_moves_the_outcome_and_nothing_drawn_before_it():
    names = [field.name for field in dataclasses.fields(World)]
    off = names[names.index("seasonal_jump") :]
    assert set(BROKEN) == set(off) - {"seasonal_week", "hidden_share"}  # those two only say when and how many
    plain = simulate(1, 20_000, outcomes=False)
    for name, value in BROKEN.items():
        other = simulate(1, 20_000, World(**{name: value}), outcomes=False)
        for same in ("tier", "workspace_id", "signup_week", "query_confidence", "noise", "hidden"):
            np.testing.assert_array_equal(plain[same], other[same], err_msg=f"{name} moved {same}")
        assert not np.array_equal(plain["task_completed"], other["task_completed"]), name
    assert digest(generate(7, 1_000, World(hidden_share=0.9, seasonal_week=3))) == digest(generate(7, 1_000))


def test_hidden_trait_does_what_it_says():
    d = simulate(2, N, World(hidden_opt_in=0.2, hidden_effect=0.1), outcomes=False)
    hidden, light = d["hidden"] == 1, d["tier"] == 0
    near(hidden.mean(), 0.3, 0.46, N)
    near(d["opt_in_agent_mode"][hidden & light].mean(), 0.32, 0.47, (hidden & light).sum())
    alone = light & (d["opt_in_agent_mode"] == 0)
    gap = d["task_completed"][alone & hidden].mean() - d["task_completed"][alone & ~hidden].mean()
    near(gap, 0.1, 0.5 * 2.2, alone.sum())


def test_effects_by_tier():
    futures, d = oracle(4, 5_000, World(opt_in_effect=(0.02, 0.1, 0.05))), simulate(4, 5_000)
    effect = futures["p_opt_in_1"] - futures["p_opt_in_0"]
    medians = [float(np.median(effect[d["tier"] == tier])) for tier in range(3)]
    np.testing.assert_allclose(medians, [0.02, 0.1, 0.05], atol=1e-12)


@pytest.mark.parametrize("field, value", [
    ("tier_share", (0.5, 0.5)), ("tier_share", (0.5, 0.5, 0.5)), ("opt_in_rate", (0.0, 0.3, 0.6)),
    ("opt_in_rate", (0.1, 0.3)), ("base_rate", ("a", 1, 2)), ("p_limits", (0.5, 0.4)), ("noise_sd", -1.0),
    ("hidden_share", 1.2), ("confidence_a", 0.0), ("treatment_week", (20, 30, 40)), ("wave_offset", float("nan")),
])  # fmt: skip
def test_world_names_the_field_that_is_wrong(field, value):
    with pytest.raises(ValueError, match=f"^World.{field}: [^\n]+$"):
        World(**{field: value})


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"n_users": 0}, {"seed": 1.5}, {"n_users": True}, {"seed": "a"}])
def test_generate_names_the_argument_that_is_wrong(arguments):
    for function in (generate, simulate, oracle):
        with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: [^\n]+$"):
            function(**arguments)


def test_command_line_defaults(tmp_path):
    """No argument: the published dataset, beside the script, from any directory."""
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    script = shutil.copy(SCRIPT, tmp_path / "data")
    done = command(cwd=tmp_path / "elsewhere", script=script)
    assert done.returncode == 0 and done.stderr == ""
    out = tmp_path / "data" / "synthetic_llm_logs.csv"
    assert hashlib.sha256(out.read_bytes()).hexdigest() == generate_data.PUBLISHED_SHA256
    assert "50,000 users" in done.stdout and str(out) in done.stdout and "the published dataset" in done.stdout
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["generate_data.py", "synthetic_llm_logs.csv"]


def test_command_line_options(tmp_path):
    done = command("--seed", 7, "--n-users", 1_000, "--out", "new/folder/logs.csv", cwd=tmp_path)
    assert done.returncode == 0 and "not the published dataset" in done.stdout
    assert digest(pd.read_csv(tmp_path / "new/folder/logs.csv")) == digest(generate(7, 1_000))


@pytest.mark.parametrize("arguments, word", [
    (["--n-users", "0"], "n_users"), (["--n-users", "-5"], "n_users"), (["--seed", "-1"], "seed"),
    (["--seed", "x"], "--seed"), (["--n-users", "1.5"], "--n-users"), (["--bogus"], "--bogus"),
    (["--out", "folder"], "folder"), (["--out", "file/below.csv"], "file"),
])  # fmt: skip
def test_command_line_errors_are_one_line_and_write_nothing(tmp_path, arguments, word):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file, so no folder")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert word in done.stderr and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_failure_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "logs.csv"
    out.write_text("old")
    blocks = generate_data._draw_blocks

    def broken(*arguments, **options):
        yield next(blocks(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(generate_data, "_draw_blocks", broken)
    assert generate_data.main(["--n-users", "1000", "--out", str(out)]) == 130
    assert out.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["logs.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_interrupt_leaves_the_old_file(tmp_path):
    out = tmp_path / "logs.csv"
    out.write_text("old")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--n-users", "20000000", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    while not list(tmp_path.glob(".*.partial")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and stderr.count("\n") == 1
    assert out.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["logs.csv"]


def test_parquet_shards_hold_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(generate_data, "BLOCK", 700)
    out = tmp_path / "logs.parquet"
    write_logs(out, 7, 2_000)
    assert sorted(path.name for path in out.iterdir()) == [f"part-0000{k}.parquet" for k in (0, 1, 2)]
    rows = duckdb.sql(f"SELECT * FROM read_parquet('{out.as_posix()}/*.parquet') ORDER BY user_id").df()
    pd.testing.assert_frame_equal(rows, generate(7, 2_000), check_dtype=False)


def test_parquet_failure_half_way_leaves_nothing(tmp_path, monkeypatch, capsys):
    shard, written = generate_data._frame, []

    def broken(block):
        written.append(block)
        if len(written) == 2:
            raise OSError("no space left on device")
        return shard(block)

    monkeypatch.setattr(generate_data, "BLOCK", 700)
    monkeypatch.setattr(generate_data, "_frame", broken)
    assert generate_data.main(["--n-users", "2000", "--out", str(tmp_path / "logs.parquet")]) == 2
    assert "no space left" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_parquet_never_replaces_a_folder(tmp_path, capsys):
    (tmp_path / "logs.parquet").mkdir()
    (tmp_path / "logs.parquet" / "mine.txt").write_text("mine")
    assert generate_data.main(["--n-users", "100", "--out", str(tmp_path / "logs.parquet")]) == 2
    assert "there already" in capsys.readouterr().err and len(list(tmp_path.rglob("*"))) == 2


def test_find_seed():
    assert find_seed(generate()) == 42
    assert find_seed(generate(43, 2_000)) == 43
    with pytest.raises(ValueError, match="no seed below 100 makes these logs"):
        find_seed(generate(5_000, 2_000), range(100))
    with pytest.raises(ValueError, match="no seed"):  # right seed, wrong world
        find_seed(generate(43, 2_000, World(prompt_effect=0.3)), range(50))


# ---- reading the logs


def test_load_logs_is_silent_on_the_published_dataset(capsys):
    logs = load_logs()
    assert len(logs) == 50_000 and list(logs) == list(COLUMNS) and capsys.readouterr().out == ""


def test_load_logs_generates_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate_data, "DATASET", tmp_path / "synthetic_llm_logs.csv")
    assert len(load_logs(tmp_path / "synthetic_llm_logs.csv")) == 50_000
    assert capsys.readouterr().out.count("\n") == 1
    assert load_logs(tmp_path / "synthetic_llm_logs.csv").shape == (50_000, 16)
    assert capsys.readouterr().out == ""


def test_load_logs_says_when_it_is_another_dataset(tmp_path, capsys):
    write_logs(tmp_path / "other.csv", 43, 500)
    assert len(load_logs(tmp_path / "other.csv")) == 500
    out = capsys.readouterr().out
    assert "Not the published dataset (500 users)" in out and out.count("\n") == 1


@pytest.mark.parametrize("change, message", [
    (lambda text: text.replace(",medium,", ",mid,", 1), "column engagement_tier, row"),
    (lambda text: text.replace(",light,", ",,", 1), "column engagement_tier, row"),
    (lambda text: text.replace(",light,", ",light,x", 1), "column signup_week, row"),
    (lambda text: text.replace(",light,", ",light,inf", 1), "column signup_week, row"),
    (lambda text: text[:-1].rpartition(",")[0], "middle of a row"),  # a field is missing
    (lambda text: text[:-2], "middle of a row"),  # the last field is empty
    (lambda text: text[:-1].rpartition("\n")[0] + "\n" + "1,2", "middle of a row"),
    (lambda text: "a,b\n1,2\n", "columns missing: user_id, workspace_id"),
    (lambda text: text.replace("wave,", "", 1).replace("cost_usd,", "", 1), "columns missing: wave, cost_usd"),
])  # fmt: skip
def test_load_logs_names_the_place(tmp_path, change, message):
    """Of what only a dataset of this series can have; files of all kinds are in test_bad_input.py."""
    text = generate(7, 100).to_csv(index=False, lineterminator="\n")
    (tmp_path / "logs.csv").write_text(change(text), encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=message) as error:
        load_logs(tmp_path / "logs.csv")
    assert "\n" not in str(error.value) and "generate_data.py" in str(error.value)


def test_gzip_holds_the_same_rows_and_always_the_same_bytes(tmp_path):
    """`--out l.csv.gz` wrote plain text under that name."""
    for name in ("l.csv.gz", "again.CSV.GZ"):
        done = command("--out", name, "--seed", 7, "--n-users", 1_000, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    packed = (tmp_path / "l.csv.gz").read_bytes()
    assert (tmp_path / "again.CSV.GZ").read_bytes() == packed and packed[:2] == b"\x1f\x8b"
    assert digest(generate(7, 1_000)) == hashlib.sha256(gzip.decompress(packed)).hexdigest()
    pd.testing.assert_frame_equal(load_logs(tmp_path / "l.csv.gz"), generate(7, 1_000), check_dtype=False)
    write_logs(tmp_path / "published.csv.gz")
    assert generate_data.is_published(tmp_path / "published.csv.gz")
    assert not generate_data.is_published(tmp_path / "l.csv.gz")


def test_full_disk_names_the_file(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(generate_data, "_write_csv", full)
    assert generate_data.main(["--n-users", "100", "--out", str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err == f"generate_data.py: {tmp_path / 'a.csv'}: No space left on device\n"


def test_load_logs_missing_other_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="--out"):
        load_logs(tmp_path / "none.csv")
