//! Reads from a browser's events what it blocked or complained about.

use serde_json::Value;

/// One complaint, in the browser's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl Violation {
    /// Issues of a Content-Security-Policy or a cookie, and errors in the page's log. The icon that
    /// browsers request automatically is not part of a page.
    pub(super) fn of_event(event: &Value) -> Option<Self> {
        match event["method"].as_str()? {
            "Audits.issueAdded" => {
                let issue = &event["params"]["issue"];
                let code = issue["code"].as_str().unwrap_or_default();
                let ours = ["ContentSecurityPolicyIssue", "CookieIssue", "MixedContentIssue"].contains(&code);
                ours.then(|| Self(issue.to_string()))
            }
            "Log.entryAdded" => {
                let entry = &event["params"]["entry"];
                let icon = entry["url"].as_str().is_some_and(|url| url.ends_with("/favicon.ico"));
                (entry["level"] == "error" && !icon).then(|| Self(entry.to_string()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_and_errors_count_and_the_icon_does_not() {
        let log = |level: &str, url: &str| json!({"method": "Log.entryAdded", "params": {"entry": {"level": level, "url": url}}});
        let issue = |code: &str| json!({"method": "Audits.issueAdded", "params": {"issue": {"code": code}}});
        assert!(Violation::of_event(&issue("ContentSecurityPolicyIssue")).is_some());
        assert!(Violation::of_event(&issue("CookieIssue")).is_some());
        assert!(Violation::of_event(&log("error", "http://localhost/oauth/style.css")).is_some());
        assert!(Violation::of_event(&log("error", "http://localhost/favicon.ico")).is_none());
        assert!(Violation::of_event(&log("warning", "http://localhost/")).is_none());
        assert!(Violation::of_event(&json!({"method": "Page.loadEventFired"})).is_none());
    }
}
