"""What all notebooks of the series share: the style of the figures, and the comparison with the published numbers.

    from series import COLOR, coverage, plt, published, show

Importing it sets one thread for linear algebra (the matrices are small, and results then do not depend on the number
of cores) and one style for figures, whatever the reader has configured. It knows nothing of the synthetic world.
"""

import base64
import io
import os
import sys
from pathlib import Path

for _library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # for libraries that are loaded later

import matplotlib  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import threadpoolctl  # noqa: E402
from IPython.display import display  # noqa: E402
from PIL import Image  # noqa: E402

threadpoolctl.threadpool_limits(1)  # for those that the notebook has loaded before this module

# These five mean the same in every figure of the series, and nothing else does. Text and guides are shades of ink.
COLOR = {"treated": "#D55E00", "control": "#0072B2", "truth": "#009E73", "naive": "#8C8C8C", "estimate": "#1A1A1A"}
INK, FAINT = "#5A5A5A", "#BBBBBB"
DPI = 160  # of stored figures; they are displayed at 100 dots per inch, so that they stay sharp

matplotlib.rcdefaults()  # a reader's matplotlibrc must not reach a figure
plt.rcParams.update({
    "backend": matplotlib.get_backend(), "figure.dpi": 100, "savefig.dpi": DPI, "savefig.bbox": "tight",
    "figure.facecolor": "white", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlelocation": "left", "axes.titlesize": 10.5, "axes.labelcolor": "#333333", "axes.edgecolor": "#888888",
    "xtick.color": "#555555", "ytick.color": "#555555", "errorbar.capsize": 0, "figure.autolayout": False,
})  # fmt: skip
pd.set_option("display.width", 110, "display.max_columns", 20, "display.max_colwidth", 90)


def folder():
    """The folder of the running notebook or script, where its figures and its published_figures.csv are."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return Path(script).resolve().parent if script else Path.cwd()


class Figure:
    """A stored figure as a notebook displays it: a PNG with a description for readers who cannot see it."""

    def __init__(self, png, width, alt):
        self.png, self.width, self.alt = png, width, alt

    def __repr__(self):
        return f"[Figure: {self.alt}]"

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": repr(self)}
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def show(figure, name, alt):
    """Store `figure` as figures/name.png beside the notebook and display it with the alternative text `alt`.

    The picture is reduced to 128 colours, which no eye can tell from the original here and which halves the notebook.
    """
    full = io.BytesIO()
    figure.savefig(full, metadata={"Software": None})
    plt.close(figure)
    image = Image.open(full).convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="PNG", optimize=True, dpi=(DPI, DPI))
    try:
        target = folder() / "figures" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(small.getvalue())
    except OSError:
        pass  # a folder that cannot be written: the notebook still shows the figure
    display(Figure(small.getvalue(), round(image.width * 100 / DPI), alt))


# ---- the published numbers


def as_published(text, value):
    """A computed value rounded, scaled and signed as the published text is ("+0.2106", "30.2%", "16")."""
    if isinstance(value, str):
        return value
    number = text.lstrip("+").rstrip("%")
    if not number.lstrip("-").replace(".", "", 1).isdigit():
        return str(value)  # a word was published
    scale, sign = (100 if text.endswith("%") else 1), ("+" if text.startswith("+") else "")
    return f"{scale * value:{sign}.{len(number.partition('.')[2])}f}" + ("%" if text.endswith("%") else "")


def published(computed):
    """Compare computed values (a dict by id) with published_figures.csv of this notebook's folder.

    Prints how many agree to the last published digit, and displays those that do not.
    """
    ledger = pd.read_csv(folder() / "published_figures.csv", dtype=str, keep_default_na=False)
    ledger["here"] = [as_published(row.published, computed[row.id]) for row in ledger.itertuples()]
    same = np.array([float(a.rstrip("%")) == float(b.rstrip("%")) if _is_number(a) and _is_number(b) else a == b
                     for a, b in zip(ledger["here"], ledger["published"], strict=True)])  # fmt: skip
    print(f"{same.sum()} of {len(ledger)} published numbers reproduced")
    if not same.all():
        display(ledger.loc[~same, ["quantity", "published", "here", "verdict", "note"]])


def _is_number(text):
    return text.lstrip("+-").rstrip("%").replace(".", "", 1).isdigit()


# ---- studies


def coverage(lo, hi, truth):
    """Share of intervals that hold the truth and its Monte Carlo error; lo, hi: (datasets,)."""
    held = np.mean((np.asarray(lo) <= truth) & (truth <= np.asarray(hi)))
    return held, np.sqrt(held * (1 - held) / len(lo))


def study_table(rows, truth):
    """Monte Carlo table from {name: (estimates, lo, hi)}, each (datasets,): mean, SD, coverage
    and its Monte Carlo error."""
    table = {}
    for name, (estimates, lo, hi) in rows.items():
        held, error = coverage(lo, hi, truth)
        table[name] = {"mean": estimates.mean(), "SD": estimates.std(ddof=1), "coverage": held, "±": error}
    return pd.DataFrame(table).T
