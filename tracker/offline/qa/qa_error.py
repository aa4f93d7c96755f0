"""Define the error of a QA test that cannot be run as asked."""


class QaError(Exception):
    """A QA test cannot be run: one line that says what, and what to do."""
