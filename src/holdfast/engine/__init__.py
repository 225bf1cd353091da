"""How a run moves forward: programs that ask for effects and never perform them.

A program is a generator. It yields an effect (data), a driver in `holdfast.runtime` performs it
and sends the answer back. So every rule is written once, for threads, asyncio, dry runs and the
crash simulator alike, and "what if the process dies here" is a question about a list of values.
"""
