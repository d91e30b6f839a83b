//! What stands around every page: title, navigation, theme, who is signed in.

use serde::Serialize;

/// Light, dark, or as the system says; kept in a cookie so that the first byte is right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Name of the cookie; scripts may read and write it.
    pub const COOKIE: &'static str = "pictor_theme";

    /// Reads the cookie's value; anything unknown is the system's choice.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The cookie's value.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Serialize for Theme {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// An entry of the navigation.
#[derive(Debug, Clone, Serialize)]
pub struct NavEntry {
    /// Its words.
    pub label: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Its icon.
    pub glyph: &'static str,
    /// The page shown belongs to it.
    pub is_current: bool,
}

/// A step above the page shown.
#[derive(Debug, Clone, Serialize)]
pub struct Crumb {
    /// Its words.
    pub label: String,
    /// Where it leads.
    pub href: String,
}

/// Who is signed in, as the layout shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Viewer {
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// First letter of the name.
    pub initial: String,
}

/// Something to say once at the top of the page.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// `ok`, `warn` or `bad`.
    pub tone: &'static str,
    /// The icon that goes with it.
    pub glyph: &'static str,
    /// In words.
    pub text: String,
}

/// The surroundings of a page.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Chrome {
    /// Title of the document and of the browser's tab.
    pub title: String,
    /// Theme in force.
    pub theme: Theme,
    /// Path of this page with its query, for forms that come back to it.
    pub path: String,
    /// Token that every form of this session carries; empty when nobody is signed in.
    pub form_token: String,
    /// Main navigation; empty when nobody is signed in.
    pub nav: Vec<NavEntry>,
    /// Steps above this page, outermost first.
    pub crumbs: Vec<Crumb>,
    /// Who is signed in.
    pub viewer: Option<Viewer>,
    /// Address of the page's stream of changes; nothing: the page does not change by itself.
    pub live: Option<String>,
    /// Seconds after which a browser without scripts loads the page again.
    pub refresh: Option<u32>,
    /// Scripts beside the common one (`worker.js`).
    pub scripts: Vec<&'static str>,
    /// Style sheets beside the common one.
    pub styles: Vec<&'static str>,
    /// Said once.
    pub notice: Option<Notice>,
}

impl Chrome {
    /// Surroundings of a page for somebody who is not signed in.
    #[must_use]
    pub fn plain(title: &str, theme: Theme) -> Self {
        Self { title: title.to_owned(), theme, path: "/".to_owned(), ..Self::default() }
    }

    /// The same for the page at this path.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }
}
