"""What the official `openai` package must be able to do with the simulator."""
