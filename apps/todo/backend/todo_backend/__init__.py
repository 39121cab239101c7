"""The todo app's backend: accounts, todos, and an assistant that turns a sentence into todos."""
