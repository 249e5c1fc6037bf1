"""How long `import sk_hca` takes, against the libraries that it stands on.

Every import runs in a fresh interpreter, in turns; the first of each, which may have to
read files from disk, is not counted.

    python benchmarks/speed/imports.py --check
"""

import subprocess
import sys

from timing import Ratio, read_options, report

# What the package uses of its libraries; numpy and scipy come with them.
LIBRARIES = (
    "torch",
    "sklearn.base",
    "sklearn.model_selection",
    "sklearn.preprocessing",
    "skorch",
)


def import_apart(*names):
    """Import modules in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], check=True)


def main():
    """Print the table."""
    options = read_options(__doc__)
    row = Ratio(
        "import sk_hca / import torch, sklearn, skorch",
        lambda: import_apart("sk_hca"),
        lambda: import_apart(*LIBRARIES),
        limit=1.15,
        pairs=2 if options.quick else 9,
    )
    sys.exit(report([row]) and options.check)


if __name__ == "__main__":
    main()
