"""Mirror a catalogue's assets into a folder, and say what became of them.

    python examples/mirror_dataset.py                        the built-in sample: no key, no network
    python examples/mirror_dataset.py SOURCE DEST -c NAME    any STAC API, catalogue file or list of items

Run it again and only what is missing or has changed is fetched. It ends with 0 only if the copy is
complete and correct; `DEST/.mlhub/receipt.json` then proves it.
"""

import argparse
import asyncio
import sys

import mlhub_async
from mlhub_async import Options, Report, Selection
from mlhub_async.demo import DemoConfig, serve


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", help="URL or path of a catalogue, or 'mlhub'")
    parser.add_argument("dest", nargs="?", default="landcovernet")
    parser.add_argument("-c", "--collection", action="append", default=[])
    parser.add_argument("-i", "--include", action="append", default=[], help="asset keys, such as 'B0[234]'")
    parser.add_argument("--class", dest="classes", action="append", default=[], help="labels that show it")
    parser.add_argument("--max-items", type=int)
    parser.add_argument("--api-key")
    return parser.parse_args()


def options_of(given: argparse.Namespace, collections: list[str], api_key: str | None) -> Options:
    selection = Selection(
        collections=tuple(collections),
        include=tuple(given.include),
        classes=tuple(given.classes),
        max_items=given.max_items,
    )
    return Options(selection=selection, api_key=api_key)


async def copied(given: argparse.Namespace) -> Report:
    if given.source:
        options = options_of(given, given.collection, given.api_key)
        return await mlhub_async.mirror(given.source, given.dest, options)
    async with serve(DemoConfig()) as site:
        options = options_of(given, given.collection or ["ref_landcovernet_v1_labels"], site.key)
        return await mlhub_async.mirror(site.root, given.dest, options)


def told(report: Report) -> None:
    print(f"{report.fetched} fetched, {report.skipped} there already, {report.failures} failed")
    for outcome in report.failed:
        print(f"  {'/'.join(outcome.job.asset.identity)}: {outcome.error}")
    print(f"{'complete' if report.ok else 'NOT complete'}: {report.receipt_path}")


def main() -> int:
    try:
        report = asyncio.run(copied(arguments()))
    except mlhub_async.MlhubError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    told(report)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
