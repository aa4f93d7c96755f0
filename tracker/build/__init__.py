"""Build engine and simulated room from a configuration, and run them once to compile everything."""
