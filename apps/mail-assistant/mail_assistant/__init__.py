"""The mail assistant: a dashboard, its settings, and the health of what it depends on."""
