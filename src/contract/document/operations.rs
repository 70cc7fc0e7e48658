//! The operations of the document.

use axum::routing::MethodFilter;
use utoipa::openapi::{
    Content as Media, ContentBuilder, Header, Required, Response, ResponseBuilder,
    path::{
        Operation as Written, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
    },
    request_body::{RequestBody as WrittenBody, RequestBodyBuilder},
    schema::{ObjectBuilder, Type},
};

use super::{
    super::{
        BodyKind, Described, Extracted, Member, Operation, RequestBody, Success, schema::Presence,
        success::Content,
    },
    problems,
    schemas::{Schemas, example, object_example},
    security::{Credentials, requirements},
};

/// Returns an operation without the parameters of its path.
pub(super) fn write(
    operation: &Operation,
    extracted: &Extracted,
    described: &Described,
    own: &Credentials,
    schemas: &mut Schemas,
) -> OperationBuilder {
    let mut written = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .tag(&described.flow)
        .securities(Some(requirements(operation, extracted, own)));
    let has_cookies = own.cookies.is_some();
    for success in operation.successes {
        let response = response(success, has_cookies, schemas);
        written = written.response(success.status.to_string(), response);
    }
    for (status, problem) in problems::responses(operation, extracted, described, schemas) {
        written = written.response(status.to_string(), problem);
    }
    // The meaning of a body of this method is undefined (RFC 9110 §9.3.5).
    let is_delete = operation.method == MethodFilter::DELETE;
    if let Some(body) = extracted.body.filter(|_| !is_delete) {
        let body = match body.kind {
            BodyKind::Json => body,
            BodyKind::Form => RequestBody { members: operation.form, ..body },
        };
        written = written.request_body(Some(request(&body, schemas)));
    }
    operation.query.iter().fold(written, |all, own| all.parameter(parameter(own, schemas)))
}

/// Returns the place of an operation in the item of its path.
pub(super) fn slot<'a>(item: &'a mut PathItem, own: &Operation) -> &'a mut Option<Written> {
    match own.method {
        MethodFilter::POST => &mut item.post,
        MethodFilter::PUT => &mut item.put,
        MethodFilter::PATCH => &mut item.patch,
        MethodFilter::DELETE => &mut item.delete,
        _ => &mut item.get,
    }
}

fn request(body: &RequestBody, schemas: &mut Schemas) -> WrittenBody {
    let media_type = match body.kind {
        BodyKind::Json => "application/json",
        BodyKind::Form => "application/x-www-form-urlencoded",
    };
    let content = ContentBuilder::new()
        .schema(Some(schemas.body(body)))
        .example(Some(object_example(body.members)));
    let required = if body.is_required { Required::True } else { Required::False };
    let mut written = RequestBodyBuilder::new().content(media_type, content.build());
    if let Some(media_type) = body.or_text {
        let text = ObjectBuilder::new().schema_type(Type::String);
        written = written.content(media_type, Media::new(Some(text)));
    }
    written.required(Some(required)).build()
}

fn parameter(own: &Member, schemas: &mut Schemas) -> Parameter {
    let is_required = own.presence == Presence::Required;
    ParameterBuilder::new()
        .name(own.name)
        .parameter_in(ParameterIn::Query)
        .required(if is_required { Required::True } else { Required::False })
        .schema(Some(schemas.of(own.schema)))
        .example(Some(example(own.schema)))
        .build()
}

fn response(success: &Success, has_cookies: bool, schemas: &mut Schemas) -> Response {
    let mut response = ResponseBuilder::new().description(success.description);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    response = match success.content {
        Content::None => response,
        Content::Json(schema) => {
            let content = ContentBuilder::new()
                .schema(Some(schemas.of(schema)))
                .example(Some(example(schema)));
            response.content("application/json", content.build())
        }
        Content::Text(media_type) => response.content(media_type, Media::new(Some(text()))),
        Content::Redirect => response.header("Location", Header::new(text())),
    };
    if let Some(name) = success.header {
        response = response.header(name, Header::new(text()));
    }
    if success.sets_cookies && has_cookies {
        response = response.header("Set-Cookie", Header::new(text()));
    }
    response.build()
}
