//! Plays a person's browser at the sign-in pages of a relay: keeps cookies, follows redirects of
//! the relay, and fills in its two forms.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use devtools::http_client;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};

#[derive(Debug)]
pub struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

/// The decision of a person on the consent page.
#[derive(Debug, Clone, Copy)]
pub enum Decision {
    Allow,
    Deny,
}

impl Browser {
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let client = http_client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self::with(client))
    }

    /// Uses this client, which must not follow redirects.
    #[must_use]
    pub const fn with(client: reqwest::Client) -> Self {
        Self { client, cookies: BTreeMap::new() }
    }

    /// Opens the URL that a client shows, signs in with an invitation unless signed in already, and
    /// decides. Answers where the relay then sends the browser: the client's callback.
    ///
    /// # Errors
    /// A page is not as expected; the error shows it.
    pub async fn decide(
        &mut self,
        url: &str,
        invitation: &str,
        decision: Decision,
    ) -> anyhow::Result<String> {
        let origin = Url::parse(url)?.origin().ascii_serialization();
        let mut page = self.get(url).await?;
        if page.contains(r#"name="code""#) {
            let fields = [("request", field(&page, "request")?), ("form", field(&page, "form")?)];
            let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
            let fields: Vec<_> = fields.chain([("code", invitation)]).collect();
            let consent = self.submit(&origin, "/oauth/sign-in/invitation", &fields).await?;
            page = self.get(&consent).await?;
        }
        let word = match decision {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        };
        let (request, form) = (field(&page, "request")?, field(&page, "form")?);
        let mut fields = vec![("request", request.as_str()), ("form", &form), ("decision", word)];
        // At a gateway the page names the agent, where there is one to choose.
        let agent = field(&page, "agent").ok();
        fields.extend(agent.as_deref().map(|agent| ("agent", agent)));
        self.submit(&origin, "/oauth/consent", &fields).await
    }

    /// Follows a redirect to the client's own listener; the status of its answer.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn visit(&mut self, callback: &str) -> anyhow::Result<StatusCode> {
        Ok(self.client.get(callback).send().await.context("call the client back")?.status())
    }

    async fn get(&mut self, url: &str) -> anyhow::Result<String> {
        let response = self.send(self.client.get(url)).await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{status} at {url}: {text}");
        Ok(text)
    }

    /// Sends a form; where its answer leads.
    async fn submit(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut form = Url::parse("http://form.test")?;
        form.query_pairs_mut().extend_pairs(fields);
        let request = self.client.post(format!("{origin}{path}")).header(ORIGIN, origin);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = self.send(request.body(form.query().unwrap_or_default().to_owned())).await?;
        let (status, location) = (response.status(), response.headers().get(LOCATION).cloned());
        let text = response.text().await?;
        ensure!(status == StatusCode::SEE_OTHER, "{status} at {path}: {text}");
        Ok(location.context("the redirect leads nowhere")?.to_str()?.to_owned())
    }

    async fn send(&mut self, request: RequestBuilder) -> anyhow::Result<Response> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(COOKIE, cookies.join("; ")).send().await?;
        for set in response.headers().get_all(SET_COOKIE) {
            let pair = set.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(response)
    }
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> anyhow::Result<String> {
    let start = format!(r#"name="{name}" value=""#);
    let (_, rest) = page.split_once(&start).with_context(|| format!("no field {name} in {page}"))?;
    let (value, _) = rest.split_once('"').context("a field without end")?;
    Ok(value.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_field_is_read_as_a_browser_reads_it() {
        let page = r#"<input type="hidden" name="request" value="a=1&#38;b=&#39;2&#39;"><input name="form" value="f">"#;
        assert_eq!(field(page, "request").unwrap(), "a=1&b='2'");
        assert_eq!(field(page, "form").unwrap(), "f");
        assert!(field(page, "code").is_err());
    }
}
