"""Import recordings that other programs exported: look at a file, propose, ask, write.

A file passes the stages in this order: ``readers`` make tables of named columns, whatever the
format; ``times`` finds the sample times; ``channels`` finds what each column measures;
``proposal`` puts both together with the questions that only a person can answer; ``writing`` makes
the project's CSV and a sidecar that says from what and how it was made. ``command`` talks to the
person.
"""
