"""A table of mixed types as numbers and codes, and back.

Numeric columns are computed with as float64.  The values of a categorical column are
never computed: a new one is that of an existing row, so that whatever it is (a string,
a category, a flag, a date, a missing value) it stays what it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist


@dataclass(frozen=True)
class Rows:
    """Rows of a table, ready for distances.

    Parameters
    ----------
    numbers : ndarray of shape (n, n_numeric)
        Numeric columns, each divided by its range over the whole table.

    codes : ndarray of shape (n, n_categorical)
        Categorical columns; equal values have equal codes.
    """

    numbers: np.ndarray
    codes: np.ndarray

    def __getitem__(self, rows):
        return Rows(self.numbers[rows], self.codes[rows])

    def __len__(self):
        return len(self.numbers)


@dataclass(frozen=True)
class Table:
    """What a sampler computes with: the numbers and codes of a table.

    Parameters
    ----------
    columns : list of arrays or Series
        The columns as they came.

    is_categorical : ndarray of shape (n_columns,)
        Which of them are categorical.

    numbers : ndarray of shape (n, n_numeric)
        Numeric columns in their own units.

    codes : ndarray of shape (n, n_categorical)
        Categorical columns; equal values have equal codes.
    """

    columns: list
    is_categorical: np.ndarray
    numbers: np.ndarray
    codes: np.ndarray

    @property
    def ranges(self):
        """Range of each numeric column; 1 where it is constant."""
        ranges = np.ptp(self.numbers, axis=0)
        return np.where(ranges > 0, ranges, 1.0)

    def scaled(self, numbers, codes):
        """Make rows of numbers in their own units."""
        return Rows(numbers / self.ranges, codes)


def distances(rows, others):
    r"""Measure every row against every other, in numbers and categories alike (HEOM).

    Parameters
    ----------
    rows, others : Rows
        Of m and n rows.

    Returns
    -------
    distances : ndarray of shape (m, n)
        :math:`\sqrt{\sum_a d_a^2}`, where :math:`d_a` is the difference of two numbers
        as a share of the range of their column, and 1 for two unlike categories.

    References
    ----------
    D. R. Wilson, T. R. Martinez: Improved heterogeneous distance functions. Journal of
    Artificial Intelligence Research 6, 1997.

    Examples
    --------
    >>> rows = Rows(np.array([[0.0], [0.5]]), np.array([[0], [1]]))
    >>> distances(rows, rows).round(3)
    array([[0.   , 1.118],
           [1.118, 0.   ]])
    """
    squared = np.zeros((len(rows), len(others)))
    if rows.numbers.shape[1]:
        squared += cdist(rows.numbers, others.numbers, "sqeuclidean")
    n_categorical = rows.codes.shape[1]
    if n_categorical:
        squared += n_categorical * cdist(rows.codes, others.codes, "hamming")
    return np.sqrt(squared)


def paired_distances(rows, others):
    """Measure each row against the other of the same place, as in `distances`."""
    squared = ((rows.numbers - others.numbers) ** 2).sum(axis=1)
    return np.sqrt(squared + (rows.codes != others.codes).sum(axis=1))


def read_table(X, categorical_features="auto"):
    """Read a table of mixed types.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n, n_columns)
        The table.

    categorical_features : "auto" or array-like, default="auto"
        Positions or names of the categorical columns; "auto" takes all those that do
        not hold numbers (strings, categories, flags, dates).

    Returns
    -------
    table : Table
    """
    if getattr(X, "ndim", 0) != 2 or not hasattr(X, "__array__"):
        raise ValueError(
            "Samples are invented in tables: X must be a 2-d array or a data frame; "
            f"got {type(X).__name__} of shape {np.shape(X)}."
        )
    places = range(X.shape[1])
    if hasattr(X, "iloc"):
        columns, names = [X.iloc[:, place] for place in places], list(X.columns)
    else:
        X = np.asarray(X)
        columns, names = [X[:, place] for place in places], None
    if isinstance(categorical_features, str):
        is_categorical = np.array([not _is_numeric(column) for column in columns])
    else:
        is_categorical = _chosen(categorical_features, len(columns), names)
    numbers = [_numbers(columns[k], k, names) for k in np.flatnonzero(~is_categorical)]
    codes = [_codes(columns[k]) for k in np.flatnonzero(is_categorical)]
    return Table(
        columns=columns,
        is_categorical=is_categorical,
        numbers=_side_by_side(numbers, len(X)),
        codes=_side_by_side(codes, len(X)),
    )


def write_table(X, table, rows, numbers, sources):
    """Take rows of a table and append invented ones.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n, n_columns)
        What `table` was read from.

    table : Table
        The same, read.

    rows : ndarray of shape (n_kept,)
        Rows to take as they are.

    numbers : ndarray of shape (n_new, n_numeric)
        Numeric values of the invented rows, in their own units.

    sources : ndarray of shape (n_new, n_categorical)
        Rows that the categorical values of the invented rows are taken from.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_kept + n_new, n_columns)
        Of the types that came; numbers in integer columns are rounded.
    """
    new_numbers, new_sources = iter(numbers.T), iter(sources.T)
    columns = [
        take(column, np.concatenate([rows, next(new_sources)]))
        if is_categorical
        else append(column, rows, next(new_numbers))
        for column, is_categorical in zip(
            table.columns, table.is_categorical, strict=True
        )
    ]
    n_out = len(rows) + len(numbers)
    if not hasattr(X, "iloc"):
        out = np.empty((n_out, len(columns)), dtype=np.asarray(X).dtype)
        for place, column in enumerate(columns):
            out[:, place] = column
        return out
    # Any rows will do: each column is then replaced, and its type with it.
    out = X.iloc[np.zeros(n_out, dtype=int)].reset_index(drop=True)
    for place, column in enumerate(columns):
        out.isetitem(place, column)
    return out


def take(column, rows):
    """Take rows of an array or a Series, as an array of the same type."""
    return column.iloc[rows].array if hasattr(column, "iloc") else column[rows]


def append(column, rows, numbers):
    """Take rows of a numeric column and append numbers in its type."""
    held = _type_of_values(column)
    if held.kind in "iu":
        numbers = np.rint(numbers).astype(held)
    if column.dtype == object:
        held = column.dtype  # Its values stay the objects that they are.
    out = np.concatenate([np.asarray(take(column, rows), held), numbers.astype(held)])
    if hasattr(column, "iloc"):
        return type(column)(out, dtype=column.dtype).array
    return out.astype(column.dtype, copy=False)


def target_column(y):
    """Return targets, whatever they came in, as one column of numbers."""
    if hasattr(y, "iloc"):
        column = y if y.ndim == 1 else y.iloc[:, 0]
    else:
        column = np.asarray(y).reshape(-1)
    if not _is_numeric(column):
        raise ValueError(
            "Targets are invented between others: y must hold numbers; got values of "
            f"type {column.dtype}. Turn them into numbers first, by y.astype(float) "
            "for example."
        )
    return column


def in_kind_of(y, values):
    """Put a column of targets into what others came in."""
    if not hasattr(y, "iloc"):
        return values.reshape(-1, *np.shape(y)[1:])
    names = {"name": y.name} if y.ndim == 1 else {"columns": y.columns}
    return type(y)(values, **names)


def _type_of_values(column):
    """NumPy type of the values of a column, whatever they are wrapped in."""
    if column.dtype == object:
        # A list shows which type its values have in common.
        return np.asarray(column.tolist()).dtype
    # The types of pandas (nullable, sparse) tell the type of one value.
    return np.dtype(column.dtype.type)


def _is_numeric(column):
    return _type_of_values(column).kind in "iuf"


def _chosen(features, n_columns, names):
    """Which columns a user calls categorical: by position, by name or by a mask."""
    features = list(features)
    if len(features) == n_columns and all(
        isinstance(each, bool | np.bool_) for each in features
    ):
        return np.array(features, dtype=bool)
    known = [] if names is None else names
    is_categorical = np.zeros(n_columns, dtype=bool)
    for feature in features:
        if isinstance(feature, str) and feature in known:
            is_categorical |= np.array([name == feature for name in known])
        elif _is_place(feature) and -n_columns <= feature < n_columns:
            is_categorical[feature] = True
        else:
            raise ValueError(
                f"categorical_features must be 'auto', or positions below {n_columns} "
                f"or names of columns{f' ({known})' if known else ''}; got {feature!r}."
            )
    return is_categorical


def _is_place(feature):
    return isinstance(feature, int | np.integer) and not isinstance(feature, bool)


def _numbers(column, place, names):
    label = place if names is None else repr(names[place])
    if not _is_numeric(column):
        raise ValueError(
            f"Column {label} of X does not hold numbers. Name it in "
            "categorical_features, or leave that at 'auto'."
        )
    if hasattr(column, "iloc"):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = column.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"Column {label} of X contains NaN or infinity, between which no sample "
            "can be invented. Fill missing values first, by a SimpleImputer for "
            "example."
        )
    return numbers


def _codes(column):
    values = np.asarray(column, dtype=object).astype(str)
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _side_by_side(columns, n_rows):
    return np.column_stack(columns) if columns else np.empty((n_rows, 0))
