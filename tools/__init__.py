"""Programs for people who change tidetrack: its documentation site and its releases.

They are run from a checkout (``make docs``, ``make release``) and are not part of the wheel.
"""
