#![no_main]
fuzz::target!();
