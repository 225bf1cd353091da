"""Perform effects: journals, clocks, processes, threads, signals. One life of a run each."""
