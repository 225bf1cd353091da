"""What a run is: facts, the state they fold into, and the rules that judge it.

Pure values and pure functions. Nothing here reads a clock, a disk or the network.
"""
