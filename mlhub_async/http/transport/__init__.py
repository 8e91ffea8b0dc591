"""Transports: send one request and receive one response (see `ports.Transport`).

`fast` and `aiohttp` pass the same contract tests and raise errors of the same kinds. Differences:

* `aiohttp` accepts heads with bare LF, folded lines or control characters, any number of interim responses,
and a space after a chunk size. `fast` refuses them. * After the last chunk, further bytes close the
connection of `aiohttp`; `fast` refuses the response. * `aiohttp` repeats a GET on a reused connection that
was closed also after a part of the response was received.
"""
