//! Prepares the static files: fetches the Datastar bundle (never committed), checks it by SHA-256, strips comments and indentation from
//! our own files, and writes `assets.rs` with every file under a name that holds the hash of its content.
//!
//! The bundle comes from a crate that carries it byte for byte, by the ordinary package client: `cargo info` downloads and unpacks it.
//! Without a network set `AJET_DATASTAR_JS` to a file that holds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt::Write as _, fs};

use sha2::{Digest, Sha256};

/// What every copy of Datastar 1.0.4 must hash to.
const DATASTAR_SHA256: &str = "727844adfc825ee651fb93c544a2a739986f9a21820a94524b35f0cac470cf91";

/// A crate that carries the bundle.
struct Carrier {
    name: &'static str,
    version: &'static str,
    path: &'static str,
    /// What the carrier cut off its end.
    tail: &'static str,
}

const CARRIERS: [Carrier; 2] = [
    Carrier { name: "runnerd-web", version: "0.0.21", path: "assets/datastar.js", tail: "" },
    Carrier {
        name: "http-nu",
        version: "0.18.4",
        path: "src/stdlib/datastar/datastar@1.0.4.js",
        tail: "//# sourceMappingURL=datastar.js.map\n",
    },
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-env-changed=AJET_DATASTAR_JS");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let bundle = datastar(&out);
    let css = fs::read_to_string("static/app.css").expect("static/app.css");
    let auth = fs::read_to_string("static/auth.css").expect("static/auth.css");
    let later = fs::read_to_string("static/more.css").expect("static/more.css");
    let settings = fs::read_to_string("static/settings.css").expect("static/settings.css");
    let more = trim_js(&parts("static/more")).into_bytes();
    let js = fs::read_to_string("static/app.js")
        .expect("static/app.js")
        .replace("MORE_JS", &url_of("more", "js", &more));
    let icons = fs::read_to_string("static/icons.svg").expect("static/icons.svg");
    let favicon = fs::read_to_string("static/favicon.svg").expect("static/favicon.svg");
    let files = [
        ("APP_CSS", "app", "css", "text/css; charset=utf-8", trim_css(&css).into_bytes()),
        ("AUTH_CSS", "auth", "css", "text/css; charset=utf-8", trim_css(&auth).into_bytes()),
        ("MORE_CSS", "more", "css", "text/css; charset=utf-8", trim_css(&later).into_bytes()),
        (
            "SETTINGS_CSS",
            "settings",
            "css",
            "text/css; charset=utf-8",
            trim_css(&settings).into_bytes(),
        ),
        ("APP_JS", "app", "js", "text/javascript; charset=utf-8", trim_js(&js).into_bytes()),
        ("MORE_JS", "more", "js", "text/javascript; charset=utf-8", more),
        ("ICONS", "icons", "svg", "image/svg+xml", icons.into_bytes()),
        ("FAVICON", "favicon", "svg", "image/svg+xml", favicon.into_bytes()),
        ("DATASTAR_JS", "datastar", "js", "text/javascript; charset=utf-8", bundle),
    ];
    let mut code = String::new();
    for (constant, stem, extension, mime, bytes) in files {
        let file = out.join(format!("{stem}.{extension}"));
        fs::write(&file, &bytes).expect("OUT_DIR is writable");
        let url = url_of(stem, extension, &bytes);
        let _ = writeln!(
            code,
            "/// `{stem}.{extension}`.\npub(crate) const {constant}: Asset = Asset {{ alias: \"{stem}.{extension}\", \
             url: \"{url}\", mime: {mime:?}, bytes: include_bytes!(r\"{}\") }};",
            file.display()
        );
    }
    fs::write(out.join("assets.rs"), code).expect("OUT_DIR is writable");
}

/// Its address, with the hash of its content.
fn url_of(stem: &str, extension: &str, bytes: &[u8]) -> String {
    format!("/assets/{stem}-{}.{extension}", &sha256(bytes)[..10])
}

