//! What templates may call: `helper` is handlebars' own word for it, and not a name for odds and ends, which
//! the house rules forbid. Each one that makes markup escapes what it is given.

use handlebars::{
    Context, Handlebars, Helper, HelperResult, JsonRender, Output, RenderContext, RenderError,
    RenderErrorReason, handlebars_helper, html_escape,
};

use super::{Manifest, format};

// Values, not markup: handlebars escapes them where they are printed.
handlebars_helper!(concat: |first: str, second: str| format!("{first}{second}"));
handlebars_helper!(frames_help: |in_file: Json| {
    let forms = "Like 1-240, 1-240x2 or 1,5,9-20.";
    in_file.as_str().map_or_else(|| forms.to_owned(), |words| format!("{words} in the file. {forms}"))
});

pub(super) fn register(engine: &mut Handlebars<'static>, manifest: &Manifest) {
    let icons = manifest.clone();
    text_helper(engine, "icon", move |call| {
        let name = call.text(0)?;
        if !icons.has_icon(&name) {
            return Err(call.wrong(&format!("there is no icon {name}: add it to web/icons.txt")));
        }
        let sprite = icons.address("icons.svg");
        Ok(format!(
            r#"<svg class="icon" aria-hidden="true"><use href="{sprite}#{}"/></svg>"#,
            html_escape(&name)
        ))
    });
    let assets = manifest.clone();
    text_helper(engine, "asset", move |call| Ok(assets.address(&call.text(0)?)));
    text_helper(engine, "bytes", |call| Ok(html_escape(&format::bytes(call.number(0)?))));
    text_helper(engine, "duration", |call| Ok(html_escape(&format::duration(call.number(0)?))));
    text_helper(engine, "count", |call| Ok(format::count(call.number(0)?)));
    text_helper(engine, "time", |call| Ok(time(&call.text(0)?)));
    text_helper(engine, "since", |call| Ok(since(&call.text(0)?)));
    engine.register_helper("concat", Box::new(concat));
    engine.register_helper("frames_help", Box::new(frames_help));
    text_helper(engine, "short", |call| Ok(html_escape(&format::short_id(&call.text(0)?))));
    text_helper(engine, "short_id", |call| Ok(short_id(&call.text(0)?)));
    text_helper(engine, "progress", |call| Ok(progress(call.optional_number(0)?, &call.text(1)?)));
}

/// The moment in words, made relative ("12 s ago") and kept so by a script where there is one.
fn time(rfc3339: &str) -> String {
    let (machine, words) = (html_escape(rfc3339), html_escape(&format::moment(rfc3339)));
    let shown = r#"threshold="P30D" format-style="narrow" lang="en""#;
    format!(r#"<relative-time datetime="{machine}" {shown}>{words}</relative-time>"#)
}

/// How long it has lasted ("3 h 12 min"), kept so by a script where there is one.
fn since(rfc3339: &str) -> String {
    let (machine, words) = (html_escape(rfc3339), html_escape(&format::moment(rfc3339)));
    let shown = r#"format="duration" precision="minute" format-style="narrow" lang="en""#;
    format!(r#"<relative-time datetime="{machine}" {shown}>since {words}</relative-time>"#)
}

/// Short on the page, whole for the clipboard and for whoever reads with a screen reader.
fn short_id(id: &str) -> String {
    let (short, whole) = (html_escape(&format::short_id(id)), html_escape(id));
    let button = format!(r#"<copy-button value="{whole}" hx-morph-skip></copy-button>"#);
    format!(r#"<span class="id"><code title="{whole}">{short}</code>{button}</span>"#)
}

/// A bar; one without a value where the part done is not known.
fn progress(percent: Option<u64>, label: &str) -> String {
    let label = html_escape(label);
    match percent {
        Some(percent) => {
            format!(r#"<progress max="100" value="{percent}" aria-label="{label}">{percent} %</progress>"#)
        }
        None => format!(r#"<progress max="100" aria-label="{label}">not known yet</progress>"#),
    }
}

struct Call<'a, 'rc> {
    helper: &'a Helper<'rc>,
}

impl Call<'_, '_> {
    fn wrong(&self, why: &str) -> RenderError {
        RenderErrorReason::Other(format!("helper {}: {why}", self.helper.name())).into()
    }

    fn text(&self, index: usize) -> Result<String, RenderError> {
        let value = self.helper.param(index).ok_or_else(|| self.wrong("a parameter is missing"))?;
        if value.is_value_missing() || value.value().is_null() {
            return Err(self.wrong("a parameter has no value"));
        }
        Ok(value.value().render())
    }

    fn optional_number(&self, index: usize) -> Result<Option<u64>, RenderError> {
        let value = self.helper.param(index).ok_or_else(|| self.wrong("a parameter is missing"))?.value();
        if value.is_null() {
            return Ok(None);
        }
        value.as_u64().map(Some).ok_or_else(|| self.wrong("a parameter is not a whole number"))
    }

    fn number(&self, index: usize) -> Result<u64, RenderError> {
        self.optional_number(index)?.ok_or_else(|| self.wrong("a parameter has no value"))
    }
}

fn text_helper(
    engine: &mut Handlebars<'static>,
    name: &'static str,
    make: impl Fn(&Call<'_, '_>) -> Result<String, RenderError> + Send + Sync + 'static,
) {
    engine.register_helper(
        name,
        Box::new(
            move |helper: &Helper<'_>,
                  _: &Handlebars<'_>,
                  _: &Context,
                  _: &mut RenderContext<'_, '_>,
                  out: &mut dyn Output|
                  -> HelperResult {
                out.write(&make(&Call { helper })?)?;
                Ok(())
            },
        ),
    );
}
