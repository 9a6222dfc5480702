"""CONTRIBUTING.md, followed: a folder 08 and a folder 10 in a copy of the repository need no change outside them.

And what is left out is named by the tests that fail.
"""

import re
import subprocess
import sys

import pytest
from notebook_tools import copy_of_the_series

import run

TUTORIAL = '''# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · A prompt that everybody may get
#
# A cook salts one pot and not the other, by the toss of a coin, and asks the guests. Whatever else differs
# between the pots, the coin did not look at it. **The decision:** should the new prompt be used for everybody?
#
# ![Completion with the old prompt and with the new one: two bars, the one of the new prompt is
# higher](figures/prompts.png)
#
# **The answer at a glance**
#
# | what does the new prompt add to task completion? | |
# |---|---|
# | naive: users with the new prompt minus the others | +4.6 pp |
# | estimate: the same, with its interval | +4.6 pp [3.8, 5.5] |
# | truth: what the generator put in | +4.0 pp |
#
# **In ten minutes:** this page. **With care:** the rest, too.
#
# **You will do:** compare the means of some groups of users. **You will learn:** why a coin makes that enough.
# **You need:** means and variances. **Run time:** under 20 seconds. **On your own logs:** the tools of the
# other folders take a log with an arm and an outcome; this folder has none of its own, because it is here to
# show how small one can be.
#
# Notebook 07 takes the same prompt and looks at its test every day. Here we look once, at the end, and so we
# need none of what that notebook teaches. If you have read it, you may skip this one, and nothing will be
# missing.

# %% [markdown]
# ## 1. Set up
#
# The logs are simulated, so that the effect is known and the answer can be judged. A row is a user. Half of the
# users have the new prompt, and which of them was not for anybody to choose: that is the whole design, and
# everything below is arithmetic. In a real product you would ask first how the coin was thrown, and whether
# each user stayed where the coin had put them.

# %%
OPENING

# %%
import numpy as np
from generate_data import DATASET, find_seed, load_logs, oracle
from series import COLOR, display, plt, published, show

# %% tags=["parameters"]
DATA = DATASET  # the published logs

# %%
logs = load_logs(DATA)[["prompt_variant", "task_completed"]]
display(logs.head(3))

# %% [markdown]
# A column says which prompt the user had, another whether the task was completed. **Predict, then run.** By how
# much does completion differ between the two groups, and how sure can we be of that with so many users?

# %% tags=["live-code"]
# the difference of two means, and its standard error
groups = logs.groupby("prompt_variant")["task_completed"].agg(["mean", "var", "count"])
estimate = groups["mean"][1] - groups["mean"][0]
error = np.sqrt((groups["var"] / groups["count"]).sum())
lo, hi = estimate - 1.96 * error, estimate + 1.96 * error
print(f"estimate {estimate:+.4f}, interval [{lo:.4f}, {hi:.4f}]")

# %% [markdown]
# The interval is narrow, because there are many users and nothing but chance tells the groups apart. It does
# not hold zero. So the new prompt helps; how much it helps is known well enough for any decision that we can
# think of.
#
# ## 2. Is the answer honest?
#
# The generator can tell, for each user, the probability of completing the task with either prompt. The mean of
# the differences is the truth for these users, and no analysis of real logs could know it.
# **Predict, then run.** Does the interval hold it?

# %%
futures = oracle(find_seed(load_logs(DATA)), len(logs))
truth = (futures["p_prompt_1"] - futures["p_prompt_0"]).mean()
print(f"truth {truth:+.4f}, inside the interval: {bool(lo <= truth <= hi)}")

# %% [markdown]
# It does. That is one dataset, and so it is an anecdote; the other notebooks show how to ask the same of many.
# A picture says what was found to somebody who does not read numbers.

# %%
figure, axes = plt.subplots(figsize=(4, 2.5))
axes.bar(["old prompt", "new prompt"], 100 * groups["mean"], color=[COLOR["control"], COLOR["treated"]])
axes.set_ylabel("task completion (%)")
show(figure, "prompts",
     "Completion with the old prompt and with the new one: two bars; that of the new prompt is higher")  # fmt: skip

# %% [markdown]
# *Figure 1. Completion with either prompt. The difference between the bars is the answer, and it is easy to
# see.*
#
# ## 3. What you would ship
#
# The prompt, with the interval, and the sentence that the users were dealt to the prompts by a coin. What could
# break it: users who changed sides, or were left out on one side because their prompt failed. Both can be
# counted in a log. If the prompt is dearer than the old one, the interval says how much each completed task may
# cost before that stops being worth it.

# %% [markdown]
# ## Key ideas
#
# A coin makes groups alike in everything that nobody measured. Then means are enough, and their standard errors
# say how far chance may have moved them. What a coin does not do is to keep people where it has put them: that
# has to be checked, and no formula replaces it.
#
# ## Quiz
#
# 1. Why is the naive number the estimate here?
# 2. What would you look at before you believe it?
# 3. When would the interval be too narrow?
#
# ## On your own
#
# 1. **Change a constant** (5 minutes). Take every other user only. You are right if the interval becomes wider.

# %%

# %% [markdown]
# 2. **Break an assumption** (10 minutes). Leave out users of the new prompt who failed. You are right if the estimate
#    becomes too large.

# %%

# %% [markdown]
# 3. **Design something new** (20 minutes). Compare within tiers of users. You are right if the answer stays and the
#    interval becomes narrower.

# %%

# %% [markdown]
# ## References
#
# - Rubin, D. B. (1974). Estimating causal effects of treatments in randomized and nonrandomized studies. *Journal of
#   Educational Psychology* 66. doi:10.1037/h0037350
#
# ## Appendix: the article's numbers
#
# No article, and two numbers to show how a publication is compared.

# %%
headline = {"decision": "the new prompt for everybody?", "method": "difference of means", "unit": "pp",
            "naive": estimate, "truth": truth, "estimate": estimate, "lo": lo, "hi": hi}  # fmt: skip
computed = {"difference": estimate, "error": error}
published(computed)
'''

