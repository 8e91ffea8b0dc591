"""The data centres of NASA by their buckets: who gives keys of an hour for reading them inside us-west-2.

As https://github.com/nsidc/earthaccess lists them.
"""

from __future__ import annotations

REGION = "us-west-2"
"""That of all these buckets. From elsewhere S3 refuses the keys."""
PATH = "/s3credentials"
_HOSTS = (
    ("asdc-prod-", "data.asdc.earthdata.nasa.gov"),
    ("asf-", "sentinel1.asf.alaska.edu"),
    ("gesdisc-cumulus-", "data.gesdisc.earthdata.nasa.gov"),
    ("ghrcw-", "data.ghrc.earthdata.nasa.gov"),
    ("lp-prod-", "data.lpdaac.earthdatacloud.nasa.gov"),
    ("nsidc-cumulus-", "data.nsidc.earthdatacloud.nasa.gov"),
    ("ob-cumulus-", "obdaac-tea.earthdatacloud.nasa.gov"),
    ("ornl-cumulus-", "data.ornldaac.earthdata.nasa.gov"),
    ("podaac-swot-", "archive.swot.podaac.earthdata.nasa.gov"),
    ("podaac-", "archive.podaac.earthdata.nasa.gov"),
    ("prod-lads", "data.laadsdaac.earthdatacloud.nasa.gov"),
)
"""By the beginning of the name of the bucket."""


def credentials_url(bucket: str) -> str:
    """The endpoint that gives keys for a bucket, "" if it is not known which."""
    return next((f"https://{host}{PATH}" for begin, host in _HOSTS if bucket.startswith(begin)), "")
