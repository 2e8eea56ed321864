"""What the limits of the diagnosis stand on: trainings along a dose of each fault."""
