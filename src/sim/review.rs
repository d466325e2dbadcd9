//! Who somebody is and what they may do, as the API server's reviews say.

use serde_json::{Value, json};

use crate::object::text;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::server::ApiServer;

impl ApiServer {
    /// From now on, whoever shows this token is this user.
    pub fn issue_token(&self, token: &str, user: &str) {
        self.state().tokens.insert(token.to_owned(), user.to_owned());
    }

    /// Lets a user read everything in a namespace, in the eyes of a SubjectAccessReview. Nobody else may.
    pub fn grant_reading(&self, user: &str, namespace: &str) {
        self.state().readers.insert((user.to_owned(), namespace.to_owned()));
    }

    /// The answer to a TokenReview or a SubjectAccessReview; none for anything else.
    pub(crate) fn review(&self, call: &Call) -> Option<Result<Value, Refusal>> {
        let spec = call.info.body.get("spec").unwrap_or(&Value::Null);
        let state = self.state();
        let status = match call.kind.plural {
            "tokenreviews" if text(spec, "/token").is_empty() => {
                return Some(Err(Refusal::new(400, "token is required for TokenReview in authentication")));
            }
            "subjectaccessreviews" if text(spec, "/user").is_empty() => return Some(Err(Refusal::about_nobody())),
            "tokenreviews" => match state.tokens.get(text(spec, "/token")) {
                Some(user) => {
                    json!({"authenticated": true, "user": {"username": user, "groups": ["system:authenticated"]}})
                }
                None => json!({"error": "invalid bearer token"}),
            },
            "subjectaccessreviews" => {
                let wish = |field: &str| text(spec, &format!("/resourceAttributes/{field}")).to_owned();
                let reads = matches!(wish("verb").as_str(), "get" | "list" | "watch");
                let granted = state.readers.contains(&(text(spec, "/user").to_owned(), wish("namespace")));
                json!({"allowed": reads && granted})
            }
            _ => return None,
        };
        let mut review = call.info.body.clone();
        if let Some(fields) = review.as_object_mut() {
            fields.insert("status".to_owned(), status);
        }
        Some(Ok(review))
    }
}

#[cfg(test)]
mod tests;
