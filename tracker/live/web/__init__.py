"""The console page: a web server beside the daemon, a client of it like any other.

`tokens` says who may log in, `logins` who is, `gatekeeping` refuses what no page of ours sends,
`hub` gives every open page the newest state and never waits for one, `review` reads past
journals in a process of its own, `server` puts them together. The pages are in ``static``.
"""
