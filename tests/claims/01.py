"""Claims of notebook 01: naive numbers and the truth."""

CLAIMS = []
README_CLAIMS = []
SOLUTIONS_CLAIMS = []
