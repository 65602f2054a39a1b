//! `/api/openapi.json`, compared with the server that serves it.

use http::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{Caller, start};
use crate::support::gateway::client;

// D-10: what is described is served, and what is served is described
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_and_the_server_agree() {
    let gateway = start().await;
    // Without a key, on both listeners: it holds no secret.
    let admin = format!("http://{}/api/openapi.json", gateway.running.admin.unwrap());
    let mut documents = Vec::new();
    for url in [gateway.url("/api/openapi.json"), admin] {
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        documents.push(answer.json::<Value>().await.unwrap());
    }
    assert_eq!(documents[0], documents[1]);
    let document = documents.pop().unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let caller = Caller::root(&gateway);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 50, "{}", paths.len());
    for (path, operations) in paths {
        let parts =
            path.split('/').map(|part| if part.starts_with('{') { Uuid::nil().to_string() } else { part.to_owned() });
        let url = parts.collect::<Vec<_>>().join("/");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let listed = operations.get(method.as_str().to_lowercase());
            let answer = caller.send(method.clone(), &url, None).await;
            assert_eq!(answer.status == 405, listed.is_none(), "{method} {path}: {answer:?}");
            if let Some(operation) = listed {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key(&answer.status.to_string()), "{method} {path}: {answer:?}");
            }
        }
    }
}
