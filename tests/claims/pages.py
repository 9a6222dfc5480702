"""Claims of the pages: README.md, WORKSHOP.md, GLOSSARY.md, data/README.md. (Those of a folder's README are in NN.py.)"""

import re
import tomllib

import generate_data as gd
from claim_tools import ROOT, Claim, Elsewhere, Everywhere, Fixed, nb

import run

W = gd.World()
PYTHON = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"].lstrip(">=")
JAVA = re.search(r"version < (\d+)", (ROOT / "tests" / "on_spark.py").read_text(encoding="utf-8"))[1]
LEDGERS = [row for path in run.notebooks()[1:] for row in run.ledger(path)]  # 01 has no article of its own
ARTICLES = len(run.notebooks()) - 1
QUERIES = {path.name for path in ROOT.glob("[0-9][0-9]_*/*.sql")}
MENUS = "names of menus, tasks and figures of speech"


def _pace():
    """The four numbers of test_workshop.py by which it judges an agenda."""
    source = (ROOT / "tests" / "test_workshop.py").read_text(encoding="utf-8")
    return tuple(map(float, re.search(r"^WORDS, CELLS, FIGURE, GUESS = ([\d., ]+\d)", source, re.M)[1].split(", ")))


PACE = _pace()


def results_table():
    """The rows of README's table, from the executed notebooks."""
    rows = run.results_table({path: nb(path.parent.name[:2]) for path in run.notebooks()}).splitlines()
    return [row for row in rows if not row.startswith("|---")]


def run_time():
    """The longest run time that a notebook promises, seconds."""
    scripts = [path.with_suffix(".py").read_text(encoding="utf-8") for path in run.notebooks()]
    return max(int(re.search(r"\*\*Run time:\*\* under (\d+) seconds", script)[1]) for script in scripts)


def mean_effects():
    """(ATE, ATT) of agent mode on the published sample."""
    futures, logs = gd.oracle(), gd.generate()
    effect = (futures["p_opt_in_1"] - futures["p_opt_in_0"]).to_numpy()
    return effect.mean(), effect[logs["opt_in_agent_mode"] == 1].mean()


def decimals(name):
    """The largest number of decimals in a column of the logs."""
    return max(len(text.partition(".")[2]) for text in gd.generate(n_users=2000)[name].astype(str))


README = [
    Claim("{row}", each="row in results_table()"),
    Claim("one synthetic dataset of {gd.N_USERS:,} users whose true effects are known"),
    Claim("{capital(words(len(nb('01')['ROWS'])))} decisions in two panels. Your dashboard today: all numbers are positive",
          when="(nb('01')['naive'][:, 0] > 0).all() and 2 == len([nb('01')['naive'], nb('01')['naive_other']])"),
    Claim("{words((nb('01')['naive_other'][:, 0] < 0).sum())} of the numbers lie left of zero, where the sign is wrong; the fair "
          "comparisons stay near the truth", when="np.all(abs(nb('01')['design_other'][:, 0] / nb('01')['truth'] - 1) < 0.05)"),
    Fixed("One page, to print", why="the decision page"),
    Claim("follow {words(ARTICLES)} published articles"),
    Claim("every number in them but {words(sum(row['verdict'] == 'platform-dependent' for row in LEDGERS))}, which "
          "depend on the reader's computer (02"),
    Claim("The {words(ARTICLES)} articles are by Rudrendu Paul"),
    Claim("With Python {PYTHON} or newer and make"),
    Claim("{words(len(QUERIES))} queries for each design"),
    Claim("on Apache Spark (Java {JAVA} needed)"),
    Fixed("on Windows on ARM take Python 3.13 or newer", why="older ones lack a wheel of statsmodels"),
    Claim("and add {words(run.OPENING.rpartition(' -q ')[2].count(' ') + 1)} packages"),
    Fixed("the lines that its first cell asks for", "What these two do can only be tried", "Wheels of everything exist",
          "in Chromium; so far only notebook 01 was, with an older Pyodide", "`make test-32bit`", "under a Python of 32 bits", "tried on deployment only",
          why="how to run it"),
    Fixed("times them on up to a billion rows", why="bench_scale.py: SIZES"),
    Claim("ends with three exercises that say what a right answer looks like",
          when="all(len(re.findall('# [123][.] [*][*]', path.with_suffix('.py').read_text(encoding='utf-8').partition"
               "('## On your own')[2])) == 3 for path in run.notebooks())"),
    Fixed("agendas for 90 minutes, half a day and two days", why="test_workshop.py: TOTAL"),
    Fixed("`python data/generate_data.py --seed 43 --n-users 20000`", "`generate(world=World(wave_offset=0.0))`",
          why="examples: any value would do"),
    Fixed("what an analysis of real logs never could", "reduces a billion rows", "run all", "runs all checks",
          "has all it needs", "all text and code", why=MENUS),
]  # fmt: skip

