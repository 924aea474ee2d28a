//! Makes cargo notice a new SQL file: the macro that embeds them only names those it has seen.

fn main() {
    println!("cargo:rerun-if-changed=sql");
}
