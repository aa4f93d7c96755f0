"""The console page: a web server beside the daemon, and a client of it like any other.

`tokens` keeps who may log in and `logins` who is logged in. `access` refuses requests that our
pages do not send. `hub` sends the newest state to every open page and never waits for one.
`review` reads past journals in a process of its own. `server` puts these together. The pages are
in ``static``.
"""
