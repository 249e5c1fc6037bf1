"""Table 2: what the coarse levels are made of.

The paper finds that duplicates of the finest classifier help little (bMAE on
IMDB-WIKI-DIR 13.42, after 13.58 of a single one), a hierarchy more, and most of all one
whose classes hold equal numbers of samples (E-Num, 12.70; ShanghaiTech A 53.7) rather
than have equal lengths (E-Len, 12.77; 56.2).  Here the duplicates vote by the sum of
their probabilities.

    python examples/3_paper/table2_class_settings.py    # a stand-in, in minutes
    python examples/3_paper/table2_class_settings.py --standin FOLDER
    python examples/3_paper/table2_class_settings.py --data IMDB_WIKI --crowds SHTECH
"""

from paper import hca_d, hierarchy, lower, options, print_table, read, repeat
from tasks import ablations


def experiment(task, seed):
    """Train three kinds of levels."""
    by_number = hierarchy(task, seed)
    duplicates = hierarchy(task, seed, merging="same")
    by_length = hierarchy(task, seed, merging="equal_length")
    return {
        "Single CLS": read(task, by_number, "none"),
        "Same CLSs": read(task, duplicates, "add"),
        "E-Num HCA-d": read(task, by_number, hca_d(task)),
        "E-Len HCA-d": read(task, by_length, hca_d(task)),
    }


def main(argv=None):
    """Run the experiment on ages and on crowds."""
    arguments = options(__doc__, argv, repeats=3)
    for make_task in ablations(arguments):
        found = repeat(experiment, make_task, arguments)
        print_table(found)
        lower(found, "Same CLSs", "Single CLS")
        lower(found, "E-Num HCA-d", "Same CLSs")
        lower(found, "E-Num HCA-d", "E-Len HCA-d")


if __name__ == "__main__":
    main()
