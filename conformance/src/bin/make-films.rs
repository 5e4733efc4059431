//! Makes the films of the tests in a folder: `make-films DIR`.

use anyhow::{Context, Result};
use conformance::films::matrix;
use std::path::PathBuf;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).context("usage: make-films DIR")?);
    std::fs::create_dir_all(&folder)?;
    matrix().try_for_each(|recipe| recipe.make(&folder).map(drop))
}
