"""Table 7: all methods on IMDB-WIKI-DIR.

The paper finds that HCA lowers the bMAE of CLS (13.58; add 12.86, mul 12.89, d 12.70),
of CLS + LDS (12.85; d 12.42) and of CLS + LDS + RankSim (12.33; d 11.92), most of all
in the few-shot range, and that HCA-d leaves the many-shot range nearly as it was,
unlike Balanced MSE.

The stand-in with ``--standin`` is another real imbalanced benchmark, STS-B-DIR.

    python examples/3_paper/table7_imdb_wiki.py              # a stand-in, in minutes
    python examples/3_paper/table7_imdb_wiki.py --standin FOLDER
    python examples/3_paper/table7_imdb_wiki.py --data IMDB_WIKI
"""

from paper import compare_all, lower, options, print_table, repeat
from tasks import ages, similarities


def show(found):
    """Print the table and what the paper reads off it."""
    print_table(found)
    for suffix in ("", " + LDS", " + LDS + RankSim"):
        for variant in ("HCA-add", "HCA-mul", "HCA-d"):
            lower(found, variant + suffix, "CLS" + suffix)
    lower(found, "HCA-d", "CLS", column=3)
    lower(found, "HCA-d", "Balanced MSE", column=1)
    lower(found, "HCA-d", "Regression")
    lower(found, "HCA-d", "DC-regression")


def main(argv=None):
    """Run every method."""
    arguments = options(__doc__, argv, repeats=3)
    make_task = similarities if arguments.standin else ages
    show(repeat(compare_all, make_task, arguments))


if __name__ == "__main__":
    main()
