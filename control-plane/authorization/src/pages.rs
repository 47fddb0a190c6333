//! The HTML pages that a person sees, and the tokens that protect their forms.

pub(crate) mod form_token;
pub(crate) mod render;
pub(crate) mod templates;
