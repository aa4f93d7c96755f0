"""A figure that shows itself in a notebook."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A matplotlib figure that a notebook shows as a picture, whatever its plots are set up for.

    It belongs to the caller alone: pyplot does not know it, so nothing shows it twice.
    """

    def _repr_png_(self) -> bytes:
        """Return the picture that Jupyter shows for a figure at the end of a cell."""
        picture = BytesIO()
        self.savefig(picture, format="png")  # pyright: ignore[reportUnknownMemberType]
        return picture.getvalue()
