"""Being assembled."""
