"""Pages and fragments of tickets."""
