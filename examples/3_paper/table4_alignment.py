"""Table 4: how the student is aligned with the levels.

The paper finds that alignment by the maximum (Eq. 13), which preserves the predicted
range, improves on the plain classifier (bMAE on IMDB-WIKI-DIR 12.70 after 13.58), while
alignment by the sum (Eq. 10) ruins it (27.08), and a second stage on the labels alone
changes nothing (13.64).

The ruin may be no fault of the sum: the authors' release takes the softmax of the
student again at every level, so that only the two coarsest classes teach.  Here it is
taken once.

    python examples/3_paper/table4_alignment.py              # a stand-in, in minutes
    python examples/3_paper/table4_alignment.py --standin FOLDER
    python examples/3_paper/table4_alignment.py --data IMDB_WIKI --crowds SHTECH
"""

from paper import hca_d, hierarchy, lower, options, print_table, read, repeat
from tasks import ablations


def experiment(task, seed):
    """Train three students on the same frozen network."""
    model = hierarchy(task, seed)
    return {
        "CLS": read(task, model, "none"),
        "CLS + GT sup": read(task, model, hca_d(task, supervision="targets")),
        "HCA sum (10)": read(task, model, hca_d(task, alignment="sum")),
        "HCA max (13)": read(task, model, hca_d(task, alignment="max")),
    }


def main(argv=None):
    """Run the experiment on ages and on crowds."""
    arguments = options(__doc__, argv, repeats=3)
    for make_task in ablations(arguments):
        found = repeat(experiment, make_task, arguments)
        print_table(found)
        lower(found, "HCA max (13)", "CLS")
        lower(found, "HCA max (13)", "HCA sum (10)")
        lower(found, "CLS", "HCA sum (10)")
        lower(found, "HCA max (13)", "CLS + GT sup")


if __name__ == "__main__":
    main()
