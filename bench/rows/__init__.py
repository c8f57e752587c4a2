"""The rows of the table, each file a few of them; each takes a Run and adds what it measured."""
