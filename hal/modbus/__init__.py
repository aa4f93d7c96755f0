"""Beam gate on a Modbus TCP remote I/O with a watchdog of its own."""
