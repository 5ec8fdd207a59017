"""What every page stands on: texts in two languages, templates, headers, rates, one stylesheet."""
