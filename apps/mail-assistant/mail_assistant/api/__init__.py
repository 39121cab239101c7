"""What the application answers, by address."""
