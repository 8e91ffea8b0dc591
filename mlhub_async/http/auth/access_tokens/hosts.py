"""The hosts of services, each by its exact name: who may see the credentials for it.

No suffix stands for hosts: a name below a domain may be anybody's one day.
"""

from __future__ import annotations

from collections.abc import Iterable

from ....core.urls import Origin

EARTHDATA_LOGIN = "urs.earthdata.nasa.gov"
EARTHDATA_HOSTS = frozenset(
    {
        EARTHDATA_LOGIN,
        # Earthdata Cloud
        "archive.podaac.earthdata.nasa.gov",
        "archive.swot.podaac.earthdata.nasa.gov",
        "cumulus.asf.alaska.edu",
        "cumulus.asf.earthdatacloud.nasa.gov",
        "data.asdc.earthdata.nasa.gov",
        "data.asdc.earthdatacloud.nasa.gov",
        "data.gesdisc.earthdata.nasa.gov",
        "data.gesdisc.earthdatacloud.nasa.gov",
        "data.ghrc.earthdata.nasa.gov",
        "data.ghrc.earthdatacloud.nasa.gov",
        "data.laadsdaac.earthdatacloud.nasa.gov",
        "data.lpdaac.earthdatacloud.nasa.gov",
        "data.nsidc.earthdatacloud.nasa.gov",
        "data.ornldaac.earthdata.nasa.gov",
        "data.ornldaac.earthdatacloud.nasa.gov",
        "datapool.asf.alaska.edu",
        "grfn.asf.alaska.edu",
        "nisar.asf.earthdatacloud.nasa.gov",
        "obdaac-tea.earthdatacloud.nasa.gov",
        "opendap.earthdata.nasa.gov",
        "sentinel1.asf.alaska.edu",
        # on the premises of the data centres
        "acdisc.gesdisc.eosdis.nasa.gov",
        "asdc.larc.nasa.gov",
        "disc2.gesdisc.eosdis.nasa.gov",
        "e4ftl01.cr.usgs.gov",
        "goldsmr4.gesdisc.eosdis.nasa.gov",
        "goldsmr5.gesdisc.eosdis.nasa.gov",
        "gpm1.gesdisc.eosdis.nasa.gov",
        "hydro1.gesdisc.eosdis.nasa.gov",
        "ladsweb.modaps.eosdis.nasa.gov",
        "n5eil01u.ecs.nsidc.org",
        "oceandata.sci.gsfc.nasa.gov",
    }
)
"""Not cmr.earthdata.nasa.gov: its catalogue is public, and an ended token would close it."""
COPERNICUS_HOSTS = frozenset({"download.dataspace.copernicus.eu", "zipper.dataspace.copernicus.eu"})
TERRASCOPE_HOSTS = frozenset({"services.terrascope.be"})


def https_origins(hosts: Iterable[str]) -> frozenset[Origin]:
    """The origins of hosts for https on the usual port."""
    return frozenset(Origin("https", host, 443) for host in hosts)
