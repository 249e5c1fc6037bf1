"""What a bug report needs to say about the machine."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "sk-hca",
    "scikit-learn",
    "skorch",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "joblib",
    "matplotlib",
    "pillow",
)


def show_versions():
    """Print the versions of this package and of what it stands on.

    Examples
    --------
    >>> from sk_hca import show_versions
    >>> show_versions()
    python: ...
    """
    lines = [f"python: {sys.version.split()[0]} ({platform.platform()})"]
    for package in PACKAGES:
        try:
            lines.append(f"{package}: {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package}: not installed")
    sys.stdout.write("\n".join(lines) + "\n")
