"""Lab Streaming Layer: any breathing belt that is available as an LSL stream."""
