"""`tidetrack monitor`: run the monitor by itself, or reset the gate's latch."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from pathlib import Path

from hal.errors import LinkError
from hal.modbus.trip import READ_INPUTS, ModbusReplies, read_bit, write_bit
from tracker.config import ConfigurationError, load_configuration
from tracker.live.dead_man.heartbeat import (
    default_page,
    monitor_command,
    monitor_setup,
    monitored_gate,
)
from tracker.live.dead_man.monitor import MonitorSetup
from tracker.live.own_process import process_environment

ANSWER_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="the configuration the daemon runs"
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="run no monitor: reset the gate's latch, once it is known why it was set",
    )


def run(args: argparse.Namespace) -> int:
    """Become the monitor, or reset the latch; return 1 if the latch stays set."""
    configuration = load_configuration(args.config)
    settings = configuration.operation.monitor
    setup = monitor_setup(configuration, settings.page or default_page())
    if args.reset:
        return _reset(args.config, setup, monitored_gate(configuration).reset_coil)
    if settings.start != "apart":
        raise ConfigurationError(
            [
                f"{args.config}: monitor.start: is {settings.start!r}, and a monitor that stands by"
                ' itself would not be heard; set "apart"'
            ]
        )
    sys.stdout.flush()
    command = monitor_command(setup)
    os.execve(command[0], command, process_environment())
    raise AssertionError("execve does not return")


def _reset(config: Path, setup: MonitorSetup, reset_coil: int | None) -> int:
    if reset_coil is None or setup.trip_coil < 0:
        raise ConfigurationError(
            [f"{config}: wires.gate.session.reset_coil: none; reset the latch with its key"]
        )
    try:
        with socket.create_connection((setup.host, setup.port), ANSWER_S) as wire:
            tripped = _pulse(wire, setup, reset_coil)
    except (OSError, ValueError) as error:
        raise LinkError(f"gate tcp://{setup.host}:{setup.port}: {error}") from None
    print("the gate's latch is still set" if tripped else "the gate's latch is reset")
    return 1 if tripped else 0


def _pulse(wire: socket.socket, setup: MonitorSetup, reset_coil: int) -> bool:
    """Switch trip off, then reset on and off; tell whether the latch is still set."""
    _ask(wire, write_bit(1, setup.unit, setup.trip_coil, False))
    _ask(wire, write_bit(2, setup.unit, reset_coil, True))
    time.sleep(0.1)  # a relay's time
    _ask(wire, write_bit(3, setup.unit, reset_coil, False))
    return bool(_ask(wire, read_bit(4, setup.unit, READ_INPUTS, setup.tripped_input)))


def _ask(wire: socket.socket, telegram: bytes) -> bool | None:
    wire.sendall(telegram)
    replies = ModbusReplies()
    while True:
        data = wire.recv(4096)
        if not data:
            raise OSError("closed by the gate")
        for reply in replies.feed(data):
            if reply.exception:
                raise ValueError(f"refused, exception {reply.exception}")
            return reply.bit
