//! Plays a person with a browser over plain HTTP: signs in with an invitation and allows the
//! request.

use std::collections::HashMap;

use devtools::http_client;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, header};

use crate::client::{FORM, form_body};

pub(crate) struct Person {
    issuer: String,
    http: reqwest::Client,
    cookies: HashMap<String, String>,
}

impl Person {
    pub(crate) fn new(issuer: &str) -> Self {
        let http = http_client::builder().redirect(Policy::none()).build().unwrap();
        Self { issuer: issuer.to_owned(), http, cookies: HashMap::new() }
    }

    /// From the client's link back to the client.
    pub(crate) async fn allow(mut self, authorization_url: &str, invitation: &str) {
        let page = self.get(authorization_url).await.text().await.unwrap();
        let signed_in = self.send_form("sign-in/invitation", &page, ("code", invitation)).await;
        let page = self.get(&location(&signed_in)).await.text().await.unwrap();
        let allowed = self.send_form("consent", &page, ("decision", "allow")).await;
        assert_eq!(self.get(&location(&allowed)).await.status(), StatusCode::OK);
    }

    async fn send_form(&mut self, path: &str, page: &str, typed: (&str, &str)) -> Response {
        let (request, form) = (field(page, "request"), field(page, "form"));
        let body = form_body(&[("request", &request), ("form", &form), typed]);
        let post = self.http.post(format!("{}/oauth/{path}", self.issuer)).header(header::CONTENT_TYPE, FORM);
        self.send(post.header(header::ORIGIN, &self.issuer).body(body)).await
    }

    async fn get(&mut self, url: &str) -> Response {
        self.send(self.http.get(url)).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
        for set in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }
}

fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).ok_or(page).unwrap().1;
    rest.split_once('"').unwrap().0.replace("&#38;", "&")
}
