"""What does the notebook show? Pure functions of frozen records: escaped HTML, and text."""