GLOSSARY = [
    Fixed("95 % throughout: estimate ± 1.96 standard errors", "first p below 0.05", "20 is evidence at 5 %",
          "near 2 where neighbouring residuals", why="conventions; 1 / 0.05 is 20"),
    Fixed("one of the two is seen", "1 in slots with routing on, 0 in the others", "two arms",
          "1 below the threshold", "over all users", "never saw that user", "all that such averages",
          "just below a threshold with users just above it", "in which all get the same version", "does worse",
          "where it is narrowest", "level of all units; season that all share", "Terms above", "all but 01",
          "| all |", why="definitions"),
]  # fmt: skip

WORKSHOP = [
    Elsewhere(r"^\| \d:\d\d \| \d+ \|", "test_workshop.py::test_each_agenda_fills_its_time_and_has_breaks_and_slack"),
    Fixed("writes all that you need", "with all figures", "Below each exercise is an empty cell",
          why="test_workshop_kit.py opens what it writes"),
    Everywhere("Python {PYTHON}"),
    Claim("(200 words and two and a half cells a minute, a minute and a half for a guess)",
          when="PACE == (200, 2.5, 1.0, 1.5)"),
    Claim("no notebook takes longer than {run_time()} seconds"),
    Fixed("Three agendas", "## 90 minutes", "## Half a day (4 hours)", "## Two days (7 hours each", "Day 1", "day 2",
          "the cards of day 1", "the two mistakes", why="test_workshop.py: TOTAL"),
    Fixed("takes about two minutes and 1 GB of disk", "(200 MB)", "(1) Pair up: two people", "(2) Paper", "(3) A browser",
          "above all others", "(4) No network", "(5) Any hosted", "the same two commands", "JupyterLab 4 and Notebook 7",
          why="measured on laptops, or counted there"),
    Fixed("six yes-or-no guesses", "weigh ten users", "two guesses", "four guesses",
          "the 8.3", "a hundred times the users", "Which of the seven", "two groups",
          "Run All Above", "predict better", "as above", "before week 20",
          "Five keen teams", "Day 14", "at a rate of 0.6", "never in what you did not",
          "would fast switching", "carryover were negative", "table of three effects", why="tasks, menus, questions"),
    Fixed("users who chose it gain more; that explains the 21", "more users around the threshold make a better estimate",
          "the effect holds for all queries", "more data cures it", "more users help", "makes standard errors too small",
          "50,000 users, so the number is precise", "the sample is 50,000 users", "the placebo p is 0.0385",
          "looking at any time costs half the power", why="misunderstandings, in the words of those who have them"),
    # the notebooks
    Claim("noise {nb('01')['noise']:.3f}, selection {round(nb('01')['selection'], 4):.3f}"),
    Claim("a gap of {nb('02')['by_weight']['ATE'] - nb('02')['by_weight']['ATT']:.4f} with a standard error of "
          "{nb('02')['gap_error']:.4f}, and a truth of zero",
          when="abs(nb('02')['effect'].mean() - nb('02')['effect'][nb('02')['opted_in']].mean()) < 1e-4"),
    Claim("a spotless table, and nearly two and a half points off",
          when="0.023 < nb('02')['hidden'][:, 0].mean() - nb('02')['EFFECT'] < 2.5 / 100 and abs(nb('02')['hidden'][:, 3:7]).max() < 0.01"),
    Claim("more than ten thousand opt-ins, worth fewer than 200",
          when="nb('02')['in_treated'] > 10_000 and nb('02')['buried'][:, 2].mean() < 200"),
    Claim("Which unrecorded trait of your users is half as strong as engagement",
          when="about(nb('02')['benchmark'].loc['engagement_tier', 'zero_at'], 1 / 2, 0.15)"),
    Claim("What would have to be true for {100 * nb('02')['buried_rate'].min():.1f} % of a tier to speak for it"),
    Claim("all leave-one-out estimates lie between {100 * nb('04')['without'].min():.1f} and {100 * nb('04')['without'].max():.1f}, and the "
          "truth is {100 * nb('04')['truth']:.0f}"),
    Claim("ten times the users, still {100 * nb('04')['more']['500,000 users'][0]:.0f} points",
          when="nb('04')['larger']['500,000 users']['users'] == 10 * 50_000"),
    Claim("the test finds a real effect in {100 * nb('04')['rejects'].loc['effect 0.05, offset 0.0', 'placebo, mean gap']:.0f} % of datasets "
          "without an offset, because it compares an average of {nb('04')['WAVE_1'].sum()} with single workspaces"),
    Claim("ten times the users leave the standard error at {nb('05')['chance']:.4f}; twice the workspaces make it "
          "{nb('05')['chance'] / np.sqrt(2):.4f}", when="nb('05')['chance'] == np.sqrt(0.3**2 * 4 / 50)"),
    Claim("leak {nb('05')['parts']['leak']:.3f}, luck {nb('05')['luck']:.3f}"),
    Claim("the lottery had {nb('05')['K']} tickets"),
    Claim("under 2 % with blocks of 3, nearly 40 % with blocks of 12",
          when="nb('06')['rejects'][3] < 0.02 and 0.37 < nb('06')['rejects'][12] < 0.40"),
    Claim("counting users gives about {100 * nb('06')['alarms']['users']:.0f} % false alarms, counting hours about "
          "{100 * nb('06')['alarms']['hours']:.0f} %"),
    Claim("on the hours of a real year (§ 9) two days find {100 * nb('06')['study'].loc['real', 'finds']:.0f} points, not "
          "{100 * nb('06')['study'].loc['simulated', 'finds']:.1f}",
          when="nb('06')['study'].loc['real', 'finds'] > 10 * nb('06')['study'].loc['simulated', 'finds'] and len(nb('06')['on']) == 24 * 2"),
    Claim("a mean of {nb('07')['first_mean']:.2f} after one pair, and {100 * nb('07')['by_prior'].loc[3, 0.4]:.0f} % false positives with "
          "Beta({nb('07')['prior'][3]}, {nb('07')['prior'][3]})"),
    Claim("the capital of {words(len(nb('07')['ten']))} pairs"),
    Claim("the table in § 7 has {nb('07')['table'].loc['safe 2x2 test', 'power']:.2f} for the safe test"),
    Claim("Width falls and bias rises", when="nb('03')['table'].loc['line 0.20', ('bent', 'SD')] < nb('03')['table'].loc['line 0.10', ('bent', 'SD')] and "
          "abs(nb('03')['table'].loc['line 0.20', ('bent', 'mean')] - nb('03')['EFFECT']) > abs(nb('03')['table'].loc['line 0.10', ('bent', 'mean')] - nb('03')['EFFECT'])"),
    Claim("the narrowest interval is the most wrong",
          when="min(nb('03')['bend'], key=lambda k: nb('03')['bend'][k][2]) == max(nb('03')['bend'], key=lambda k: abs(nb('03')['bend'][k][0] - nb('03')['EFFECT']))"),
    Claim("a quarter of all draws lie above the truth", when="about((nb('05')['over'] > nb('05')['EFFECT']).mean(), 1 / 4)"),
]  # fmt: skip


