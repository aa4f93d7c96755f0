"""Define the error of a report that cannot be made as asked."""


class ReportError(Exception):
    """A report cannot be made: one line that says what, and what to do."""
