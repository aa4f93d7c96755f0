"""Run quality assurance tests: shaped after AAPM TG-135, TG-147 and TG-264, with a history."""
