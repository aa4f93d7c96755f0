"""Angles and monitor units of an Elekta linac, from its iCOM stream."""
