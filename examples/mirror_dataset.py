"""Mirror a dataset into a folder; run it again to fetch only what is missing or has changed.

python examples/mirror_dataset.py                       the built-in sample: no key, no network
python examples/mirror_dataset.py SOURCE DEST [NAME]    a catalogue, or collection NAME of an API
"""

import asyncio
import sys

import mlhub_async
from mlhub_async import Options, Report, Selection
from mlhub_async.demo import serve


async def mirror(source: str, dest: str, *collections: str, api_key: str | None = None) -> Report:
    return await mlhub_async.mirror(source, dest, Options(Selection(collections), api_key=api_key))


async def main() -> int:
    if sys.argv[1:]:
        report = await mirror(*sys.argv[1:])
    else:
        async with serve() as site:
            labels = "ref_landcovernet_v1_labels"
            report = await mirror(site.root, "landcovernet", labels, api_key=site.key)
    for outcome in report.failed:
        print(f"{'/'.join(outcome.job.asset.identity)}: {outcome.error}")
    print(f"{report.fetched} fetched, {report.skipped} there already, {report.failures} failed")
    print(f"{'complete' if report.ok else 'NOT complete'}: {report.receipt_path}")
    return report.exit_code


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except mlhub_async.MlhubError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
