//! A browser that keeps cookies and does not follow redirects.

use std::collections::HashMap;

use reqwest::{RequestBuilder, Response, header};

use crate::server::{ISSUER, TestServer, encode};

pub(crate) struct Browser<'a> {
    server: &'a TestServer,
    cookies: HashMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a TestServer) -> Self {
        Self { server, cookies: HashMap::new() }
    }

    pub(crate) async fn get(&mut self, path_and_query: &str) -> Response {
        let request = self.server.client.get(format!("{}{path_and_query}", self.server.url));
        self.send(request).await
    }

    /// Sends the form of a page, with these fields besides its hidden ones.
    pub(crate) async fn submit(&mut self, path: &str, page: &str, fields: &[(&str, &str)]) -> Response {
        let (request, form) = (hidden_field(page, "request"), hidden_field(page, "form"));
        let mut all = vec![("request", request.as_str()), ("form", form.as_str())];
        all.extend(fields);
        let request = self.server.client.post(format!("{}{path}", self.server.url));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(encode(&all))).await
    }

    /// Follows a redirect of the server to itself.
    pub(crate) async fn follow(&mut self, response: &Response) -> Response {
        let path = location(response).strip_prefix(ISSUER).unwrap().to_owned();
        self.get(&path).await
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }
}

pub(crate) fn location(response: &Response) -> &str {
    response.headers()[header::LOCATION].to_str().unwrap()
}

fn hidden_field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&start).ok_or(page).unwrap().1;
    rest.split_once('"').unwrap().0.replace("&#38;", "&").replace("&amp;", "&")
}
