"""The embedded sample catalogue: an API like Radiant MLHub's, served on loopback, with generated data."""

from .config import DEMO_KEY, DemoConfig, Site
from .server import run_forever, serve

__all__ = ["DEMO_KEY", "DemoConfig", "Site", "run_forever", "serve"]
