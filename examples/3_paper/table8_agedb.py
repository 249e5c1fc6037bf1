"""Table 8: all methods on AgeDB-DIR.

The paper finds what it found on IMDB-WIKI-DIR: HCA lowers the bMAE of CLS (9.14; add
8.95, mul 8.97, d 8.85), of CLS + LDS (8.75; add 8.40, d 8.46) and of CLS + LDS +
RankSim (7.99; add 7.82, d 7.87), and the few-shot errors most.

The stand-in with ``--standin`` has the labels of AgeDB-DIR, and drawn faces.

    python examples/3_paper/table8_agedb.py                  # a stand-in, in minutes
    python examples/3_paper/table8_agedb.py --standin FOLDER
    python examples/3_paper/table8_agedb.py --data AGEDB
"""

from functools import partial

from paper import compare_all, options, repeat
from table7_imdb_wiki import show
from tasks import ages, long_tail


def main(argv=None):
    """Run every method."""
    arguments = options(__doc__, argv, repeats=3)
    make_task = long_tail
    if arguments.data or arguments.standin:
        make_task = partial(ages, benchmark="agedb")
    show(repeat(compare_all, make_task, arguments))


if __name__ == "__main__":
    main()
