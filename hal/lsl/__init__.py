"""Lab Streaming Layer: any breathing belt that somebody has brought to LSL."""
