"""The commands of shell scripts: begin, step, stage, confirm, ask, gate, end."""
