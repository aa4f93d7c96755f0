"""GigE Vision cameras: control (GVCP) and pictures (GVSP) over UDP, without a vendor's library."""
