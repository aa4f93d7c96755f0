"""Build engine and simulated room from a configuration, and run them once before time counts."""
