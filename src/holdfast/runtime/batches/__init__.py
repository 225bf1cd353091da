"""Do the items of a batch, whatever does them, and checkpoint each."""
