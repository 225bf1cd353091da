"""Ask an operator what to prune, show it, and prune it after a yes.

holdfast run examples/wizard.py            # asks at the terminal
holdfast run examples/wizard.py --no-input # parks; holdfast answer RUN VALUE
holdfast resume RUN                        # days later, from any terminal: nothing is asked twice
"""

from datetime import date, timedelta

from holdfast import ask, confirm, step, workflow

ROWS = {"orders": 1200, "sessions": 98000}


@step("count {table} before {day}", reads=True)
def count(table, day):
    return ROWS[table]


@step("prune {table} before {day}", once=True)
def prune(table, day):
    print(f"delete from {table} where day < '{day}'")
    return ROWS[table]


@workflow
def wizard(today: date = date(2026, 1, 31)):
    """Prune one table, as an operator says."""
    table = ask("Which table?", choices=list(ROWS), default="sessions")
    days = ask("How many days shall stay?", int, default=30)
    day = today - days * timedelta(days=1)
    rows = count(table, day)
    said = confirm(f"Delete {rows} rows of {table} before {day}?")
    return {"deleted": prune(table, day), "approved_by": said.by}
