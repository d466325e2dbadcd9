//! Who may ask: the API server says who a token belongs to, and what they may read.

use std::{future::Future, time::Duration};

use api::{OptimizationRollout, names::GROUP};
use axum::http::{HeaderMap, StatusCode, header};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, Resource, api::PostParams};

use super::plan::Refusal;
use crate::reconcile::Key;

/// Each question to the API server is answered by then, or counts as unanswered.
const DEADLINE: Duration = Duration::from_secs(2);
/// Tokens are longer than this only in attacks.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Lets those pass who may get this rollout. Nothing of the token is ever repeated or logged.
pub async fn check(client: &Client, headers: &HeaderMap, key: &Key) -> Result<(), Refusal> {
    let token = bearer(headers).ok_or_else(|| {
        Refusal::new(StatusCode::UNAUTHORIZED, "send the token that you use for the API server as a bearer token")
    })?;
    let user = identify(client, token).await?;
    authorize(client, user, key).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST_TOKEN).then_some(token)
}

async fn identify(client: &Client, token: &str) -> Result<UserInfo, Refusal> {
    let review = TokenReview {
        spec: TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let answer = ask("TokenReview", reviews.create(&PostParams::default(), &review)).await?;
    let status = answer.status.unwrap_or_default();
    let user = status.user.filter(|_| status.authenticated == Some(true));
    user.ok_or_else(|| {
        Refusal::new(StatusCode::UNAUTHORIZED, "the API server does not know this token; log in again and repeat")
    })
}

async fn authorize(client: &Client, user: UserInfo, key: &Key) -> Result<(), Refusal> {
    let name = user.username.unwrap_or_default();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(name.clone()),
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                resource: Some(OptimizationRollout::plural(&()).into_owned()),
                namespace: Some(key.namespace.clone()),
                name: Some(key.name.clone()),
                verb: Some("get".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = ask("SubjectAccessReview", reviews.create(&PostParams::default(), &review)).await?;
    if answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)) {
        return Ok(());
    }
    let message = format!(
        "{name} may not get optimizationrollouts in namespace {}; ask for the role view there, or one with this right",
        key.namespace
    );
    Err(Refusal::new(StatusCode::FORBIDDEN, message))
}

/// One question with its deadline. The log gets the code of a failure alone: messages could repeat what was sent.
async fn ask<T>(what: &str, question: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
    let unavailable = |why: &str| {
        tracing::warn!(review = what, why, "nobody can be let in");
        let message = format!("the API server does not answer the operator's {what} ({why}); try again");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
    };
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            Err(unavailable("403: it may not create it; upgrade the chart's rights"))
        }
        Ok(Err(kube::Error::Api(status))) => Err(unavailable(&status.code.to_string())),
        Ok(Err(_)) => Err(unavailable("no connection")),
        Err(_) => Err(unavailable("no answer in time")),
    }
}
