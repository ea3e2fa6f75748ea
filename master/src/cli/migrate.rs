//! `master migrate`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use master::house;

use super::{Failure, Serve, load};

pub(super) fn run(
    mut flags: Serve,
    from: String,
    to: String,
    data_dir: Option<&PathBuf>,
) -> Result<(), Failure> {
    flags.store = Some(from);
    let settings = load(&flags, data_dir)?;
    let mut shown = Instant::now();
    let copied =
        tokio::runtime::Runtime::new()?.block_on(house::migrate(&settings, &to, |done, of| {
            if done == of || shown.elapsed() > Duration::from_millis(500) {
                shown = Instant::now();
                eprintln!("{done} of {of} keys");
            }
        }))?;
    println!("{copied} keys were taken over and read back; start the master with --store {to}");
    Ok(())
}
