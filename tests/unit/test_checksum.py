"""Digests in all published forms: how they are read, written and compared."""

import base64
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core import checksum
from mlhub_async.core.model import Checksum

BODY = b"test"
ALGORITHMS = [
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sha3_256",
    "sha3_512",
    "blake2b-32",
    "blake2s-16",
]


def digest(algorithm, body=BODY):
    made = checksum.hasher(algorithm)
    made.update(body)
    return made.digest()


@pytest.mark.parametrize(
    ("text", "algorithm", "size"),
    [
        # the examples of the STAC file extension, for the text "test"
        ("1114a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "sha1", 20),
        ("12209f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "sha256", 32),
        ("90e4021044a8995dd50b6657a037a7839304535b", "blake2b-16", 16),
        ("d50110098f6bcd4621d373cade4e832627b4f6", "md5", 16),
        # its truncated example with the length byte put right
        ("12149f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "sha256", 20),
    ],
)
def test_the_multihashes_in_the_stac_file_extension_match_their_text(text, algorithm, size):
    published = checksum.parse(text)
    assert (published.algorithm, len(published.digest)) == (algorithm, size)
    assert checksum.matches(published, digest(algorithm))
    assert not checksum.matches(published, digest(algorithm, b"tset"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_written_multihash_is_read_back(algorithm):
    full = digest(algorithm)
    assert checksum.parse(checksum.multihash(algorithm, full)) == Checksum(algorithm, full)
    assert checksum.parse(checksum.multihash(algorithm, full).upper()) == Checksum(algorithm, full)


def test_the_multihash_of_sha256_begins_with_1220():
    assert checksum.multihash("sha256", bytes(32)) == "1220" + "00" * 32


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_the_length_of_a_bare_digest_tells_its_algorithm(algorithm):
    full = hashlib.new(algorithm, BODY).digest()
    for form in (full.hex(), full.hex().upper(), f" {full.hex()}\n", f'"{full.hex()}"'):
        assert checksum.parse(form) == Checksum(algorithm, full)


@pytest.mark.parametrize(
    ("label", "algorithm"),
    [("md5", "md5"), ("MD5", "md5"), ("sha256", "sha256"), ("sha-256", "sha256"), ("sha2-512", "sha512")],
)
def test_the_label_of_a_digest_tells_its_algorithm(label, algorithm):
    full = hashlib.new(algorithm, BODY).digest()
    assert checksum.parse(f"{label}:{full.hex()}") == Checksum(algorithm, full)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("sign", [":", "-", "=", ": "])
def test_a_digest_behind_its_algorithm_may_be_in_base64(algorithm, sign):
    full = hashlib.new(algorithm, BODY).digest()
    usual, safe = base64.b64encode(full).decode(), base64.urlsafe_b64encode(full).decode()
    for digits in (usual, safe, usual.rstrip("="), full.hex()):
        assert checksum.parse(f"{algorithm}{sign}{digits}") == Checksum(algorithm, full)


def base58(data):
    number, digits = int.from_bytes(data), ""
    while number:
        number, one = divmod(number, 58)
        digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[one] + digits
    return digits


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_multihash_with_the_prefix_of_its_base_is_read(algorithm):
    full = digest(algorithm)
    written = bytes.fromhex(checksum.multihash(algorithm, full))
    forms = (
        f"f{written.hex()}",
        f"F{written.hex().upper()}",
        f"0x{written.hex()}",
        "b" + base64.b32encode(written).decode().lower().rstrip("="),
        "m" + base64.b64encode(written).decode().rstrip("="),
        "U" + base64.urlsafe_b64encode(written).decode(),
        "z" + base58(written),
    )
    for form in forms:
        assert checksum.parse(form) == Checksum(algorithm, full), form


def test_a_missing_checksum_is_distinguished_from_an_unusable_one():
    assert checksum.parse(None) is None
    assert checksum.parse("") == Checksum("", b"")


@pytest.mark.parametrize(
    "text",
    [
        "12149f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b",  # the README's example: says 20 bytes, has 22
        "d41d8cd98f00b204e9800998ecf8427e-12",  # S3 multipart ETag
        '"d41d8cd98f00b204e9800998ecf8427e-12"',
        'W/"d41d8cd98f00b204e9800998ecf8427e"',
        "0004deadbeef",  # identity
        "00209f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "12049f86d081",  # four bytes prove nothing
        "1e20" + "00" * 32,  # blake3: unknown here
        "12219f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0800",  # longer than SHA-256
        "abc",
        "zz" * 16,
        "\u0660\u0661" * 16,
        "md5:" + "00" * 20,
        "crc32:deadbeef",
        "sha256-n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDw",  # two bytes are missing
        "sha:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "z1220",
        "f122",
        "m",
        "b!",
        "z" + "0" * 46,
        "Qm" + "1" * 44,
        "ff" * 30,
        42,
        ["1220"],
        {"md5": "x"},
    ],
)
def test_an_invalid_or_unknown_checksum_is_unusable(text):
    published = checksum.parse(text)
    assert published == Checksum("", b"") and not published.usable
    assert not checksum.matches(published, digest("sha256"))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_a_bare_digest_in_the_form_of_a_truncated_multihash_is_unusable(algorithm):
    size = {"sha1": 20, "sha256": 32, "sha512": 64}[algorithm]
    code = {20: 0x12, 32: 0x12, 64: 0x13}[size]
    assert not checksum.parse(bytes([code, size - 2, *range(size - 2)]).hex()).usable


def test_a_checksum_of_a_megabyte_is_unusable():
    assert checksum.parse("8" * 1_000_000) == Checksum("", b"")


@given(st.text() | st.binary().map(bytes.hex) | st.binary().map(lambda b: "12" + b.hex()))
def test_parse_accepts_any_text_and_gives_no_short_digest(text):
    published = checksum.parse(text)
    assert not published.usable or len(published.digest) >= 16


@given(st.sampled_from(ALGORITHMS), st.integers(16, 64), st.binary())
def test_a_truncated_multihash_matches_its_body_unless_it_is_ambiguous(algorithm, length, body):
    full = digest(algorithm, body)
    published = checksum.parse(checksum.multihash(algorithm, full[:length]))
    if published.usable:
        assert checksum.matches(published, full)
        assert not checksum.matches(published, bytes([full[0] ^ 1]) + full[1:])
    else:
        assert len(full) > length and length + 2 in (20, 32, 64)


def test_a_file_that_changed_has_another_digest():
    file = io.BytesIO(BODY)
    assert checksum.file_digest(file, "sha256") == hashlib.sha256(BODY).digest()
    file.write(b" and more")
    file.seek(0)
    assert checksum.file_digest(file, "sha256") == hashlib.sha256(BODY + b" and more").digest()


def test_a_hasher_of_an_unknown_name_raises_key_error():
    with pytest.raises(KeyError):
        checksum.hasher("crc32")


def base64_of(algorithm, body=BODY):
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        ({"content-md5": base64_of("md5")}, "md5"),
        ({"x-ms-blob-content-md5": base64_of("md5")}, "md5"),
        ({"x-goog-hash": f"crc32c=n03x6A==,md5={base64_of('md5')}"}, "md5"),
        ({"x-goog-hash": f"crc32c=n03x6A==, md5={base64_of('md5')}"}, "md5"),
        ({"repr-digest": f"sha-256=:{base64_of('sha256')}:"}, "sha256"),
        ({"repr-digest": f"sha-512=:{base64_of('sha512')}:, unixsum=30637"}, "sha512"),
        ({"content-digest": f"sha-256=:{base64_of('sha256')}:"}, "sha256"),
        ({"digest": f"unixsum=30637,SHA-256={base64_of('sha256')}"}, "sha256"),
        ({"digest": f"md5={base64_of('md5')}"}, "md5"),
        ({"repr-digest": f"sha-512=:{base64_of('sha512')}:,sha-256=:{base64_of('sha256')}:"}, "sha256"),
        ({"x-amz-checksum-sha256": base64_of("sha256"), "content-md5": base64_of("md5")}, "sha256"),
        ({"content-md5": "garbage", "x-goog-hash": f"md5={base64_of('md5')}"}, "md5"),
    ],
)
def test_digests_in_header_fields_are_read(headers, algorithm):
    published = checksum.from_headers(headers)
    assert published.algorithm == algorithm
    assert checksum.matches(published, hashlib.new(algorithm, BODY).digest())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": '"098f6bcd4621d373cade4e832627b4f6"'},
        {"content-md5": "not base64!"},
        {"content-md5": base64.b64encode(b"short").decode()},
        {"content-md5": "n4bQgYhMfWWaL+qgxVrQFaO/é"},
        {"x-amz-checksum-sha256": base64_of("sha256") + "-3"},
        {"x-amz-checksum-sha256": base64_of("sha256"), "x-amz-checksum-type": "COMPOSITE"},
        {"digest": "sha-256=not base64!, unixsum=30637"},
        {"x-goog-hash": f"md5={base64_of('md5')}", "x-goog-stored-content-encoding": "gzip"},
        {"x-goog-hash": "crc32c=n03x6A=="},
        {"repr-digest": "sha-256=:not base64:"},
    ],
)
def test_other_header_fields_give_no_checksum(headers):
    assert checksum.from_headers(headers) is None
