"""Table 3: the variants of HCA against an average of the levels.

The paper finds that all variants of HCA are better than a single classifier or several
equal ones, and HCA-d is best: bMAE on IMDB-WIKI-DIR 12.86 (add), 12.89 (mul) and 12.70
(d) after 13.58 and 13.42.  The average of what the levels answer is worst (14.85): the
coarse ones bring their quantization error along.

    python examples/3_paper/table3_variants.py               # a stand-in, in minutes
    python examples/3_paper/table3_variants.py --standin FOLDER
    python examples/3_paper/table3_variants.py --data IMDB_WIKI --crowds SHTECH
"""

from paper import four_modes, hierarchy, lower, options, print_table, read, repeat
from tasks import ablations


def experiment(task, seed):
    """Read one training in five ways; another one has equal levels."""
    duplicates = hierarchy(task, seed, merging="same")
    model = hierarchy(task, seed)
    modes = {**four_modes(task), "Average": "average"}
    rows = {name: read(task, model, mode) for name, mode in modes.items()}
    return {
        "Single CLS": rows.pop("CLS"),
        "Same CLSs": read(task, duplicates, "add"),
        "Average": rows.pop("Average"),
        **rows,
    }


def main(argv=None):
    """Run the experiment on ages and on crowds."""
    arguments = options(__doc__, argv, repeats=3)
    for make_task in ablations(arguments):
        found = repeat(experiment, make_task, arguments)
        print_table(found)
        for variant in ("HCA-add", "HCA-mul", "HCA-d"):
            lower(found, variant, "Single CLS")
            lower(found, variant, "Same CLSs")
        lower(found, "HCA-d", "HCA-add")
        lower(found, "HCA-d", "HCA-mul")
        lower(found, "Single CLS", "Average")


if __name__ == "__main__":
    main()
