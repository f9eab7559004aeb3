//! GitHub's CODEOWNERS file: who owns a path.

/// Where GitHub looks for it, in this order.
pub const FILES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// GitHub reads no larger file; a line costs little, so its lines need no bound of their own.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The owners of a path, as the file writes them: the last line that fits decides, and may name nobody.
pub fn owners(file: &str, path: &str) -> Vec<String> {
    let path: Vec<&str> = path.split('/').collect();
    let lines = file.lines().rev().map(|line| line.split('#').next().unwrap_or_default());
    let mut lines = lines.map(|line| line.split_whitespace());
    let found = lines.find_map(|mut words| words.next().filter(|pattern| fits(pattern, &path)).map(|_| words));
    found.map(|words| words.map(str::to_owned).collect()).unwrap_or_default()
}

/// Whether a pattern fits a path: as in `.gitignore`, but without negation and character ranges, which GitHub does not read here.
fn fits(pattern: &str, path: &[&str]) -> bool {
    let folder = pattern.ends_with('/');
    let inner = pattern.trim_end_matches('/');
    let anchored = inner.contains('/');
    let parts: Vec<&str> = inner.trim_start_matches('/').split('/').collect();
    let from_here = |path: &[&str]| fits_from(&parts, path, folder);
    if anchored { from_here(path) } else { (0..path.len()).any(|start| from_here(&path[start..])) }
}

/// Whether `parts` fit the path or a folder above it, from its beginning.
fn fits_from(parts: &[&str], path: &[&str], folder: bool) -> bool {
    // Going back to the last `**` is enough, since it may take any number of folders: no pattern costs more than its length squared.
    let (mut p, mut n, mut back) = (0, 0, None);
    loop {
        let fits = match (parts.get(p), path.get(n)) {
            // All of the pattern is used up: the rest of the path lies below what it names.
            (None, rest) => {
                if !folder || rest.is_some() {
                    return true;
                }
                false
            }
            (Some(&"**"), _) => {
                back = Some((p, n));
                p += 1;
                continue;
            }
            // A star at the end means what lies in the folder, not what lies below it.
            (Some(&"*"), Some(_)) if p + 1 == parts.len() && p > 0 && !folder => n + 1 == path.len(),
            (Some(part), Some(name)) => name_fits(part, name),
            (Some(_), None) => return false,
        };
        match (fits, back) {
            (true, _) => (p, n) = (p + 1, n + 1),
            (false, Some((at, taken))) if taken < path.len() => {
                back = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            (false, _) => return false,
        }
    }
}

/// A name against a pattern with stars and question marks.
fn name_fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // The last star, and how much of the name it has taken: enough to go back to, so this is linear in practice.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_fits_decides() {
        let file = "\
# everybody
*                       @acme/all   # the rest
*.js                    @js
/environments/          @acme/ops
/environments/prod/     @acme/sre @sue
/environments/prod/free
docs/*                  docs@example.com
apps/                   @octocat
**/logs                 @logs
/build/**/x?.txt        @build
";
        let of = |path: &str| owners(file, path).join(" ");
        assert_eq!(of("README.md"), "@acme/all");
        assert_eq!(of("a/b.js"), "@js");
        assert_eq!(of("environments/dev/x.js"), "@acme/ops");
        assert_eq!(of("environments/prod/kustomization.yaml"), "@acme/sre @sue");
        assert_eq!(of("environments/prod/free/x"), "");
        assert_eq!(of("docs/a.md"), "docs@example.com");
        assert_eq!(of("docs/b/a.md"), "@acme/all");
        assert_eq!(of("x/apps/y/z"), "@octocat");
        assert_eq!(of("apps"), "@acme/all");
        assert_eq!(of("deep/down/logs/1"), "@logs");
        assert_eq!(of("build/a/b/x1.txt"), "@build");
        assert_eq!(of("build/x1.txt"), "@build");
        assert_eq!(owners("", "a"), [""; 0]);
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = format!("{} @x\n", "*a".repeat(2_000));
        assert!(owners(&pattern, &"a".repeat(4_000)).len() <= 1);
        let deep = format!("{}x @x\n", "**/a/".repeat(200));
        assert!(owners(&deep, &"a/".repeat(400)).is_empty());
    }
}
