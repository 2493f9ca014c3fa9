"""Named building blocks, their options, their identity, and the errors that refuse wrong ones."""
