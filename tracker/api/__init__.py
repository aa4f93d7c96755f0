"""Define the messages between the daemon and other programs: schema, keys, roles."""
