"""Transports: send one request and receive one response (see `ports.Transport`).

`fast` and `aiohttp` pass the same contract tests and raise errors of the same kinds. Differences:

* `aiohttp` accepts heads with bare LF or control characters, and any number of interim responses. `fast`
refuses them. * `fast` accepts white space around chunk extensions. `aiohttp` refuses it. * After the last
chunk, further bytes close the connection of `aiohttp`; `fast` refuses the response. * `aiohttp` repeats a GET
on a reused connection that was closed also after a part of the response was received.

`fallback` asks an origin through one of them whose responses the other cannot read.
"""
