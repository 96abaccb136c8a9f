"""What people see on a terminal: progress bars and tables."""
