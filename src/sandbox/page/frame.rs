//! What every page shares: the frame, the stylesheet, small parts.

use jiff::Timestamp;

use super::super::cx::Cx;
use super::super::world::AccountKind;
use super::Visit;
use super::clean::escape;

/// A page before it is framed.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) crumbs: String,
    pub(super) body: String,
}

const STYLE: &str = "
:root{color-scheme:light dark;--fg:#1f2328;--dim:#59636e;--bg:#fff;--soft:#f6f8fa;--line:#d1d9e0;--link:#0969da;--ok:#1a7f37;--bad:#d1242f;--wait:#9a6700;--merged:#8250df;--add:#dafbe1;--del:#ffebe9}
@media(prefers-color-scheme:dark){:root{--fg:#f0f6fc;--dim:#9198a1;--bg:#0d1117;--soft:#151b23;--line:#3d444d;--link:#4493f8;--ok:#3fb950;--bad:#f85149;--wait:#d29922;--merged:#ab7df8;--add:#12261e;--del:#25171c}}
*{box-sizing:border-box}body{margin:0;font:14px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
header{background:var(--soft);border-bottom:1px solid var(--line);padding:12px 24px;display:flex;gap:16px;align-items:center}
header b{font-size:16px}header .now{margin-left:auto;color:var(--dim)}main{max-width:1012px;margin:24px auto;padding:0 16px}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}h1{font-size:24px;font-weight:500;margin:0 0 12px}h2{font-size:16px;margin:24px 0 8px}
.box{border:1px solid var(--line);border-radius:6px;margin:0 0 16px;overflow:hidden}.box>.head{background:var(--soft);padding:8px 16px;border-bottom:1px solid var(--line);color:var(--dim)}.box>.row{padding:8px 16px;border-top:1px solid var(--line)}.box>.row:first-child{border-top:0}.box>.text{padding:12px 16px;overflow-x:auto}
.dim{color:var(--dim)}.pill{display:inline-block;border-radius:2em;padding:1px 10px;color:#fff;font-weight:500;background:var(--dim)}.open{background:var(--ok)}.merged{background:var(--merged)}.closed{background:var(--bad)}
.success,.APPROVED{color:var(--ok)}.failure,.timed_out,.cancelled,.action_required,.error,.CHANGES_REQUESTED{color:var(--bad)}.in_progress,.queued,.pending,.warning{color:var(--wait)}
table{border-collapse:collapse}.text th,.text td{border:1px solid var(--line);padding:4px 12px}pre,code{font:12px/1.45 ui-monospace,monospace}pre{background:var(--soft);border-radius:6px;padding:12px;overflow-x:auto;margin:8px 0}code{background:var(--soft);padding:1px 4px;border-radius:4px}pre code{padding:0}
.diff{margin:0;border-radius:0;padding:0}.diff span{display:block;padding:0 12px;white-space:pre}.diff .a{background:var(--add)}.diff .d{background:var(--del)}.diff .h{color:var(--dim);background:var(--soft)}
form.line{display:inline-flex;gap:8px;flex-wrap:wrap;align-items:center;margin:0 8px 8px 0}input,select,textarea,button{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:4px 10px}textarea{width:100%;min-height:80px}button{background:var(--soft);cursor:pointer}button.go{background:#1f883d;color:#fff;border-color:transparent}nav{display:flex;gap:16px;margin:0 0 16px;border-bottom:1px solid var(--line);padding-bottom:8px}
.flash{border:1px solid var(--bad);border-radius:6px;padding:12px 16px}blockquote{margin:0;padding:0 1em;color:var(--dim);border-left:.25em solid var(--line)}
";

/// Puts a page into its frame.
pub(super) fn frame(cx: &Cx<'_>, visit: &Visit, page: &Page) -> String {
    let who = visit.who(cx);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><header><b><a href=\"/\">Sandbox</a></b>{crumbs}\
         <span class=\"now\">{now} · you are {who}</span></header><main>{body}</main></body></html>",
        title = escape(&page.title),
        crumbs = page.crumbs,
        now = escape(&moment(cx.now)),
        who = escape(&who),
        body = page.body,
    )
}

/// A moment for people.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The people one can act as.
pub(super) fn people(cx: &Cx<'_>) -> Vec<String> {
    let people = cx.world.accounts.values().filter(|account| account.kind == AccountKind::User);
    people.map(|account| account.login.clone()).collect()
}

/// The choice of whom to act as.
pub(super) fn as_user(cx: &Cx<'_>, visit: &Visit) -> String {
    let who = visit.who(cx);
    let options: String = people(cx)
        .iter()
        .map(|login| {
            let chosen = if *login == who { " selected" } else { "" };
            format!("<option{chosen}>{}</option>", escape(login))
        })
        .collect();
    format!("<label class=\"dim\">as <select name=\"as\">{options}</select></label>")
}

/// A diff with its additions and removals coloured.
pub(super) fn diff(patch: &str) -> String {
    let lines: String = patch
        .lines()
        .map(|line| {
            let class = match line.as_bytes().first() {
                Some(b'+') => "a",
                Some(b'-') => "d",
                Some(b'@') => "h",
                _ => "c",
            };
            format!("<span class=\"{class}\">{}</span>", escape(line))
        })
        .collect();
    format!("<pre class=\"diff\">{lines}</pre>")
}

/// A box with a head and a body of HTML.
pub(super) fn boxed(head: &str, body: &str) -> String {
    format!("<div class=\"box\"><div class=\"head\">{head}</div>{body}</div>")
}
