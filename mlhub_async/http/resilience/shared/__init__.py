"""The limits of a run in several processes: the coordinator leases slots to its workers, who report to it."""