LEDGER = """id,quantity,published,verdict,note
difference,difference of means,+0.0464,reproduced,
error,standard error,0.0044,reproduced,
"""

README = """# 08 · A prompt that everybody may get

| the new prompt, task completion | |
|---|---|
| naive | +4.6 pp |
| estimate | +4.6 pp [3.8, 5.5] |
| truth | +4.0 pp |
"""

CLAIMS = '''"""Claims of notebook 08."""

from claim_tools import Claim, Everywhere, Fixed

CLAIMS = [
    Claim("| naive: users with the new prompt minus the others | {100 * estimate:+.1f} pp |"),
    Claim("| estimate: the same, with its interval | {100 * estimate:+.1f} pp [{100 * lo:.1f}, {100 * hi:.1f}] |"),
    Claim("| truth: what the generator put in | {100 * truth:+.1f} pp |"),
    Claim("two bars, the one of the new prompt is higher", when="estimate > 0"),
    Claim("two bars; that of the new prompt is higher", when="estimate > 0"),
    Claim("The interval is narrow", when="error < 0.01"),
    Claim("It does not hold zero", when="lo > 0"),
    Claim("It does. That is one dataset", when="lo <= truth <= hi"),
    Claim("So the new prompt helps", when="estimate > 0"),
    Fixed("A cook salts one pot and not the other", "In ten minutes", "under 20 seconds", "we need none of what",
          "you may skip this one", "Half of the users have the new prompt", "between the two groups",
          "two numbers to show",
          "this folder has none", "looks at its test every day", "Here we look once", "Both can be counted",
          "Take every other user only", "You are right if the interval becomes wider",
          "it is here to show how small one", "the estimate becomes too large", "the interval becomes narrower",
          "before that stops", "before you believe it",
          "be too narrow", "how much each completed task may cost", "dearer than the old one",
          "Change a constant (5 minutes)", "Break an assumption (10 minutes)", "Design something new (20 minutes)",
          why="how the notebook is built"),
]  # fmt: skip

README_CLAIMS = [
    Claim("| naive | {100 * estimate:+.1f} pp |"),
    Claim("| estimate | {100 * estimate:+.1f} pp [{100 * lo:.1f}, {100 * hi:.1f}] |"),
    Claim("| truth | {100 * truth:+.1f} pp |"),
]
'''


def add_folder(series, number, name, after="07"):
    """The files of the table in CONTRIBUTING.md, and no other."""
    folder = series / f"{number}_{name}"
    (folder / "figures").mkdir(parents=True)
    text = TUTORIAL.replace("OPENING", run.OPENING)  # as in any other folder; `make sync` fills in what is this one's
    text = text.replace("# # 08 ·", f"# # {number} ·").replace("Notebook 07", f"Notebook {after}")
    for file, content in (
        (folder / f"{name}_demo.py", text), (folder / "published_figures.csv", LEDGER),
        (folder / "README.md", README.replace("# 08 ·", f"# {number} ·")),
        (series / "tests" / "claims" / f"{number}.py", CLAIMS),
    ):  # fmt: skip
        file.write_text(content, encoding="utf-8")
    return folder