def decision_rows():
    """(number of the notebook, what its dashboard says, unit, truth) of each row of DECISIONS.md, as printed."""
    rows = []
    for path in run.notebooks():
        key = path.parent.name[:2]
        headline, decision = nb(key)["headline"], nb(key).get("decision", {})
        for row in decision if isinstance(decision, list) else [decision]:
            shown = run.shown(headline | {name: row[name] for name in ("naive", "truth") if name in row})
            rows.append((key, shown["naive"], shown["truth"].split()[0]))
    return rows


def decisions_table():
    """The rows that tutorials hand over for DECISIONS.md."""
    rows = run.decisions_table({path: nb(path.parent.name[:2]) for path in run.notebooks()}).splitlines()
    return rows[:1] + rows[2:]


DECISIONS = [
    Claim("{row}", each="row in decisions_table()"),
    Claim("| {key}: {naive} ({truth}) |", each="key, naive, truth in decision_rows()"),
    Fixed("Two rows fit?", "for two dates instead of one", "it answers, or says why it cannot", why="the page's own words"),
    Claim("Notebooks {run.notebooks()[1].parent.name[:2]} to {run.notebooks()[-1].parent.name[:2]} have a tool each"),
    Fixed("do all kinds of users do both", "none: this only describes", "None fits? Ask for a coin", "On and off, hour by hour", "| longer carryover |",
          why="advice"),
]  # fmt: skip

