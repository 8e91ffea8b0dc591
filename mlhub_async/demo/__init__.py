"""The embedded sample catalogue: a look-alike of the Radiant MLHub API on loopback, over generated data."""

from .config import DEMO_KEY, DemoConfig, Site
from .server import run_forever, serve

__all__ = ["DEMO_KEY", "DemoConfig", "Site", "run_forever", "serve"]
