//! Property tests: which redirect URIs match, for URIs composed of parts.

use proptest::prelude::*;

use super::*;

/// A redirect URI by its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    origin: &'static str,
    port: Option<u16>,
    path: &'static str,
    query: &'static str,
}

const LOOPBACK: [&str; 3] = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
const ELSEWHERE: [&str; 3] = ["https://a.example", "https://localhost", "https://127.0.0.1"];

impl Parts {
    fn uri(&self) -> RedirectUri {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        RedirectUri::parse(&format!("{}{port}{}{}", self.origin, self.path, self.query)).unwrap()
    }

    fn without_port(&self) -> Self {
        Self { port: None, ..self.clone() }
    }

    /// RFC 8252 section 7.3, and OAuth 2.1 section 2.3 for the others.
    fn matches(&self, registered: &Self) -> bool {
        let loopback = LOOPBACK.contains(&self.origin);
        self == registered || (loopback && self.without_port() == registered.without_port())
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let origin = prop::sample::select([LOOPBACK, ELSEWHERE].concat());
    let port = prop::option::of(prop::sample::select(vec![1, 3000, 65535]));
    let path = prop::sample::select(vec!["/", "/cb", "/cb/", "/CB", "/cb%2f"]);
    let query = prop::sample::select(vec!["", "?", "?x=1", "?x=2"]);
    (origin, port, path, query).prop_map(|(origin, port, path, query)| Parts { origin, port, path, query })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn only_the_port_may_differ_and_only_on_loopback(asked in parts(), registered in parts()) {
        prop_assert_eq!(asked.uri().matches(&registered.uri()), asked.matches(&registered));
    }

    #[test]
    fn an_answer_adds_to_the_query_and_leaves_the_rest(parts in parts(), value in "\\PC{0,20}") {
        let uri = parts.uri();
        let answer = Url::parse(&uri.with_parameters(&[("code", &value), ("iss", "i")])).unwrap();
        let mut pairs: Vec<_> = answer.query_pairs().into_owned().collect();
        let added = pairs.split_off(pairs.len() - 2);
        prop_assert_eq!(&added, &[("code".to_owned(), value), ("iss".to_owned(), "i".to_owned())]);
        let asked = Url::parse(uri.as_str()).unwrap();
        prop_assert_eq!(pairs, asked.query_pairs().into_owned().collect::<Vec<_>>());
        prop_assert_eq!(answer.origin(), asked.origin());
        prop_assert_eq!(answer.path(), asked.path());
    }
}
