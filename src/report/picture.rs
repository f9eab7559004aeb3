//! The pipeline as a picture: GitHub draws Mermaid in comments and descriptions.

use super::markdown::line;

/// An environment in the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds; `None` when nothing.
    pub version: Option<&'a str>,
    /// The environments a version comes from.
    pub after: &'a [String],
    /// The version that waits to enter, in an open promotion.
    pub waiting: Option<&'a str>,
    /// What stops everything here.
    pub stop: Option<Stop>,
}

/// What stops an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Somebody holds it.
    Held,
    /// It is frozen.
    Frozen,
}

/// More boxes than this are no picture; what leads to the environment in question stays.
const MAX_PLACES: usize = 30;
/// A longer name or version does not fit into a box.
const MAX_LABEL: usize = 40;

/// The picture, with the way into `entering` drawn thick; nothing when that is not among the places.
pub fn picture(app: &str, places: &[Place<'_>], entering: &str) -> String {
    let shown = shown(places, entering);
    let id = |name: &str| shown.iter().position(|place| place.name == name);
    let Some(target) = id(entering) else { return String::new() };
    let version = shown[target].waiting.map(label).unwrap_or_default();
    let mut out = "```mermaid\nflowchart LR\n".to_owned();
    if shown.iter().any(|place| place.after.is_empty()) {
        out.push_str(&format!("  source([\"{}\"])\n", label(app)));
    }
    for (n, place) in shown.iter().enumerate() {
        out.push_str(&format!("  e{n}[\"{}\"]\n", text(place, n == target)));
    }
    for (n, place) in shown.iter().enumerate() {
        let arrow = if n == target { format!("==>|\"{version}\"|") } else { "-->".to_owned() };
        if place.after.is_empty() {
            out.push_str(&format!("  source {arrow} e{n}\n"));
        }
        for from in place.after.iter().filter_map(|name| id(name)) {
            out.push_str(&format!("  e{from} {arrow} e{n}\n"));
        }
    }
    let stopped: Vec<String> = (0..shown.len()).filter(|n| shown[*n].stop.is_some()).map(|n| format!("e{n}")).collect();
    // Lines alone: a colour of ours would be hard to read on one of GitHub's two backgrounds.
    out.push_str(&format!("  style e{target} stroke-width:3px\n"));
    if !stopped.is_empty() {
        out.push_str(&format!("  classDef stopped stroke-dasharray:5\n  class {} stopped\n", stopped.join(",")));
    }
    out.push_str("```\n\n");
    out
}

fn text(place: &Place<'_>, target: bool) -> String {
    let mut lines = vec![label(place.name)];
    lines.push(place.version.map_or("nothing yet".to_owned(), label));
    // The version that enters the environment in question stands at its arrow.
    lines.extend(place.waiting.filter(|_| !target).map(|version| format!("⏳ {}", label(version))));
    lines.extend(place.stop.map(|stop| match stop {
        Stop::Held => "✋ held".to_owned(),
        Stop::Frozen => "❄ frozen".to_owned(),
    }));
    lines.join("<br>")
}

/// What is drawn: all, or where that is too much, what leads to the environment in question.
fn shown<'p, 'a>(places: &'p [Place<'a>], entering: &str) -> Vec<&'p Place<'a>> {
    if places.len() <= MAX_PLACES {
        return places.iter().collect();
    }
    let mut wanted = vec![entering];
    let mut at = 0;
    // Each environment is wanted once, so this ends with the last of them.
    while let Some(place) = wanted.get(at).and_then(|name| places.iter().find(|place| place.name == *name)) {
        for name in place.after {
            if !wanted.contains(&name.as_str()) {
                wanted.push(name);
            }
        }
        at += 1;
    }
    wanted.truncate(MAX_PLACES);
    places.iter().filter(|place| wanted.contains(&place.name)).collect()
}

/// Text inside a box or on an arrow: letters, digits and a little more as they are, everything else as Mermaid's codes, so that
/// nothing ends the text, the block or the picture.
fn label(text: &str) -> String {
    let mut out = String::new();
    for c in line(text, MAX_LABEL).chars() {
        if c.is_ascii_alphanumeric() || " .-_+".contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<'a>(name: &'a str, version: Option<&'a str>, after: &'a [String]) -> Place<'a> {
        Place { name, version, after, waiting: None, stop: None }
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_way_of_a_version_is_drawn() {
        let (dev, stages) = (names(&["dev"]), names(&["stage-eu", "stage-us"]));
        let places = [
            place("dev", Some("1123e8d"), &[]),
            Place { waiting: Some("v1.1-rc.1"), ..place("stage-eu", Some("v1.0-rc.1"), &dev) },
            Place { stop: Some(Stop::Frozen), ..place("stage-us", Some("v1.0-rc.1"), &dev) },
            Place { waiting: Some("v1.0"), stop: Some(Stop::Held), ..place("prod", None, &stages) },
        ];
        insta::assert_snapshot!(picture("shop", &places, "prod"), @r#"
        ```mermaid
        flowchart LR
          source(["shop"])
          e0["dev<br>1123e8d"]
          e1["stage-eu<br>v1.0-rc.1<br>⏳ v1.1-rc.1"]
          e2["stage-us<br>v1.0-rc.1<br>❄ frozen"]
          e3["prod<br>nothing yet<br>✋ held"]
          source --> e0
          e0 --> e1
          e0 --> e2
          e1 ==>|"v1.0"| e3
          e2 ==>|"v1.0"| e3
          style e3 stroke-width:3px
          classDef stopped stroke-dasharray:5
          class e2,e3 stopped
        ```
        "#);
        assert_eq!(picture("shop", &places, "elsewhere"), "");
    }

    #[test]
    fn t36_no_name_leaves_its_box() {
        let evil = "\"]; click e0 href \"javascript:x\" <img src=x> ```\n%%{init: {}}%% @ada #1 é\u{202e}";
        let places = [Place { waiting: Some(evil), ..place("prod", Some(evil), &[]) }];
        let drawn = picture(evil, &places, "prod");
        insta::assert_snapshot!(drawn, @r##"
        ```mermaid
        flowchart LR
          source(["#34;#93;#59; click e0 href #34;javascript#58;x#34; #60;img s#8230;"])
          e0["prod<br>#34;#93;#59; click e0 href #34;javascript#58;x#34; #60;img s#8230;"]
          source ==>|"#34;#93;#59; click e0 href #34;javascript#58;x#34; #60;img s#8230;"| e0
          style e0 stroke-width:3px
        ```
        "##);
        assert_eq!(drawn.matches("```").count(), 2);
    }

    #[test]
    fn a_picture_of_a_hundred_shows_what_leads_there() {
        let all: Vec<String> = (0..100).map(|n| format!("env-{n}")).collect();
        let before: Vec<Vec<String>> = (0..100usize).map(|n| all[n.saturating_sub(1)..n].to_vec()).collect();
        let places: Vec<Place<'_>> = (0..100).map(|n| place(&all[n], None, &before[n])).collect();
        let drawn = picture("shop", &places, "env-50");
        assert_eq!(drawn.matches("nothing yet").count(), MAX_PLACES);
        assert!(drawn.contains("env-50") && drawn.contains("env-21<") && !drawn.contains("env-51"));
    }
}
