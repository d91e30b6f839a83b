//! Templates and built assets that the binary carries; in debug builds read from the working tree, so that a
//! template can be changed without compiling.

use std::collections::BTreeMap;

use handlebars::Handlebars;
use rust_embed::RustEmbed;
use serde::Deserialize;

use super::ViewsError;

/// Built scripts, styles and icons, with their compressed copies (`.br`, `.gz`).
#[derive(RustEmbed)]
#[folder = "../templates/web/dist/"]
pub struct Assets;

#[derive(RustEmbed)]
#[folder = "../templates/layouts/"]
#[prefix = "layouts/"]
struct Layouts;

#[derive(RustEmbed)]
#[folder = "../templates/partials/"]
#[prefix = "partials/"]
struct Partials;

#[derive(RustEmbed)]
#[folder = "../templates/pages/"]
#[prefix = "pages/"]
struct Pages;

#[derive(RustEmbed)]
#[folder = "../templates/errors/"]
#[prefix = "errors/"]
struct Errors;

/// What the npm build left: names with their hash.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Manifest {
    files: BTreeMap<String, String>,
    icons: Vec<String>,
}

impl Manifest {
    pub(super) fn load() -> Result<Self, ViewsError> {
        let broken = |why: String| ViewsError::Embedded { name: "web/dist/manifest.json".to_owned(), why };
        let file = Assets::get("manifest.json").ok_or_else(|| broken("it is not there".to_owned()))?;
        serde_json::from_slice(&file.data).map_err(|e| broken(e.to_string()))
    }

    /// Address of an asset by its plain name (`app.js`); a stub build has none and gets an address that
    /// answers 404.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        format!("/assets/{}", self.files.get(name).map_or(name, String::as_str))
    }

    /// The sprite holds an icon of this name; always true in a stub build, which has no icons at all.
    #[must_use]
    pub fn has_icon(&self, name: &str) -> bool {
        self.icons.is_empty() || self.icons.iter().any(|icon| icon == name)
    }
}

pub(super) fn register_templates(engine: &mut Handlebars<'static>) -> Result<(), ViewsError> {
    register::<Layouts>(engine)?;
    register::<Partials>(engine)?;
    register::<Pages>(engine)?;
    register::<Errors>(engine)
}

fn register<T: RustEmbed>(engine: &mut Handlebars<'static>) -> Result<(), ViewsError> {
    for path in T::iter() {
        let Some(name) = path.strip_suffix(".hbs") else { continue };
        let broken = |why: String| ViewsError::Embedded { name: path.to_string(), why };
        let file = T::get(&path).ok_or_else(|| broken("it is not there".to_owned()))?;
        let text = std::str::from_utf8(&file.data).map_err(|e| broken(e.to_string()))?;
        engine.register_template_string(name, text).map_err(|e| broken(e.to_string()))?;
    }
    Ok(())
}
