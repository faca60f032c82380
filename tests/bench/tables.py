"""Tables on a terminal."""


def rows(heads, lines):
    """Prints them below each other, the first column to the left and all others to the right."""
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(len(heads))]
    for line in [heads, *lines]:
        first, *others = line
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("    " + "  ".join(cells).rstrip())
