"""The embedded sample catalogue: a look-alike of the Radiant MLHub API on loopback, over generated data."""

from .server import run_forever, serve
from .site import DEMO_KEY, DemoConfig, Site

__all__ = ["DEMO_KEY", "DemoConfig", "Site", "run_forever", "serve"]
