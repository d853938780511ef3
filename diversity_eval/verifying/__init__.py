"""Whether answers to mathematical problems are right. Importing this loads neither sympy nor math-verify."""

from diversity_eval.verifying.boxes import last_box, normalise_answer
from diversity_eval.verifying.verifier import AnswerVerifier, Status, Verification

__all__ = ["AnswerVerifier", "Status", "Verification", "last_box", "normalise_answer"]
