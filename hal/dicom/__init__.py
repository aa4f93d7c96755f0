"""X-ray pairs from an imager that speaks DICOM: a C-STORE receiver (extra ``dicom``)."""
