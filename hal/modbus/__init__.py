"""Modbus TCP: a beam gate with a watchdog of its own, and the angles of a linac in registers."""
