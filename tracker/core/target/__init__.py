"""From breathing state and X-ray images to the target: correlation model, exposures, forecast."""
