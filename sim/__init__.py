"""A treatment room made of numbers: the patient and a twin of every device."""
