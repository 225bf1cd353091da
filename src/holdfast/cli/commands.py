"""Which commands there are: for the help, and for whatever is about all of them."""

from __future__ import annotations

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Run": {
        "run": ("running", "Start a workflow, or go on with the run of that --id."),
        "resume": ("resuming", "Go on with a run, also after a stop, a failure or a crash."),
        "fleet": ("fleet", "One workflow on many targets, in waves; and how they stand."),
        "plan": ("planning", "What a run would do, without doing it."),
        "demo": ("demo", "Kill a small run in the middle and count what was lost: nothing."),
    },
    "In a shell script": {
        "begin": ("shell.beginning", "Make the rest of the script a run, or go on with it."),
        "step": ("shell.commands", "Run a command as a checkpoint of the script."),
        "each": ("each", "Run a command for every item, each a checkpoint."),
        "stage": ("shell.commands", "Begin a stage, or end it with --end."),
        "gate": ("shell.commands", "Wait until a command passes."),
        "confirm": ("shell.commands", "Hold until a person says yes."),
        "ask": ("shell.commands", "Ask a person for a value, and print it."),
        "end": ("shell.commands", "End the run with the script's exit status."),
    },
    "Read": {
        "list": ("inspecting", "The runs, newest first."),
        "show": ("inspecting", "Where a run stands: steps, holds, errors."),
        "owed": ("going_back", "What all runs owe."),
        "log": ("inspecting", "What the steps of a run printed."),
        "watch": ("inspecting", "Follow a run while it moves."),
        "targets": ("targets", "What runs may act on, on what terms, and which run has it."),
        "why": ("inspecting", "Why a run waits, stopped or failed, and what to do."),
        "failures": ("failures", "What failed in the batches of a run, by kind of error."),
        "export": ("inspecting", "Everything a run recorded, to keep elsewhere."),
        "trust": ("trusting", "What steps have earned, by which runs; --revoke takes it back."),
    },
    "Decide": {
        "approve": ("deciding", "Say yes to what a run asks."),
        "reject": ("deciding", "Say no to what a run asks, with the reason."),
        "answer": ("deciding", "Give the value that a run asks for."),
        "done": ("deciding", "Record that a step took effect, with the reason."),
        "retry": ("deciding", "Run a failed or in-doubt step again, and go on."),
        "skip": ("deciding", "Go on without a step, with the reason."),
        "rewind": ("rewinding", "Go back to an earlier step, which runs again."),
        "rollback": ("going_back", "Undo what a run did, the last thing first."),
        "settle": ("going_back", "Give back what a run owes, and nothing else."),
        "stop": ("deciding", "Stop a run after the step in hand."),
        "pause": ("deciding", "Stop a run; only a person's resume goes on."),
        "cancel": ("deciding", "End a run for good, with the reason."),
    },
    "Operate": {
        "verify": ("inspecting", "Check that a journal was not altered."),
        "gc": ("inspecting", "Remove old finished runs."),
        "doctor": ("inspecting", "Check the store and this machine."),
        "completion": ("completion", "Print the completion script of a shell."),
    },
}
"""By section of the help: the command, the module it lives in, and its line in the help."""
