"""The operator's pages, `budkavle console`. docs/pages.md says how a page is written."""
