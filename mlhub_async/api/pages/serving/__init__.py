"""`serve`: a mirror over HTTP on loopback, for STAC clients, GDAL and browsers; read-only."""

from .config import ServeConfig as ServeConfig
from .server import run_forever as run_forever
from .server import serve as serve
