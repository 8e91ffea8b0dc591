"""Transports: one hop on the wire each, behind `ports.Transport`.

`fast` and `aiohttp` are held to one contract, kinds of errors included. What differs: `aiohttp` reads heads
whose lines end in LF alone, are folded or hold control characters, any number of 1xx, and a space after the
size of a chunk, where `fast` refuses the answer; bytes after the last chunk end its connection but not the
answer; and it asks once more over a kept connection that died, also where a byte of the answer had come.
"""
