"""Run by test_modbus.py in a process of its own: pymodbus writes to and reads from the twin."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pymodbus.client import ModbusTcpClient

device: Any = ModbusTcpClient("127.0.0.1", port=json.loads(sys.argv[1])["port"])
assert device.connect()
result: dict[str, object] = {}
device.write_coil(0, True, device_id=1)
device.write_coils(1, [False, True, False], device_id=1)
result["coils"] = device.read_coils(0, count=4, device_id=1).bits[:4]
device.write_register(0x1000, 2, device_id=1)
result["time"] = device.read_holding_registers(0x1000, count=1, device_id=1).registers[0]
device.write_registers(0x1001, [5, 6], device_id=1)
result["many"] = device.read_holding_registers(0x1001, count=2, device_id=1).registers
result["unknown"] = device.read_holding_registers(0x2000, count=1, device_id=1).exception_code
device.write_register(0x1003, 1, device_id=1)
time.sleep(0.35)
result["expired"] = device.write_coil(0, True, device_id=1).exception_code
device.write_register(0x1007, 1, device_id=1)
result["after_restart"] = device.read_coils(0, count=1, device_id=1).bits[0]
device.close()
print("RESULT", json.dumps(result))
