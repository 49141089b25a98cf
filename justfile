# `just` lists the recipes; `just ci` is what runs before a change is taken.

default:
    @just --list

# Everything that must hold.
ci:
    .ci/run

# The gateway, with a chat in this terminal.
up *arguments:
    cargo run --release -- up {{ arguments }}

test *arguments:
    cargo test --workspace {{ arguments }}

fmt:
    cargo fmt --all

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Writes the generated pages in docs anew.
bless:
    KANBAN_BLESS=1 INSTA_UPDATE=always cargo test --workspace

# Licenses, sources, and who may depend on what.
deny:
    cargo deny check bans licenses sources

# Known vulnerabilities; fetches the advisory database.
advisories:
    cargo deny check advisories
