"""`Options`, `Selection` and `RetryPolicy`: the options of a mirror, and which values they can have."""

from .checks import shard_of as shard_of
from .fields import ASSET_CONDITIONS as ASSET_CONDITIONS
from .fields import CHOICES as CHOICES
from .fields import ITEM_CONDITIONS as ITEM_CONDITIONS
from .fields import LAYOUTS as LAYOUTS
from .fields import SOURCE_CONDITIONS as SOURCE_CONDITIONS
from .fields import Options as Options
from .fields import RetryPolicy as RetryPolicy
from .fields import Selection as Selection
from .fields import as_tuple as as_tuple
