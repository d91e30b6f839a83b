//! Pages as text: the only place with handlebars.
//!
//! One view model per template, flat and ready to print: templates decide how things look, never what they
//! mean. Handlebars runs in strict mode, so a template that names what its model lacks is an error in a test,
//! not an empty place on a page. Everything is escaped unless a helper of this folder made the markup itself.
//!
//! No clock, no store, no request: models are made by `http::pages` from rows and live state.

pub mod chrome;
mod embedded;
pub mod format;
pub mod forms;
mod helpers;
pub mod jobs;
pub mod people;
pub mod problem;
pub mod state;
pub mod workers;

use handlebars::Handlebars;
use serde::Serialize;

pub use chrome::Chrome;
pub use embedded::{Assets, Manifest};

/// What a template needs to be filled.
pub trait View: Serialize {
    /// The template's name: its path under `templates/` without the ending.
    const TEMPLATE: &'static str;
}

/// A template could not be read or filled.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// A template or the asset manifest is broken.
    #[error("the embedded template or manifest {name} cannot be read: {why}")]
    Embedded {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// The model lacks what the template names.
    #[error("template {name} cannot be filled")]
    Fill {
        /// Which.
        name: &'static str,
        /// Where in it.
        #[source]
        source: Box<handlebars::RenderError>,
    },
}

/// Every template, parsed once at start.
#[derive(Debug)]
pub struct Views {
    engine: Handlebars<'static>,
    manifest: Manifest,
}

#[derive(Serialize)]
struct WholePage<'a, V> {
    chrome: &'a Chrome,
    page: &'a V,
}

impl Views {
    /// Reads all embedded templates.
    ///
    /// # Errors
    ///
    /// One of them does not parse.
    pub fn load() -> Result<Self, ViewsError> {
        let manifest = Manifest::load()?;
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        helpers::register(&mut engine, &manifest);
        embedded::register_templates(&mut engine)?;
        Ok(Self { engine, manifest })
    }

    /// A whole document. The template sees the model as `page` and its surroundings as `chrome`.
    ///
    /// # Errors
    ///
    /// The template names what the model lacks.
    pub fn page<V: View>(&self, chrome: &Chrome, page: &V) -> Result<String, ViewsError> {
        self.fill(V::TEMPLATE, &WholePage { chrome, page })
    }

    /// A piece of a page, for a partial swap.
    ///
    /// # Errors
    ///
    /// The template names what the model lacks.
    pub fn fragment<V: View>(&self, view: &V) -> Result<String, ViewsError> {
        self.fill(V::TEMPLATE, view)
    }

    /// Addresses of scripts, styles and icons.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn fill<T: Serialize>(&self, name: &'static str, model: &T) -> Result<String, ViewsError> {
        self.engine.render(name, model).map_err(|source| ViewsError::Fill { name, source: Box::new(source) })
    }
}