DATA = [
    Claim("holds {gd.N_USERS:,} users of an imagined LLM product, one row each, made by generate_data.py with seed "
          "{gd.SEED}"),
    Claim("`{gd.PUBLISHED_SHA256}`"),
    # the columns
    Claim("| `workspace_id` | integer 0–{W.n_workspaces - 1} |", when="gd.generate()['workspace_id'].min() == 0"),
    Claim("| light, medium, heavy | {' %, '.join(f'{100 * share:.0f}' for share in W.tier_share)} % |",
          when="gd.TIERS == ('light', 'medium', 'heavy')"),
    Claim("| `signup_week` | integer 0–{W.n_weeks - 1} |", when="gd.generate()['signup_week'].min() == 0"),
    Claim("| `wave` | 1 or 2 | 1 for workspaces 0–{W.wave_1_workspaces - 1} |",
          when="dict(gd.generate().groupby('wave')['workspace_id'].min()) == {1: 0, 2: W.wave_1_workspaces}"),
    Claim("{W.treatment_week[0]} for wave 1, {W.treatment_week[1]} for wave 2",
          when="dict(gd.generate().groupby('wave')['treatment_week'].max()) == {1: W.treatment_week[0], "
               "2: W.treatment_week[1]}"),
    Claim("{100 * W.opt_in_rate[0]:.0f} % of light, {100 * W.opt_in_rate[1]:.0f} % of medium, "
          "{100 * W.opt_in_rate[2]:.0f} % of heavy users"),
    Claim("| 0 to 1, {decimals('query_confidence')} decimals | Beta({W.confidence_a:.0f}, {W.confidence_b:.0f}), "
          "rounded after", when="gd.generate()['query_confidence'].between(0, 1).all()"),
    Claim("confidence below {W.premium_cutoff} (before rounding)"),
    Claim("probability {W.thumbs_base} + {W.thumbs_slope} p + N(0, {W.thumbs_noise_sd}) | outcome |"),
    Claim("| minutes, {decimals('session_minutes')} decimals | {W.session_base:.0f} + {W.session_heavy:.0f} heavy + "
          "{W.session_opt_in:.0f} opt-in + N(0, {W.session_noise_sd}), at least {W.session_min} |",
          when="gd.generate()['session_minutes'].min() >= W.session_min"),
    Claim("| US dollars, {decimals('cost_usd')} decimals | {W.cost_per_minute} a minute + {W.cost_opt_in} opt-in + "
          "{W.cost_premium} premium |"),
    Claim("probability {W.retention_base} + {W.retention_task} p + {W.retention_thumbs} thumbs-up - "
          "{-W.retention_light} light + N(0, {W.retention_noise_sd})", when="W.retention_light < 0"),
    Fixed("N(0,", "(wave 1)", "for wave 1", "for wave 2", "SHA-256", why="means of zero, and names"),
    # completion
    Claim("clipped to [{W.p_limits[0]}, {W.p_limits[1]}] as all probabilities are"),
    Claim("p = base + {W.wave_offset} (wave 1) + {W.prompt_effect} prompt_variant + {W.opt_in_effect} opt_in + "
          "{W.premium_effect} premium + {W.rollout_effect} treated_post + weekly shock + N(0, {W.noise_sd})"),
    Claim("base {W.base_rate[0]:.2f} light, {W.base_rate[1]:.2f} medium, {W.base_rate[2]:.2f} heavy."),
    Claim("coefficient {W.shock_ar}, innovations N(0, {W.shock_sd:.3f})), centred over the {W.n_weeks} weeks"),
    Claim("the waves differ by {W.wave_offset} before anything happens"),
    Claim("| agent mode | {W.opt_in_effect:+.2f} | ATE {mean_effects()[0]:.5f}, ATT {mean_effects()[1]:.5f} |"),
    Claim("| premium model | {W.premium_effect:+.2f} | the same, less what clipping at {W.p_limits[1]} takes |"),
    Claim("| model upgrade | {W.rollout_effect:+.2f} |"),
    Claim("| prompt variant 1 | {W.prompt_effect:+.2f} |", when="1 == gd.generate(n_users=10)['prompt_variant'].max()"),
    Claim("with each of the {words(sum(name.endswith('_1') for name in gd.oracle(n_users=10)))} switched off and on"),
    Claim("all off by default", when="W.seasonal_jump == W.cutoff_jump == W.hidden_effect == W.hidden_opt_in == "
                                     "W.confidence_slope == W.confidence_bend == 0"),
    # the generator's use
    Everywhere("{gd.BLOCK:,} users"),
    Fixed("python data/generate_data.py --seed 43 --n-users 5000000 --out big.csv", "--n-users 100000000 --out shards",
          "generate(seed=1, n_users=10_000)", "generate(world=World(wave_offset=0.0))", "simulate(seed=1, outcomes=False)",
          "# NumPy arrays, for hundreds of datasets", "| 0, 1, 2, … |", why="examples: any value would do"),
    Fixed("5 million users take about 17 seconds and 190 MB as CSV; 100 million take little more than a minute and 0.8 GB",
          "in under half a second", why="measured: make bench, make bench-scale"),
    # your own logs
    Claim("folders 02 to 07 has a practice notebook",
          when="[path.parent.name[:2] for path in run.executed_notebooks() if path.stem.endswith('_practice')] == "
               "['02', '03', '04', '05', '06', '07']"),
    Fixed("the two sentences for your report", "a unit that appears twice is found", "cutoff=60", "writes two SQL texts",
          "the threshold of 03 or at the date of 04", "leaks in 05 and 06", "the covariates of 02", why="names and examples"),
    Fixed("never written", "never move", "hold all that drives", "formula below", "Real logs have all", why=MENUS),
]  # fmt: skip

PAGES = {
    "README.md": README,
    "DECISIONS.md": DECISIONS,
    "GLOSSARY.md": GLOSSARY,
    "WORKSHOP.md": WORKSHOP,
    "data/README.md": DATA,
}
