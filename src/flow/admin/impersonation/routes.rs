//! `POST /admin/users/{id}/impersonate` and `POST /impersonation/end`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::super::{
    AdminService,
    requests::check_texts,
    routes::{PathOf, Routes, ids},
};
use crate::{
    contract::{
        Member, Operation, Schema,
        member::TRANSPORT,
        shapes::{COMPLETE, SIGNED_OUT},
    },
    error::{AuthError, ErrorKind},
    http::{
        Context, Writer, cookie,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    model::Transport,
    registry::Registry,
};

pub(crate) fn register(registry: &mut Registry, routes: &Routes) {
    registry.own_routes(
        routes,
        [
            ("/admin/users/{id}/impersonate", IMPERSONATE.to(impersonate)),
            ("/impersonation/end", END_IMPERSONATION.to(end)),
        ],
    );
}

struct Impersonation {
    reason: String,
    transport: Option<Transport>,
}

impl FromMembers for Impersonation {
    const MEMBERS: &'static [Member] =
        &[Member::new("reason", Schema::text_of((1, 255), "Ticket 4711")), TRANSPORT];

    fn read(members: &mut Members) -> Option<Self> {
        let reason: Option<String> = members.required("reason");
        check_texts(members, "reason", &reason);
        let transport = members.optional("transport");
        Some(Self { reason: reason?, transport })
    }
}

const IMPERSONATE: Operation =
    Operation::post("impersonateUser", "Begins a session as a user, for an hour at most")
        .returns(&[COMPLETE])
        .fails(&[ErrorKind::AccountDisabled, ErrorKind::TransportDisabled]);

/// The refresh token of the administrator waits in a cookie of its own.
async fn impersonate(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    context: Context,
    Writer { auth, body }: Writer<Impersonation>,
) -> Result<Response, AuthError> {
    let core = &admin.core;
    let Impersonation { reason, transport } = body;
    let (user, issued) = admin.impersonate(&auth, &ids(path)?.0, &reason, transport).await?;
    let own = auth.session();
    let kept = match context.renewed() {
        Some(renewed) => Some(renewed.refresh.expose()),
        None => context.refresh_cookie().filter(|(id, _)| *id == own.id).map(|(_, token)| token),
    };
    let kept = kept.filter(|_| issued.session.transport == Transport::Cookie);
    let line = kept.map(|token| cookie::set_impersonator(core, token, own, issued.at));
    let mut response = reply::complete(core, StatusCode::OK, &user, issued);
    response.headers_mut().extend(line.map(|line| (header::SET_COOKIE, line)));
    Ok(response)
}

const END_IMPERSONATION: Operation =
    Operation::post("endImpersonation", "Ends an impersonation, and returns to the administrator")
        .returns(&[COMPLETE, SIGNED_OUT])
        .fails(&[ErrorKind::Unauthenticated, ErrorKind::Forbidden, ErrorKind::NotFound]);

/// The cookie of the administrator suffices: the impersonation may have ended before.
async fn end(
    State(Routes { admin, .. }): State<Routes>,
    context: Context,
    headers: HeaderMap,
    _: Body<NoMembers>,
) -> Result<Response, AuthError> {
    let (core, presented) = (&admin.core, context.presented());
    let token = cookie::impersonator(core, &headers).filter(|_| !presented.is_bearer());
    let Some(token) = token else { return end_presented(&admin, &context).await };
    match core.sessions.resume_administrator(token).await {
        Ok(Some((user, issued))) => {
            let access = presented.token().map(|token| token.session);
            for id in access.into_iter().chain(context.refresh_cookie().map(|(id, _)| id)) {
                core.sessions.end_impersonation(id, &issued.session).await?;
            }
            let mut response = reply::complete(core, StatusCode::OK, &user, issued);
            let line = cookie::clear_impersonator(core);
            response.headers_mut().append(header::SET_COOKIE, line);
            Ok(response)
        }
        Ok(None) => Err(ErrorKind::NotFound.into()),
        // A session that was bound to a device in the meantime cannot be returned to here.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidRefreshToken | ErrorKind::DeviceProofRequired
            ) =>
        {
            let mut response = AuthError::from(ErrorKind::Unauthenticated).into_response();
            reply::forget(core, response.headers_mut());
            let line = cookie::clear_impersonator(core);
            response.headers_mut().append(header::SET_COOKIE, line);
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// Ends the impersonation whose session the request has.
async fn end_presented(admin: &AdminService, context: &Context) -> Result<Response, AuthError> {
    let core = &admin.core;
    let session = match context.optional().await? {
        Some(auth) if auth.session().impersonator.is_some() => auth.session().clone(),
        _ => return Err(ErrorKind::NotFound.into()),
    };
    core.sessions.end(&session).await?;
    Ok(match session.transport {
        Transport::Cookie => reply::signed_out(core),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}
