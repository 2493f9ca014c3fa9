"""Methods: their interface, the loop over save times, flows and descent methods."""
