//! Looks at what `apt-get` does not bring in the version that is needed, and says in words what is missing.
//!
//! Without this look, npm and cargo fail later with words of their own, which tell a newcomer little.

use anyhow::{Result, anyhow, bail};

use crate::shell;

/// The oldest Node.js that the front end's packages run on (their `engines`).
const NODE_MAJOR_MIN: u32 = 20;

/// Fails in words where Node.js is missing or too old.
pub fn node() -> Result<()> {
    judge_node(shell::find("node").map(|_| shell::output("node", &["--version"])))
}

/// `told` is what `node --version` printed; nothing: there is no such program.
fn judge_node(told: Option<Result<String>>) -> Result<()> {
    let needed = format!(
        "the front end needs Node.js {NODE_MAJOR_MIN} or newer with npm: install it from nodejs.org or your \
         system's packages (Debian 12 has 18: backports or nodejs.org have newer ones), see that `node \
         --version` says so, and run this again"
    );
    let version = match told {
        None => bail!("there is no `node` on the PATH. {needed}"),
        Some(Err(error)) => return Err(error.context(format!("`node` does not run. {needed}"))),
        Some(Ok(version)) => version,
    };
    let major = version.strip_prefix('v').and_then(|number| number.split('.').next()?.parse::<u32>().ok());
    if major.ok_or_else(|| anyhow!("`node --version` says {version:?}. {needed}"))? < NODE_MAJOR_MIN {
        bail!("Node.js here is {version}. {needed}");
    }
    if !shell::has("npm") {
        bail!("Node.js {version} is here, but there is no `npm` on the PATH. {needed}");
    }
    Ok(())
}

/// Fails in words where there is no C compiler: some crates (SQLite, ring) are built with it.
pub fn c_compiler() -> Result<()> {
    let named = std::env::var("CC").ok().filter(|name| !name.trim().is_empty());
    judge_c_compiler(named.as_deref(), shell::has)
}

fn judge_c_compiler(named: Option<&str>, has: impl Fn(&str) -> bool) -> Result<()> {
    // CC may hold arguments and a launcher before the compiler: the first word is what must be there.
    if let Some(named) = named {
        let program = named.split_whitespace().next().unwrap_or_default();
        if !has(program) && !std::path::Path::new(program).is_file() {
            bail!(
                "the variable CC names {named:?} as the C compiler, which is not there: unset or correct it"
            );
        }
        return Ok(());
    }
    if !["cc", "gcc", "clang"].into_iter().any(has) {
        bail!(
            "there is no C compiler, which SQLite and TLS are built with: install one (`apt-get install gcc \
             libc6-dev` on Debian, `xcode-select --install` on macOS) and run this again"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn refused(judged: Result<()>) -> String {
        format!("{:#}", judged.expect_err("it should have been refused"))
    }

    #[test]
    fn an_old_or_missing_node_is_told_with_what_is_needed() {
        for told in [
            None,
            Some(Ok("v18.19.0".to_owned())),
            Some(Ok("nodejs".to_owned())),
            Some(Err(anyhow!("node: cannot execute"))),
        ] {
            let shown = format!("{told:?}");
            let words = refused(judge_node(told));
            assert!(words.contains("20 or newer") && words.contains("install"), "{shown}: {words}");
        }
        assert!(refused(judge_node(Some(Ok("v18.19.0".to_owned())))).contains("v18.19.0"));
    }

    #[test]
    fn a_missing_c_compiler_is_told() {
        let words = refused(judge_c_compiler(None, |_| false));
        assert!(words.contains("no C compiler") && words.contains("install"), "{words}");
        assert!(judge_c_compiler(None, |name| name == "clang").is_ok());
        assert!(refused(judge_c_compiler(Some("mycc -m64"), |_| false)).contains("mycc"));
        assert!(judge_c_compiler(Some("ccache gcc"), |name| name == "ccache").is_ok());
    }
}
