"""Tables of numbers by name: to index, as a data frame, as text."""

from sklearn.utils._optional_dependencies import check_pandas_support


class CellTable:
    """Numbers in named rows and columns.

    Attributes
    ----------
    rows, columns : tuple of str
        Names, which a subclass gives.

    cells : dict of str to dict
        Numbers by row, then by column.
    """

    rows: tuple = ()
    columns: tuple = ()
    cells: dict

    def __getitem__(self, key):
        """Give one entry, ``report["few", "n_bins"]``, or a row, ``report["few"]``."""
        row, column = key if isinstance(key, tuple) else (key, None)
        if row not in self.rows or column not in (None, *self.columns):
            raise KeyError(
                f"A report is asked for a row of {self.rows} and a column of "
                f"{self.columns}; got {key!r}."
            )
        return dict(self.cells[row]) if column is None else self.cells[row][column]

    def to_frame(self):
        """Give the table as a pandas DataFrame, one row for each of its rows."""
        pd = check_pandas_support(f"{type(self).__name__}.to_frame")
        return pd.DataFrame.from_dict(
            self.cells, orient="index", columns=list(self.columns)
        )


def align(table):
    """Align a table: names on the left, everything else on the right.

    Parameters
    ----------
    table : sequence of sequences of str
        Rows of equal length; the first cell of a row is its name.

    Returns
    -------
    text : str
        Lines of equal length, without a line break at the end.

    Examples
    --------
    >>> print(align([["", "mae"], ["few", "12.5"], ["many", "3"]]))
           mae
    few   12.5
    many     3
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        )
        for row in table
    )
