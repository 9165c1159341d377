"""Documents: templates, numbers, Russian words for sums, dates and names, and the record of what was issued."""
