"""What the front-ends do: start, resume and decide runs, and read them. One place for all faces."""
