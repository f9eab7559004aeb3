//! The tour holds: every step of it is asserted by itself, so that what people are shown first is true.

use std::process::Command;

#[test]
fn the_tour_is_played_to_its_end() {
    let out = Command::new(env!("CARGO_BIN_EXE_trunkline")).args(["sandbox", "--tour"]).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(told.contains("That is the whole story."), "{told}");
}
