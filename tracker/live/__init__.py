"""The live controller: devices over real wires, the beat, the journal, and the operator."""
