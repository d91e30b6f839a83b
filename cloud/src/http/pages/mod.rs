//! Pages: a request becomes rows, rows become a view model, the model becomes a document.
//!
//! Handlers here hold no rules and no SQL. Whatever changes something is a form that answers with a redirect, so that
//! every page works without scripts.
