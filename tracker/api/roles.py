"""Define which role may make which request in which state, in one table.

A cell without a letter refuses. The letters only say who *may* ask; whether the session obeys
is the engine's own table (`tracker.core.session`), and a cell where that one refuses is empty.
"""

from __future__ import annotations

from typing import Final

from tracker.api.schema import Role
from tracker.core.session import SessionState

LETTERS: Final = {
    "V": Role.OBSERVER,
    "O": Role.OPERATOR,
    "P": Role.PHYSICIST,
    "S": Role.SERVICE,
}

STATUS: Final = "status"
END: Final = "end"

TABLE: Final[dict[str, tuple[str, ...]]] = {
    #          IDLE    MODELLING READY   TRACKING HOLDING STOPPED
    "status": ("VOPS", "VOPS",   "VOPS", "VOPS",  "VOPS", "VOPS"),
    "model":  ("OP",   "",       "OP",   "",      "",     ""),
    "expose": ("",     "OP",     "OP",   "OP",    "OP",   ""),
    "start":  ("",     "",       "OP",   "",      "",     ""),
    "hold":   ("",     "",       "",     "OP",    "OP",   ""),
    "resume": ("",     "",       "",     "",      "OP",   ""),
    "stop":   ("OP",   "OP",     "OP",   "OP",    "OP",   "OP"),
    "reset":  ("P",    "P",      "P",    "",      "",     "P"),
    "end":    ("S",    "",       "",     "",      "",     "S"),
}  # fmt: skip
"""Request -> letters of the roles that may make it, one column for each `SessionState`."""

_COLUMN: Final = {state: index for index, state in enumerate(SessionState)}


def may(role: Role, state: SessionState, request: str) -> bool:
    """Return whether the role may make the request in this state; False for an unknown one."""
    row = TABLE.get(request)
    return row is not None and any(LETTERS[letter] is role for letter in row[_COLUMN[state]])


def may_ever(role: Role, request: str) -> bool:
    """Return whether the role may make the request in any state."""
    return any(may(role, state, request) for state in SessionState)


def may_act_as(roles: tuple[Role, ...], role: Role) -> bool:
    """Return whether a key with these roles may act as ``role``.

    A service key acts for the persons that are logged in there, in whatever role they have.
    """
    return role in roles or Role.SERVICE in roles
