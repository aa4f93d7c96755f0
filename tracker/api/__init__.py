"""What the daemon says to other programs and hears from them: schema, keys, roles."""
