"""Makes the programs that tests start run with the small-file path forced off."""

from support.small_files import force_off

force_off()
