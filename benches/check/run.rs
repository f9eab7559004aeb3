//! Runs a program to its end and says what it took, as the system accounts for it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a running program's account is read; its last state before the end is off by at most this.
const EVERY: Duration = Duration::from_millis(2);
/// The unit of `/proc/<pid>/stat` on Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// What a run took.
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// Megabytes at its worst.
    pub(crate) memory: f64,
}

/// Runs it in a folder; what it writes to standard output is kept.
pub(crate) fn run(program: &Path, args: &[&str], folder: &Path) -> Ran {
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut output = String::new();
        pipe.read_to_string(&mut output).map(|_| output)
    });
    let (mut memory, mut cpu) = (0.0, 0.0);
    while child.try_wait().unwrap().is_none() {
        (memory, cpu) = account(child.id()).unwrap_or((memory, cpu));
        std::thread::sleep(EVERY);
    }
    let wall = begun.elapsed();
    Ran { output: reader.join().unwrap().unwrap(), wall, cpu: Duration::from_secs_f64(cpu), memory }
}

/// Megabytes at its worst, and seconds on processors.
fn account(process: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = most.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name, in brackets, may hold anything; what follows is numbers. User and system time are the 12th and 13th of them.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some((kilobytes / 1024.0, ticks / TICKS_A_SECOND))
}
