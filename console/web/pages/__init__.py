"""One module per page. Each lists its addresses in `PAGES`; `console.web.app` lists the modules."""
