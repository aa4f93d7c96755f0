"""What can be wrong: the fault table, the book of active faults, and the checks."""
