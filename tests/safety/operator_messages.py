"""Write docs/reference/operator-messages.md: every sentence an operator can see.

    python -m tests.safety.operator_messages

Faults come from the fault table. Notices are the other sentences of the controller; `NOTICES`
lists them, and a test holds what runs say against it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from tracker.core.safety.fault_table import FAULTS, Fault, Reaction
from tracker.live.service.next_step import STEPS

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "operator-messages.md"


class NoticeRow(NamedTuple):
    """A sentence with its parts in braces, when it comes, and what to do."""

    template: str
    when: str
    do: str


NOTICES: Final = (
    NoticeRow(
        "request {name} is unknown; nothing done",
        "a program asks for something that does not exist",
        "correct the program",
    ),
    NoticeRow(
        "{name} is not for a person to request",
        "a program asks for a transition that only the controller makes",
        "correct the program",
    ),
    NoticeRow(
        "{name} is not possible while {state}; possible: {requests}",
        "the request does not fit the state of the session",
        "choose one of the requests named",
    ),
    NoticeRow(
        "{name} refused. {sentences}",
        "a fault stands against START or RESUME",
        "do what the sentences of the faults say",
    ),
    NoticeRow(
        "{device} sent a {message}, and no surrogate source is configured for that; its samples "
        "are not used. Sources: {devices}. Add [sources.{device}] or correct the device's name",
        "a sensor sends samples under a name that the configuration does not know",
        "correct the name in the configuration or at the sensor",
    ),
    NoticeRow("{device} is connected. {detail}", "the link to a device came up", "nothing"),
    NoticeRow(
        "{device} lost its connection. {detail}",
        "the link to a device went down",
        "check the device, its power and its cable",
    ),
    NoticeRow(
        "shot {number} says it was exposed {time} ms after it was asked for, and came after "
        "{time} ms",
        "the exposure time of an image cannot be right",
        "check the clock of the imager, if it comes again",
    ),
    NoticeRow(
        "shot {number}: not used, the surrogate was in doubt at its exposure",
        "an image was exposed during a cough or a loss of the breathing signal",
        "nothing; another one is taken",
    ),
    NoticeRow(
        "shot {number}: {what} at exposure unknown",
        "couch position or breathing state are not known for the time of an image",
        "check the clock of the imager, if it comes again",
    ),
    NoticeRow(
        "shot {number}: {reason}",
        "the fiducials in an image cannot be used: too few were found, or they do not fit the plan",
        "look at the image, if it comes again",
    ),
    NoticeRow(
        "shot {number} fits the model; the one that did not is dropped",
        "a second image from the same part of the breath agrees with the model",
        "nothing; the hold ends",
    ),
    NoticeRow(
        "breathing not learned yet: {reason}",
        "the quiet breathing cannot be learned, although the time for it is over",
        "do what the reason says: clear the camera's view, tighten the belt, check its cable",
    ),
    NoticeRow(
        "no model: {reason}",
        "the shots taken so far do not make a model",
        "wait for more shots; see that the patient breathes freely",
    ),
    NoticeRow(
        "{device}: {what} {value}",
        "a device sent a message that cannot be read",
        "see the fault that goes with it",
    ),
)
"""The notices of the controller. A more special row stands before a more general one."""

_ABOUT = """\
This page lists every sentence that the controller shows to an operator. It is written by
`python -m tests.safety.operator_messages`; do not edit it.

A **fault** has a name, a reaction, a sentence, and a detail that names the device and shows the
value beside its limit. The most severe reaction of all active faults counts:

| reaction | what happens |
|---|---|
| WARN | the beam goes on; somebody should look |
| REFUSE_START | the session cannot be started |
| HOLD | the beam is held; tracking returns when the fault has ended |
| STOP | the beam is off and the machine stops; the session must be reset |
"""

_ENDS = {
    "BY_ITSELF": "by itself, {clear_s:g} s after its cause is gone",
    "BY_CYCLES": "after regular breaths, or when an operator resumes",
    "BY_SHOT": "when a shot agrees with the model",
    "BY_OPERATOR": "when an operator resumes or resets",
}


def notice_row(text: str) -> NoticeRow | None:
    """Give the row a notice belongs to; ``None``: there is none."""
    for row in NOTICES:
        parts = re.split(r"\{\w+\}", row.template)
        pattern = ".*".join(re.escape(part) for part in parts)
        if re.fullmatch(pattern.replace(r"\ .*", r"(?:\ .*)?"), text, re.DOTALL):
            return row
    return None


def _fault_row(name: str, row: Fault) -> str:
    happened, _, do = row.sentence.rstrip(".").partition(": ")
    ends = _ENDS[row.ends.name].format(clear_s=row.clear_s)
    if row.reaction is Reaction.STOP:
        ends = "when an operator resets the session"
    if row.recheck:
        ends += ", and a shot has agreed with the model since"
    return f"| {name} | {happened}. | {row.causes} | {do[0].upper()}{do[1:]}. | {ends} |"


def page() -> str:
    """Write the page."""
    lines = ["# Operator messages", "", _ABOUT]
    for reaction in sorted(Reaction, reverse=True):
        lines += [
            f"## Faults that {_VERBS[reaction]} ({reaction.name})",
            "",
            "| fault | what happened | causes | what to do | what ends it |",
            "|---|---|---|---|---|",
            *(_fault_row(name, row) for name, row in FAULTS.items() if row.reaction is reaction),
            "",
        ]
    lines += [
        "## Notices and refusals",
        "",
        "Parts in braces are filled in.",
        "",
        "| sentence | when it comes | what to do |",
        "|---|---|---|",
        *(f"| `{row.template}` | {row.when} | {row.do} |" for row in NOTICES),
        "",
        "## The next step",
        "",
        "The console shows one sentence that says what to do next. `{sentence}` is the sentence of"
        " the most severe fault.",
        "",
        "| state | nothing stands against going on | something does |",
        "|---|---|---|",
        *(f"| {state} | {free} | `{other}` |" for state, (free, other) in STEPS.items()),
    ]
    return "\n".join(lines) + "\n"


_VERBS = {
    Reaction.STOP: "stop the session",
    Reaction.HOLD: "hold the beam",
    Reaction.REFUSE_START: "refuse the start",
    Reaction.WARN: "warn",
}


def main() -> None:
    """Write the page to its place."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
