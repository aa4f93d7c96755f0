"""The lines a run writes for people: state and faults as they change, and a status each second."""

from __future__ import annotations

from collections.abc import Callable

from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Notice, Output, SessionChanged, SurrogateState


class RunLines:
    """Turns outputs of the engine into lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._amplitude_mm = 0.0

    def observe(self, output: Output) -> None:
        """Write the line of an output, if it has one."""
        match output:
            case SurrogateState():
                self._amplitude_mm = output.amplitude_mm
            case SessionChanged():
                self.say(f"session: {output.before} to {output.after} ({output.trigger})")
            case FaultChanged():
                words = output.reaction if output.active else "over"
                self.say(f"fault: {output.fault}: {words} {output.detail}".rstrip())
            case Notice():
                self.say(f"{output.level}: {output.text}")
            case _:
                pass

    def status(self, now_ns: int, state: SessionState, beam_on: bool, late_ns: int) -> None:
        """Write one line about the whole run; ``late_ns``: how late this tick was."""
        beam = "beam on" if beam_on else "beam off"
        self.say(
            f"{now_ns / 1e9:8.1f} s  {state.value:<9}  {beam:<8}  "
            f"amplitude {self._amplitude_mm:6.2f} mm  tick {late_ns / 1e6:.1f} ms late"
        )
