//! What depends on what, as cargo sees it and as the programs show it.

use std::{path::Path, process::Command};

use airlock_tests::{holds, program};

const HANDLERS: [&str; 5] =
    ["airlock-signin", "airlock-intake", "airlock-execute", "airlock-rotate", "airlock-drift"];

/// Features that let a client trust an emulator, or a key instead of an identity.
const FORBIDDEN: [&str; 2] = ["__internal_in_memory_emulator", "key_auth"];

fn cargo_tree(arguments: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "cargo says which cargo it is")]
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["tree", "--offline", "--prefix", "none"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_local_cloud_depends_on_nothing_of_the_handlers() {
    let tree = cargo_tree(&["-p", "airlock-local", "--edges", "all"]);

    let ours: Vec<&str> = tree.lines().filter(|line| line.contains("/handlers/")).collect();
    assert_eq!(ours, Vec::<&str>::new());
    assert!(tree.contains("airlock-local"));
}

#[test]
fn no_handler_is_built_with_a_feature_that_weakens_its_client() {
    for handler in HANDLERS {
        let tree = cargo_tree(&["-p", handler, "--edges", "normal,build", "--format", "{p} [{f}]"]);

        assert!(tree.contains("azure_core"), "{handler}");
        for feature in FORBIDDEN {
            let found: Vec<&str> = tree.lines().filter(|line| line.contains(feature)).collect();
            assert_eq!(found, Vec::<&str>::new(), "{handler}");
        }
    }
}

#[test]
fn the_programs_that_run_here_carry_no_emulator() {
    let module = "in_memory_emulator";

    // The local cloud does: so the search would find it.
    assert!(holds(&program("airlock-local"), module));
    for handler in HANDLERS {
        assert!(
            !holds(&program(handler), module),
            "{handler} was built together with the local cloud: build it apart"
        );
    }
}

#[test]
fn nothing_is_built_with_openssl() {
    let tree = cargo_tree(&["--workspace", "--edges", "all", "--target", "all"]);

    for package in ["openssl", "openssl-sys", "native-tls"] {
        let start = format!("{package} v");
        let found: Vec<&str> = tree.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(found, Vec::<&str>::new());
    }
}

#[test]
fn arrows_between_our_own_crates_point_one_way() {
    let ours = |package: &str| -> Vec<String> {
        let tree = cargo_tree(&["-p", package, "--edges", "normal,build"]);
        let mut found: Vec<String> = tree
            .lines()
            .filter(|line| line.starts_with("airlock"))
            .filter_map(|line| line.split(' ').next())
            .filter(|name| *name != package)
            .map(str::to_owned)
            .collect();
        found.sort();
        found.dedup();
        found
    };

    assert_eq!(ours("airlock-core"), Vec::<String>::new());
    assert_eq!(ours("airlock-azure"), ["airlock-core"]);
    assert_eq!(ours("airlock-local"), Vec::<String>::new());
    for handler in HANDLERS {
        let found = ours(handler);
        let allowed = ["airlock-azure", "airlock-core"];
        assert!(found.iter().all(|one| allowed.contains(&one.as_str())), "{handler}: {found:?}");
    }
    // The domain knows no cloud SDK and no HTTP framework.
    let core = cargo_tree(&["-p", "airlock-core", "--edges", "normal,build"]);
    for package in ["azure_core", "reqwest", "axum", "hyper", "warp"] {
        let start = format!("{package} v");
        assert!(!core.lines().any(|line| line.starts_with(&start)), "{package}");
    }
}
