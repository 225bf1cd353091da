"""What kubectl's answers mean: its refusals, images and environments, and pods that will not do."""
