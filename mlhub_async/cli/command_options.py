"""The options of single commands, which are no fields of `Options`."""

from __future__ import annotations

import click

from . import options, parsing
from .help.sections import Section, option, repeatable
from .parsing import Value

FRACTION = Value("fraction", parsing.fraction)

DATASETS = Section(
    "Datasets",
    [
        repeatable("--tags --tag", "tags", "TAG", "Only datasets of an MLHub with this tag."),
        repeatable("--text", "text", "PHRASE", "Only datasets of an MLHub that mention this."),
    ],
)

VERIFICATION = Section(
    "Verification",
    [
        option(
            "-j",
            "--concurrency",
            "--jobs",
            "workers",
            type=options.POSITIVE_COUNT,
            metavar="N",
            help="Files at a time.",
        ),
        option(
            "--deep", is_flag=True, help="Also check the structure of TIFF, JPEG 2000, HDF5, ZIP, JSON ..."
        ),
    ],
)

BUCKET = Section(
    "Bucket",
    [
        option("--endpoint-url", "endpoint_url", metavar="URL", help="Object store of a DEST in a bucket."),
        option("--state", "state", metavar="DIR", help="Ledger of a mirror in a bucket."),
    ],
)

REPORT = Section(
    "Report",
    [
        option(
            "-o",
            "--output",
            "output",
            type=options.OUTPUT_FILE,
            metavar="FILE",
            help="Where to write it; - for stdout.  [default: report.html in DEST/.mlhub]",
        )
    ],
)

DIFFERENCE = Section(
    "Difference", [option("--exit-code", is_flag=True, help="Exit code 4 if something differs.")]
)

LOCK = Section(
    "Lockfile",
    [
        option(
            "-o",
            "--output",
            "output",
            type=options.OUTPUT_FILE,
            default="-",
            metavar="FILE",
            help="Where to write it.  [default: stdout]",
        ),
        option("--check", is_flag=True, help="Ask whether the files of lockfile DEST are still the same."),
        option("--from", "from_source", metavar="SOURCE", help="With --check: another place of the files."),
    ],
)

SAMPLE = Section(
    "Sample catalogue",
    [
        option("--items", type=options.POSITIVE_COUNT, metavar="N", help="Label items.  [default: 6]"),
        option(
            "--dates",
            type=options.POSITIVE_COUNT,
            metavar="N",
            help="Source images per label item.  [default: 3]",
        ),
        option("--latency", type=options.SECONDS, metavar="S", help="Delay of every response."),
        option("--errors", type=FRACTION, metavar="FRACTION", help="Share of requests that fail, 0 to 1."),
    ],
)

PORT = Section(
    "Sample catalogue",
    [option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port of the API.  [default: any]")],
)

SERVER = Section(
    "Server",
    [
        option(
            "--port",
            type=click.IntRange(0, 65535),
            metavar="N",
            help="Port.  [default: 8080, or any if that is taken]",
        ),
        option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            metavar="ADDRESS",
            help="Address to listen on. Others than loopback let other machines read the mirror.",
        ),
    ],
)

PROFILE = Section(
    "Profile",
    [
        option("--profile", default="default", show_default=True, metavar="NAME", help="Profile to write."),
        option(
            "--api-key",
            type=options.SECRET,
            metavar="KEY|@FILE",
            help="The key, instead of a prompt or stdin.",
        ),
        option("-y", "--yes", is_flag=True, help="Replace an existing key without asking."),
    ],
)

KILLS = Section(
    "Selftest",
    [
        option(
            "--kills",
            type=click.IntRange(1, 40),
            metavar="N",
            default=5,
            show_default=True,
            help="How often to kill -9 a run.",
        )
    ],
)
