"""Say which features of the program can be used on this machine, and how to get the others.

Nothing here imports a library that may be missing: the command must run when others cannot.
"""
