"""What the estate's web applications share: their logs, what is kept out of them, answers' headers, and PostgreSQL."""
