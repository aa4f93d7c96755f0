"""Run by test_modbus_linac.py in a process of its own: pymodbus reads the twin, or is the device.

As the device it serves the given registers, until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

settings: dict[str, Any] = json.loads(sys.argv[1])


def read() -> dict[str, object]:
    """What pymodbus makes of the twin's registers, by its own conversions."""
    from pymodbus.client import ModbusTcpClient

    device: Any = ModbusTcpClient("127.0.0.1", port=settings["port"])
    assert device.connect()
    kinds, order = device.DATATYPE, settings["order"]

    def value(at: int, kind: Any) -> object:
        words = device.read_input_registers(at, count=kind.value[1], device_id=1).registers
        return device.convert_from_registers(words, kind, word_order=order)

    found: dict[str, object] = {
        "gantry": value(0, kinds.UINT16),
        "collimator": value(1, kinds.INT16),
        "table": value(2, kinds.INT32),
        "units": value(4, kinds.UINT32),
        "unknown": device.read_input_registers(50, count=1, device_id=1).exception_code,
        "holding": device.read_holding_registers(0, count=1, device_id=1).exception_code,
    }
    device.close()
    return found


async def serve() -> None:
    """Be the device: input registers from 0 on."""
    warnings.simplefilter("ignore")
    from pymodbus.datastore import (
        ModbusDeviceContext,
        ModbusSequentialDataBlock,
        ModbusServerContext,
    )
    from pymodbus.server import ModbusTcpServer

    block = ModbusSequentialDataBlock(1, settings["registers"])
    context = ModbusServerContext(devices=ModbusDeviceContext(ir=block), single=True)
    server = ModbusTcpServer(context, address=("127.0.0.1", settings["port"]))
    await server.serve_forever(background=True)
    print("serving", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


if "registers" in settings:
    asyncio.run(serve())
else:
    print("RESULT", json.dumps(read()))