/// The files of a folder in the order of their names, as one.
fn parts(folder: &str) -> String {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).expect("a part is text")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The checked bundle.
fn datastar(out: &Path) -> Vec<u8> {
    if let Some(file) = env::var_os("AJET_DATASTAR_JS") {
        let bytes = fs::read(&file)
            .unwrap_or_else(|error| panic!("AJET_DATASTAR_JS: {}: {error}", file.display()));
        assert!(
            sha256(&bytes) == DATASTAR_SHA256,
            "AJET_DATASTAR_JS is not Datastar 1.0.4 (its SHA-256 should be {DATASTAR_SHA256})"
        );
        return bytes;
    }
    let before = out.join("datastar.js");
    if let Some(bytes) = fs::read(before).ok().filter(|bytes| sha256(bytes) == DATASTAR_SHA256) {
        return bytes;
    }
    for carrier in &CARRIERS {
        if let Some(bytes) = find(carrier) {
            return bytes;
        }
    }
    for carrier in &CARRIERS {
        fetch(carrier, out);
        if let Some(bytes) = find(carrier) {
            return bytes;
        }
    }
    panic!(
        "cannot fetch Datastar 1.0.4: `cargo info runnerd-web@0.0.21` brings it; \
         without a network set AJET_DATASTAR_JS to the file (SHA-256 {DATASTAR_SHA256})"
    )
}

/// Looks through the unpacked crates of every registry.
fn find(carrier: &Carrier) -> Option<Vec<u8>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries.flatten().find_map(|registry| {
        let file = registry
            .path()
            .join(format!("{}-{}", carrier.name, carrier.version))
            .join(carrier.path);
        let mut bytes = fs::read(file).ok()?;
        bytes.extend_from_slice(carrier.tail.as_bytes());
        (sha256(&bytes) == DATASTAR_SHA256).then_some(bytes)
    })
}

/// Lets cargo download and unpack the carrier. It runs outside the workspace, so that it does not wait for the lock of this very build.
fn fetch(carrier: &Carrier, out: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let spec = format!("{}@{}", carrier.name, carrier.version);
    let status = Command::new(cargo)
        .args(["info", "--quiet", "--registry", "crates-io", &spec])
        .current_dir(out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("cargo:warning=cargo info {spec} failed");
    }
}

/// Without comments and indentation. Our stylesheet has no `/*` inside strings.
fn trim_css(css: &str) -> String {
    let mut rest = css;
    let mut bare = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        bare.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let mut dense = lines(&bare, |line| !line.is_empty());
    // A space beside these says nothing: selectors of ours have none after a colon.
    for (spaced, tight) in
        [(" {", "{"), ("{ ", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ","), (";}", "}")]
    {
        dense = dense.replace(spaced, tight);
    }
    joined(&dense, ";{},", "}")
}

/// Without comment lines, indentation, the spaces beside punctuation and most ends of lines. Our script has no text that spans lines, none
/// of its regular expressions holds a space or a quote, and every statement ends with a semicolon.
fn trim_js(js: &str) -> String {
    const LOOSE: &str = "=<>!&|?:;,{}()[]*";
    let code = lines(js, |line| !line.is_empty() && !line.starts_with("//"));
    let mut dense = String::with_capacity(code.len());
    let mut quote = None;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) => {
                if c == '\\' {
                    dense.push(c);
                    dense.extend(chars.next());
                    continue;
                }
                quote = Some(open).filter(|open| *open != c);
            }
            None if "'\"`".contains(c) => quote = Some(c),
            None if c == ' ' => {
                let beside = |c: Option<char>| c.is_some_and(|c| LOOSE.contains(c));
                if beside(dense.chars().next_back()) || beside(chars.peek().copied()) {
                    continue;
                }
            }
            None => {}
        }
        dense.push(c);
    }
    joined(&dense, ";{([,", "})].?:")
}

/// Without the ends of lines that say nothing: after one of these characters, and before one of those.
fn joined(text: &str, after: &str, before: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let goes_on =
            whole.ends_with(|c| after.contains(c)) || line.starts_with(|c| before.contains(c));
        if !goes_on && !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(line);
    }
    whole
}

fn lines(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().map(str::trim).filter(|line| keep(line)).fold(String::new(), |mut kept, line| {
        kept.push_str(line);
        kept.push('\n');
        kept
    })
}
