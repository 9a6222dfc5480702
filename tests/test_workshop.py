"""WORKSHOP.md: its minutes add up and suffice for what they name, and what it names exists."""

import re

import pytest
from notebook_tools import read
from test_notebooks import exercises

import run
import workshop

TEXT = (run.ROOT / "WORKSHOP.md").read_text(encoding="utf-8")
NOTEBOOKS = {path.parent.name[:2]: path for path in run.notebooks()}
GUIDES = dict(re.findall(r"^### (\d\d) · (.+?)(?=^### |\Z)", TEXT, flags=re.M | re.S))
TOTAL = {"90 minutes": 90, "Half a day": 240, "Day 1": 420, "Day 2": 420}
WORDS, CELLS, FIGURE, GUESS = 200, 2.5, 1.0, 1.5  # words and cells a minute; minutes for a figure and for a guess


AGENDAS = workshop.agendas(TEXT)  # {title: rows}; a row is (from, minutes, what, how)
ROWS = [pytest.param(*row, id=f"{title}, {row[0]}") for title, rows in AGENDAS.items() for row in rows]


def weight(folder):
    """{section: minutes at the pace above} of a notebook; the opening is "opening", a subsection has its title, too."""
    minutes, places = {}, ["opening"]
    for cell in read(NOTEBOOKS[folder]).cells:
        parts = re.split(r"^(?=###? )", cell.source, flags=re.M) if cell.cell_type == "markdown" else [cell.source]
        for part in parts:
            heading = re.match(r"(###?) (?:(\d+)\. )?(.+)", part) if cell.cell_type == "markdown" else None
            if heading:
                places = [heading[2] or heading[3]] if heading[1] == "##" else [places[0], heading[3]]
            if cell.cell_type == "markdown":
                cost = len(part.split()) / WORDS + GUESS * part.count("**Predict, then run.**")
            else:
                cost = 1 / CELLS + FIGURE * sum("image/png" in out.get("data", {}) for out in cell.outputs)
            for place in places:
                minutes[place] = minutes.get(place, 0) + cost
    return minutes


WEIGHT = {folder: weight(folder) for folder in NOTEBOOKS}


def named(folder, what):
    """The sections and quoted subsections that a row names."""
    places = ["opening"] if "opening" in what else []
    for numbers in re.findall(r"§§? (\d+(?:–\d+)?)", what):
        first, _, last = numbers.partition("–")
        places += [str(n) for n in range(int(first), int(last or first) + 1)]
    for title in re.findall(r"“(.+?)”", what):
        places += [next(place for place in WEIGHT[folder] if place.startswith(title))]
    return places


def test_each_agenda_fills_its_time_and_has_breaks_and_slack():
    assert AGENDAS.keys() == TOTAL.keys()
    for title, rows in AGENDAS.items():
        clock = 0
        for start, minutes, _, _ in rows:
            assert start == clock, f"{title}: {start} minutes are not {clock}"
            clock += minutes
        assert clock == TOTAL[title]
        assert any("Break" in what for _, _, what, _ in rows) and "Slack" in rows[-1][2]
        assert rows[-1][1] >= 0.035 * TOTAL[title]


@pytest.mark.parametrize("start, minutes, what, how", ROWS)
def test_a_row_leaves_time_for_what_it_names(start, minutes, what, how):
    link = re.match(r"\[(\d\d)\]\((.+?)\)(.*)", what)
    if not link:
        return
    folder, target, rest = link.groups()
    assert (run.ROOT / target) == NOTEBOOKS[folder]
    exercise = re.search(r"exercise (\d)", rest)
    if exercise:
        stated = exercises(NOTEBOOKS[folder])
        assert len(stated) == 3
        assert minutes >= int(stated[int(exercise[1]) - 1][1]) * 1.2
    else:
        needed = sum(WEIGHT[folder][place] for place in named(folder, rest))
        assert named(folder, rest) and minutes >= needed, f"{needed:.1f} minutes at the stated pace"


def test_there_is_a_guide_for_each_notebook():
    """In order; notebooks that are added at the end of the series may do without."""
    assert list(GUIDES) == list(NOTEBOOKS)[: len(GUIDES)]


@pytest.mark.parametrize("folder, part", GUIDES.items(), ids=GUIDES)
def test_guide_of_a_notebook_names_what_exists(folder, part):
    assert "**To take home:**" in part and len(re.findall(r"^- \*\"", part, flags=re.M)) == 3
    assert "Live-code:" in part and "Show:" in part and part.partition("Ask:")[2].count("?") >= 3
    book = read(NOTEBOOKS[folder])
    cells = workshop.cells_of(NOTEBOOKS[folder])
    tagged = [section for (section, _), cell in zip(workshop.places(cells), cells, strict=True)
              if "live-code" in workshop.tags(cell)]  # fmt: skip
    assert re.findall(r"§ (\d+)", part.partition("Live-code:")[2].partition("Show:")[0]) == tagged
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    for name in re.findall(r"`(\w+)`", part):
        assert re.search(rf"\b{name}\b", code), name
    for number in re.findall(r"§ (\d+)", part):
        assert number in WEIGHT[folder], f"§ {number}"
    for figure in re.findall(r"Figures? (\d)|, (\d)|and (\d)(?=\.)", part.partition("Show:")[2].partition("Ask:")[0]):
        assert f"*Figure {''.join(figure)}" in prose


@pytest.mark.parametrize("folder, part", GUIDES.items(), ids=GUIDES)
def test_numbers_of_the_guide_stand_in_the_notebook(folder, part):
    book = "".join(str(output) for cell in read(NOTEBOOKS[folder]).cells for output in cell.get("outputs", []))
    book += "".join(cell.source for cell in read(NOTEBOOKS[folder]).cells)
    known = {float(number) for number in re.findall(r"\d+\.\d+", book)}
    for number in re.findall(r"\d+\.\d+", part):
        close = 0.5 * 10 ** -len(number.partition(".")[2]) + 1e-9
        assert any(abs(float(number) - value) <= close for value in known), number
