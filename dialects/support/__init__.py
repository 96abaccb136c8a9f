"""What every level builds on and what knows no level: errors, instrumentation, ranges, constant tables, packed text."""
