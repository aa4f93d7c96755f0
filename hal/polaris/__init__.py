"""NDI Polaris, Vicra and Vega optical trackers, on serial lines and TCP."""
