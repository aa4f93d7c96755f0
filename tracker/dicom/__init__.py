"""DICOM out and in: what a session was, as objects of the hospital's systems; and its plans.

`objects` has one file and one row for each kind of object; `sending` and `web_sending` bring them
to an archive; `plan_import` reads what a planning system wrote. All need the extra ``dicom``.
"""
