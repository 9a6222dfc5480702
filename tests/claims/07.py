"""Claims of notebook 07: sequential testing."""

from claim_tools import Claim, Fixed

DESIGN, LOGIC = "how the notebook is built", "follows from the definition"

PRACTICE_CLAIMS = []