def python(series, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=series, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository with two more folders, made by the commands of CONTRIBUTING.md; 08 is executed."""
    series = tmp_path_factory.mktemp("copy") / "series"
    copy_of_the_series(series)
    add_folder(series, "08", "small")
    add_folder(series, "10", "more", after="08")
    done = python(series, "run.py", "--sync")
    assert done.returncode == 0, done.stderr
    for path in ("08_small/small_demo.ipynb", "10_more/more_demo.ipynb"):
        assert f"{path} follows its mirror" in done.stdout
    done = python(series, "run.py", "08", "10", "--write-tables")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert re.search(r"^08_small +2 / 2 .*\n10_more +2 / 2 ", done.stdout, flags=re.M)
    return series


def test_the_commands_are_those_of_the_page():
    page = (run.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for line in ("make sync", "python run.py 08 --write-tables", "make test-08"):
        assert f"\n{line}\n" in page
    for file in ("08_small/small_demo.py", "08_small/published_figures.csv", "08_small/figures/", "08_small/README.md",
                 "tests/claims/08.py"):  # fmt: skip
        assert f"\n| `{file}` |" in page


ONCE = """
import notebook_tools
import pytest
import run

@pytest.mark.parametrize("notebook", [path for path in run.notebooks() if path.parent.name[:2] == "08"],
                         ids=lambda path: path.stem)
def test_the_kernel_of_nbval_has_handed_over_what_it_found(notebook, monkeypatch):
    monkeypatch.setattr(notebook_tools, "run_script", None)  # no second execution
    assert 0 < notebook_tools.namespace(notebook)["error"] < 0.01
    assert notebook_tools.drawn_figures(notebook).keys() == {"prompts.png"}
"""


def test_two_more_folders_pass_all_tests_about_them(copy):
    """And each notebook is executed once."""
    (copy / ".results" / "small_demo.pickle").unlink()
    (copy / "tests" / "test_08_once.py").write_text(ONCE, encoding="utf-8")
    figures = {path: path.read_bytes() for path in copy.glob("[0-9][0-9]_*/figures/*")}
    folders = ("--folder", "08", "--folder", "10", "-k", "not (other_data and more_demo)")
    done = python(copy, "-m", "pytest", *folders, "-n0", "-q", "-rf", "--tb=short")
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 60, "the tests about them were not found"
    assert {path: path.read_bytes() for path in copy.glob("[0-9][0-9]_*/figures/*")} == figures
    (copy / "tests" / "test_08_once.py").unlink()
    assert "unchanged" in python(copy, "run.py", "10").stdout, "tests leave what run.py knows as it is"


def without_mirror(series, folder):
    (folder / f"{folder.name[3:]}_demo.py").unlink()


def without_ledger(series, folder):
    (folder / "published_figures.csv").unlink()


def without_readme(series, folder):
    (folder / "README.md").unlink()


def without_claims(series, folder):
    (series / "tests" / "claims" / f"{folder.name[:2]}.py").unlink()


def without_headline(series, folder):
    for path in folder.glob("*_demo.*"):
        path.write_text(path.read_text(encoding="utf-8").replace("headline = ", "headlines = "), encoding="utf-8")


def without_row(series, folder):
    readme = (series / "README.md").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in readme if not line.startswith(f"| [{folder.name}]")]
    (series / "README.md").write_text("".join(kept), encoding="utf-8")


LEFT_OUT = {
    "11_mirror": (without_mirror, "11_mirror/mirror_demo.py is missing; `make sync` brings them in line"),
    "12_ledger": (without_ledger, "12_ledger/published_figures.csv is missing"),
    "13_readme": (without_readme, "13_readme/README.md is missing"),
    "14_claims": (without_claims, "tests/claims/14.py is missing"),
    "15_headline": (without_headline, "15_headline/headline_demo.ipynb does not hand over `headline`"),
    "16_row": (without_row, "no row in README.md: python run.py --write-tables"),
}


def test_what_is_left_out_is_named_and_nothing_else_fails(copy):
    """In each of six folders something else is missing, and a failure names it; none is a riddle.

    All other tests of the form of notebooks and pages pass, without a change outside of the new folders.
    """
    row = next(line for line in (copy / "README.md").read_text().splitlines() if line.startswith("| [08_small]"))
    for name, (leave_out, _) in LEFT_OUT.items():
        folder = add_folder(copy, name[:2], name[3:])
        for path in (copy / "08_small").rglob("*.*"):  # executed already
            content = path.read_bytes().replace("# 08 ·".encode(), f"# {name[:2]} ·".encode())
            place = folder / path.relative_to(copy / "08_small")
            place.with_stem(path.stem.replace("small", name[3:])).write_bytes(content)
        readme = (copy / "README.md").read_text(encoding="utf-8")
        here = row.replace("08_small/small_demo", f"{name}/{name[3:]}_demo").replace("08_small", name)
        end = "<!-- end of results"
        (copy / "README.md").write_text(readme.replace(end, f"{here}\n{end}"), encoding="utf-8")
        leave_out(copy, folder)
    theirs = "ledger_demo or headline_demo or row_demo"  # what they lack shows when they are executed
    files = [f"tests/test_{name}.py" for name in ("notebooks", "anatomy", "workshop", "glossary", "mirrors")]
    done = python(
        copy, "-m", "pytest", *files, "-k", f"not draw and (not test_mirrors or {theirs})", "-q", "-rfE", "--tb=short",
        "-p", "no:nbval", "-o", "addopts=",
    )  # fmt: skip
    for name, (_, message) in LEFT_OUT.items():
        assert message in done.stdout, f"{name}: {message}\n{done.stdout[-3000:]}"
    for riddle in ("TypeError", "NoneType", "AttributeError", "KeyError", "IndexError"):
        assert riddle not in done.stdout
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.M)
    about = [name for name in LEFT_OUT] + [f"{name[3:]}_demo" for name in LEFT_OUT]
    others = [test for test in failed if not any(f"[{name}" in test for name in about)]
    assert not others, f"{others}\n{done.stdout[-5000:]}"
