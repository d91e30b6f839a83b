//! Measurements, small: that what they fill in is still what the program's database holds.

use std::path::Path;
use std::process::{Command, Stdio};

/// Also that the audit finds what it plants: it fails otherwise.
#[test]
fn the_audit_of_a_filled_farm_is_measured_over_both_databases() {
    let tool = Path::new(env!("CARGO_BIN_EXE_ci"));
    let output = Command::new(tool)
        .args(["bench", "audit", "--tasks", "20000", "--programs"])
        .arg(tool.parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    for database in ["sqlite", "postgres"] {
        let rows = "10 jobs, 20000 tasks, 18718 leases, 17000 frames, 17000 blobs";
        assert!(said.contains(&format!("{database}: {rows}")), "{said}");
        let found = said.lines().find(|line| line.starts_with(&format!("{database}: INV-8   [")));
        assert!(found.is_some_and(|line| line.contains("and 0 are stored")), "{said}");
    }
}
