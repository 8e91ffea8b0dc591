"""What the commands do: one module per command, imported when it runs."""
