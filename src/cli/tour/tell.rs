//! How the tour acts and speaks: what people do, what the bot is seen to do, and the line that says so.

use std::time::Duration;

use super::{MAX_ROUNDS, QUIET, Tour};
use crate::cli::stage::failed;
use crate::cli::{Failure, print};
use crate::sandbox::seed::{self, ENVIRONMENTS};

impl Tour {
    /// Delivers and passes until nothing is due, debounce and back-off included.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..MAX_ROUNDS {
            let passes = self.bot.reconciler.step().await.map_err(failed("the queue failed"))?;
            if passes > 0 {
                continue;
            }
            if self.github.delivering() {
                tokio::time::sleep(QUIET / 4).await;
                continue;
            }
            match self.bot.queue.next_soon().await.map_err(failed("the queue failed"))? {
                Some(at) => {
                    let ahead = at.duration_since(self.clock.now());
                    self.clock.advance(Duration::try_from(ahead).unwrap_or_default());
                }
                None => {
                    if self.bot.reconciler.step().await.map_err(failed("the queue failed"))? == 0 {
                        return Ok(());
                    }
                }
            }
        }
        Err(Failure::new("the bot does not come to rest", "please report it, with the lines above"))
    }

    pub(super) fn push(&self, repo: &str, branch: &str, user: &str, message: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<(&str, Option<Vec<u8>>)> =
            files.iter().map(|(path, text)| (*path, Some(text.as_bytes().to_vec()))).collect();
        self.github.push_files(repo, branch, user, message, &files)
    }

    pub(super) fn remove(&self, repo: &str, branch: &str, user: &str, message: &str, path: &str, other: (&str, &str)) {
        let files = [(path, None), (other.0, Some(other.1.as_bytes().to_vec()))];
        self.github.push_files(repo, branch, user, message, &files);
    }

    pub(super) fn open(&self, repo: &str) -> Vec<(u64, String, String)> {
        self.github.pulls(repo).into_iter().filter(|(_, state, _)| state == "open").collect()
    }

    pub(super) fn newest_open(&self) -> u64 {
        self.open(ENVIRONMENTS).last().map_or(0, |(number, ..)| *number)
    }

    /// Whether a pull request whose title holds these words was merged.
    pub(super) fn merged(&self, repo: &str, words: &str) -> bool {
        self.github.pulls(repo).iter().any(|(_, state, title)| state == "merged" && title.contains(words))
    }

    pub(super) async fn comment(&mut self, who: &str, number: u64, text: &str) -> Result<(), Failure> {
        self.github.comment(ENVIRONMENTS, who, number, text);
        self.settle().await
    }

    pub(super) async fn pass(&mut self, time: Duration) -> Result<(), Failure> {
        self.clock.advance(time);
        self.settle().await
    }

    /// Lets time pass until then.
    pub(super) async fn until(&mut self, then: &str) -> Result<(), Failure> {
        let then: jiff::Timestamp = then.parse().map_err(failed("the tour knows no such moment"))?;
        self.pass(Duration::try_from(then.duration_since(self.clock.now())).unwrap_or_default()).await
    }

    pub(super) fn newest(&self) -> u64 {
        self.github.pulls(ENVIRONMENTS).last().map_or(0, |(number, ..)| *number)
    }

    pub(super) fn title(&self, number: u64) -> String {
        let found = self.github.pulls(ENVIRONMENTS).into_iter().find(|(n, ..)| *n == number);
        found.map(|(_, _, title)| title).unwrap_or_default()
    }

    pub(super) fn merged_last(&self, environment: &str) -> bool {
        let last = self.github.pulls(ENVIRONMENTS).pop();
        last.is_some_and(|(_, state, title)| state == "merged" && title.ends_with(&format!("to {environment}")))
    }

    pub(super) fn tell(&mut self, what: &str) -> Result<(), Failure> {
        self.step += 1;
        self.say(&format!("\n{:>2}. {what}\n", self.step))
    }

    pub(super) fn said(&self, what: &str) -> Result<(), Failure> {
        self.say(&format!("    {what}\n"))
    }

    pub(super) fn last_title(&self) -> Result<(), Failure> {
        let number = self.newest();
        self.said(&format!("The bot: pull request #{number}, {:?}", self.title(number)))
    }

    /// Prints what the bot said last on a pull request, as it wrote it.
    pub(super) fn bot_says(&self, number: u64) -> Result<(), Failure> {
        self.bot_says_in(ENVIRONMENTS, number)
    }

    pub(super) fn bot_says_in(&self, repo: &str, number: u64) -> Result<(), Failure> {
        let Some(body) = self.github.last_comment(repo, number, "trunkline[bot]") else {
            return self.holds("the bot answers", false);
        };
        let shown: String =
            body.lines().skip_while(|line| line.starts_with("<!--")).map(|line| format!("    │ {line}\n")).collect();
        self.say(&format!("    The bot says in #{number}:\n{shown}"))
    }

    pub(super) fn check_is(&self, number: u64, wanted: &str) -> Result<(), Failure> {
        self.check_says(number, wanted, "")
    }

    /// The check stands so, and its title holds these words.
    pub(super) fn check_says(&self, number: u64, wanted: &str, words: &str) -> Result<(), Failure> {
        let found = self.github.check_on(ENVIRONMENTS, number, "trunkline");
        let (stands, title, _) = found.unwrap_or_else(|| ("missing".into(), String::new(), 0));
        self.said(&format!("The check `trunkline` on #{number}: {stands}, {title:?}"))?;
        self.holds(&format!("the check is {wanted}"), stands == wanted && title.contains(words))
    }

    pub(super) fn holds(&self, what: &str, holds: bool) -> Result<(), Failure> {
        if holds {
            return self.said(&format!("✓ {what}"));
        }
        self.said(&format!("✗ {what}"))?;
        Err(Failure::new(
            format!("step {} of the tour does not hold: {what}", self.step),
            "please report it, with the lines above",
        ))
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        print(text)
    }
}

/// A file of the example as this binary carries it.
pub(super) fn text(path: &str) -> String {
    let file = seed::FILES.iter().find(|(name, _)| *name == path);
    file.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// A text with a part replaced; a part that is not there is a mistake of the tour, which its next step shows.
pub(super) fn replaced(text: &str, from: &str, to: &str) -> String {
    text.replacen(from, to, 1)
}
