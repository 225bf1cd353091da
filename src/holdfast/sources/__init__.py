"""Where the items of a batch come from."""
