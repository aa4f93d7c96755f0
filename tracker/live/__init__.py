"""The live controller: devices on real wires, ticks, journal, and requests of the operator."""
