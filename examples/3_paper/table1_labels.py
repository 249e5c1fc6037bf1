"""Table 1: one-hot or Gaussian-smoothed (soft) labels.

The paper finds that HCA-d improves plain classification (CLS) with both kinds of
labels, and is best with soft ones: on IMDB-WIKI-DIR bMAE falls from 13.48 to 12.93
(one-hot) and from 13.58 to 12.70 (soft), on ShanghaiTech A MAE from 58.8 to 55.0 and
from 58.2 to 53.7.

    python examples/3_paper/table1_labels.py                 # a stand-in, in minutes
    python examples/3_paper/table1_labels.py --standin FOLDER
    python examples/3_paper/table1_labels.py --data IMDB_WIKI --crowds SHTECH
"""

from paper import hca_d, hierarchy, lower, options, print_table, read, repeat
from tasks import ablations


def experiment(task, seed):
    """Train with both kinds of labels; read CLS and HCA-d."""
    rows = {}
    for name, labels in {"one-hot": "one_hot", "soft": "gaussian"}.items():
        model = hierarchy(task, seed, labels=labels)
        rows[f"CLS, {name}"] = read(task, model, "none")
        rows[f"HCA-d, {name}"] = read(task, model, hca_d(task))
    return rows


def main(argv=None):
    """Run the experiment on ages and on crowds."""
    arguments = options(__doc__, argv, repeats=3)
    for make_task in ablations(arguments):
        found = repeat(experiment, make_task, arguments)
        print_table(found)
        lower(found, "HCA-d, one-hot", "CLS, one-hot")
        lower(found, "HCA-d, soft", "CLS, soft")
        lower(found, "HCA-d, soft", "HCA-d, one-hot")


if __name__ == "__main__":
    main()
