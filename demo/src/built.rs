//! The programs of this workspace as cargo builds them, for the black-box suite: it tests what people run.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use loadtest::world::{Program, Programs};

/// The server's and the load tester's own binaries, built on first use in the profile of the caller.
///
/// Panics when they cannot be built; there is nothing to test then.
pub fn programs() -> Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(build).clone()
}

fn build() -> Programs {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "greenroom", "--bin", "greenroom"]);
    cargo.args(["--package", "greenroom-loadtest", "--bin", "loadtest"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // What cargo tells a test of the package that it is in makes build scripts of others run anew, and everything that
    // hangs on them be compiled again, each time a test and a person build in turn.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(tells_of_the_package) {
            cargo.env_remove(name);
        }
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the server and the load tester must build"
    );
    let folder = profile_folder();
    let program = |name: &str| {
        let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(path.exists(), "{} was built", path.display());
        Program {
            path,
            args: Vec::new(),
        }
    };
    Programs {
        server: program("greenroom"),
        simulator: program("loadtest"),
    }
}

fn tells_of_the_package(variable: &str) -> bool {
    [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
        "CARGO_PRIMARY_",
        "OUT_DIR",
    ]
    .iter()
    .any(|start| variable.starts_with(start))
}

/// The folder of the profile that the calling test was built in: the test is in `<profile>/deps`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a program is in a folder");
    deps.parent().expect("tests are in <profile>/deps").to_owned()
}
