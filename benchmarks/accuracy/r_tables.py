"""Fifty-two public tables beside those of development, made ready for tables.py.

They are data sets of R packages.  The collection https://github.com/vincentarelbundock/
Rdatasets has each as ``csv/PACKAGE/NAME.csv``: put its folder ``csv`` anywhere.

    python benchmarks/accuracy/r_tables.py CSV FOLDER twenty
    python benchmarks/accuracy/tables.py --data FOLDER --splits 2

or ``thirty-two`` for the others.  Rows without a target are left out, and of more than
6,000 rows so many are drawn.  Missing numbers are medians, and texts of more than 40
values are left out.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

# The target of every table, then columns that hold it in other words, or name the row.
TWENTY = {
    "AER/CPSSW8": ["earnings"],
    "Ecdat/BudgetFood": ["wfood"],
    "Ecdat/Computers": ["price"],
    "Ecdat/VietNamH": ["lnexp12m", "lnmed"],
    "ISLR/Auto": ["mpg"],
    "ISLR/College": ["Apps"],
    "ISLR/Wage": ["wage", "logwage"],
    "MASS/Boston": ["medv"],
    "dplyr/storms": ["wind"],
    "dslabs/gapminder": ["life_expectancy"],
    "ggplot2/diamonds": ["price"],
    "ggplot2/txhousing": ["median"],
    "modeldata/Chicago": ["ridership"],
    "modeldata/ames": ["Sale_Price"],
    "modeldata/car_prices": ["Price"],
    "modeldata/concrete": ["compressive_strength"],
    "modeldata/hotel_rates": ["avg_price_per_room"],
    "nycflights13/weather": ["temp"],
    "openintro/loans_full_schema": ["interest_rate"],
    "robustbase/NOxEmissions": ["LNOx"],
}
THIRTY_TWO = {
    "AER/CollegeDistance": ["score"],
    "AER/CPS1988": ["wage"],
    "AER/Guns": ["violent"],
    "carData/SLID": ["wages"],
    "causaldata/scorecard": ["earnings_med", "unitid"],
    "COUNT/medpar": ["los", "provnum"],
    "DAAG/cps1": ["re78"],
    "Ecdat/Cigar": ["sales"],
    "gapminder/gapminder_unfiltered": ["gdpPercap"],
    "HSAUR/Forbes2000": ["marketvalue", "rank"],
    "mlmRev/egsingle": ["math", "schoolid", "childid"],
    "modeldata/attrition": ["MonthlyIncome"],
    "modeldata/check_times": ["check_time"],
    "modeldata/deliveries": ["time_to_delivery"],
    "modeldata/lending_club": ["int_rate", "sub_grade"],
    "modeldata/stackoverflow": ["Salary"],
    "nlme/bdf": ["langPOST", "schoolNR", "pupilNR"],
    "openintro/epa2021": ["comb_mpg", "city_mpg", "hwy_mpg"],
    "openintro/mlb_teams": ["runs_scored"],
    "openintro/nycflights": ["arr_delay", "arr_time"],
    "openintro/yrbss": ["weight"],
    "plm/RiceFarms": ["goutput", "noutput", "id"],
    "plm/Snmesp": ["y", "firm"],
    "plyr/baseball": ["r"],
    "ratdat/surveys": ["weight", "record_id"],
    "robustbase/radarImage": ["Band.1"],
    "sampleSelection/nlswork": ["ln_wage", "idcode"],
    "sandwich/InstInnovation": ["value", "company"],
    "stevedata/gss_wages": ["realrinc"],
    "survival/flchain": ["age"],
    "wooldridge/airfare": ["fare", "lfare", "id"],
    "wooldridge/benefits": ["avgsal", "lavgsal", "distid", "schid"],
}
TABLES = {"twenty": TWENTY, "thirty-two": THIRTY_TWO}
MOST_ROWS, MOST_TEXTS = 6000, 40
ROW_NAMES = ["rownames", "Unnamed: 0"]


def make_table(frame, target, left_out):
    """Return numbers and short lists of texts, and the target as the last column."""
    frame = frame.drop(columns=[*ROW_NAMES, *left_out], errors="ignore")
    frame = frame.dropna(subset=[target])
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    columns = {}
    for name, column in frame.drop(columns=target).items():
        if pd.api.types.is_numeric_dtype(column):
            numbers = column.astype(float)
            columns[name] = numbers.fillna(numbers.median())
        elif column.nunique() <= MOST_TEXTS:
            columns[name] = column.astype(str)
    table = pd.DataFrame(columns)
    table = table.loc[:, table.nunique() > 1]
    return table.assign(target=frame[target].astype(float))


def main():
    """Read the tables of R, and write those of tables.py."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("csv", type=Path, help="folder csv of Rdatasets")
    parser.add_argument("folder", type=Path, help="where to write the tables")
    parser.add_argument("tables", nargs="?", choices=TABLES, default="twenty")
    arguments = parser.parse_args()
    folder = arguments.folder / "tabular"
    folder.mkdir(parents=True, exist_ok=True)
    for path, (target, *left_out) in TABLES[arguments.tables].items():
        frame = pd.read_csv(arguments.csv / f"{path}.csv", low_memory=False)
        table = make_table(frame, target, left_out)
        table.to_csv(folder / f"{path.split('/')[1]}.csv.gz", index=False)
        rare = (np.histogram(table["target"], bins=100)[0] < 20).mean()
        size = f"{len(table):5} rows, {table.shape[1] - 1:3} columns"
        print(f"{path:28} {size}, {rare:.0%} of 100 bins few-shot", flush=True)


if __name__ == "__main__":
    main()
