"""Makes the programs that tests start run with the small-file path forced on."""

from support.small_files import force_on

force_on()
