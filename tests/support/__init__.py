"""What the tests share: servers with scripted faults, the program as a process, readers of a mirror."""
