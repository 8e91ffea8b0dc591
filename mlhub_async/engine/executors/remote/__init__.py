"""Executors whose jobs other processes carry out: workers, who are told what to do and what they may do."""
