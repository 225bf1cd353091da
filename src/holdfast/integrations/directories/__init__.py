"""Keep a directory aside, and put it back in one moment."""
