"""Tables as text, for whatever is printed."""


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
