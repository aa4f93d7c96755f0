"""Turn the journal of a session into tables of signals, and write them as files others read.

`tracker.exporting.session_tables` reads a journal, `tracker.exporting.formats` has one file and
one row for each format. The command is `tidetrack export`.
"""
