//! Who may talk to what (requirements A2), read from the dependency graph that cargo resolves: a crate that cannot link a driver cannot use it.

use std::process::Command;

/// The packages in a crate's own graph, without dev-dependencies.
fn packages_under(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn assert_matrix(package: &str, has: &[&str], lacks: &[&str]) {
    let packages = packages_under(package);
    for name in has {
        assert!(packages.iter().any(|p| p == name), "{package} should depend on {name}");
    }
    for name in lacks {
        assert!(!packages.iter().any(|p| p == name), "{package} must not depend on {name}");
    }
}

#[test]
fn only_the_api_and_the_gateway_open_postgres() {
    assert_matrix("ajet-api", &["sqlx", "async-nats", "aws-sdk-s3"], &[]);
    assert_matrix("ajet-auth-gw", &["sqlx"], &["async-nats", "aws-sdk-s3"]);
    for session_manager in ["ajet-web-sm", "ajet-tui-sm"] {
        assert_matrix(
            session_manager,
            &["async-nats", "reqwest"],
            &["sqlx", "tokio-postgres", "aws-sdk-s3"],
        );
    }
}

#[test]
fn the_command_line_client_speaks_http_only() {
    assert_matrix(
        "ajet-chat",
        &["reqwest"],
        &["sqlx", "tokio-postgres", "async-nats", "aws-sdk-s3"],
    );
}

#[test]
fn shared_without_features_does_no_io() {
    assert_matrix("ajet-shared", &["serde"], &["sqlx", "async-nats", "reqwest", "axum", "tokio"]);
}

#[test]
fn services_do_not_depend_on_each_other() {
    let services = ["ajet-api", "ajet-auth-gw", "ajet-web-sm", "ajet-tui-sm", "ajet-chat"];
    for service in services {
        let others: Vec<_> = services.into_iter().filter(|other| *other != service).collect();
        assert_matrix(service, &["ajet-shared"], &others);
    }
}
