"""What a run costs: exact counts, technology files, wear, and the report that multiplies them."""
