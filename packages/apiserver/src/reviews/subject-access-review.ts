// "May this user do that?": of anybody, of anybody in one namespace, of oneself (`kubectl auth can-i`).

import type { UserInfo } from "@vivarium/api";
import type { Attributes } from "../authorization/attributes.ts";
import type { JsonSchema } from "../custom-resource-definition.ts";
import { badRequest, invalid } from "../errors.ts";
import type { Resource } from "../resource.ts";
import { invalidValue } from "../schema/field-error.ts";
import type { ServerState } from "../server-state.ts";
import type { ApiObject } from "../stored-object.ts";
import { flag, reviewDefinition, struct, text, texts, type Review } from "./review.ts";

const group = "authorization.k8s.io";

interface Spec {
  readonly resourceAttributes?: Partial<
    Record<"namespace" | "verb" | "group" | "version" | "resource" | "subresource" | "name", string>
  >;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

const attributes: Readonly<Record<string, JsonSchema>> = {
  resourceAttributes: struct("The question, about a resource.", {
    namespace: text("The namespace; none for cluster-scoped resources, or all namespaces."),
    verb: text("`get`, `list`, …, or `*`."),
    group: text("API group, or `*`."),
    version: text("API version, or `*`."),
    resource: text("Plural name, or `*`."),
    subresource: text("Subresource, such as `status`."),
    name: text("Name of the object; none for all."),
    fieldSelector: { type: "object", "x-kubernetes-preserve-unknown-fields": true, description: "Not looked at." },
    labelSelector: { type: "object", "x-kubernetes-preserve-unknown-fields": true, description: "Not looked at." },
  }),
  nonResourceAttributes: struct("The question, about another path.", {
    path: text("For example `/metrics`."),
    verb: text("HTTP method, in lower case."),
  }),
};

const subject: Readonly<Record<string, JsonSchema>> = {
  user: text("Name of the user."),
  groups: texts("Groups of the user."),
  uid: text("Uid of the user."),
  extra: {
    type: "object",
    description: "What else the credentials said.",
    additionalProperties: { type: "array", items: { type: "string" } },
  },
};

const status = struct("The answer.", {
  allowed: flag("Whether it is allowed."),
  denied: flag("Whether it is forbidden, whatever other authorizers say."),
  reason: text("Why."),
  evaluationError: text("What went wrong on the way."),
});

export const subjectAccessReview: Review = {
  definition: reviewDefinition({
    group,
    kind: "SubjectAccessReview",
    description: "Asks whether a user may do something.",
    spec: struct("The question.", { ...attributes, ...subject }),
    status,
  }),
  answer: (state, _context, { target, object }) => decided(state, object, subjectOf(target.resource, object)),
};

export const localSubjectAccessReview: Review = {
  definition: reviewDefinition({
    group,
    kind: "LocalSubjectAccessReview",
    description: "Asks whether a user may do something in this namespace.",
    namespaced: true,
    spec: struct("The question.", { ...attributes, ...subject }),
    status,
  }),
  answer(state, _context, { target, object }) {
    const asked = specOf(object).resourceAttributes;
    if (asked === undefined || asked.namespace !== target.namespace)
      throw invalid(target.resource, "", [
        invalidValue(
          "spec.resourceAttributes.namespace",
          asked?.namespace ?? "",
          `must match metadata.namespace: ${target.namespace ?? ""}`,
        ),
      ]);
    return decided(state, object, subjectOf(target.resource, object));
  },
};

export const selfSubjectAccessReview: Review = {
  definition: reviewDefinition({
    group,
    kind: "SelfSubjectAccessReview",
    description: "Asks whether one may do something oneself.",
    spec: struct("The question.", attributes),
    status,
  }),
  answer: (state, { request }, { object }) => decided(state, object, request.user),
};

function specOf(object: ApiObject): Spec {
  return object["spec"] ?? {};
}

function subjectOf(resource: Resource, object: ApiObject): UserInfo {
  const { user = "", groups = [], uid = "", extra } = specOf(object);
  if (user === "" && groups.length === 0)
    throw invalid(resource, "", [invalidValue("spec.user", user, "at least one of user or group must be specified")]);
  return { name: user, groups, ...(uid !== "" && { uid }), ...(extra !== undefined && { extra }) };
}

function decided(state: ServerState, object: ApiObject, user: UserInfo): ApiObject {
  const { isAllowed, reason } = state.access.decide(user, attributesIn(specOf(object)));
  return { ...object, status: { allowed: isAllowed, ...(reason !== "" && { reason }) } };
}

function attributesIn({ resourceAttributes: asked, nonResourceAttributes: path }: Spec): Attributes {
  if ((asked === undefined) === (path === undefined))
    throw badRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified");
  if (path !== undefined) return { type: "path", verb: path.verb ?? "", path: path.path ?? "" };
  const {
    namespace = "",
    verb = "",
    group: of = "",
    version = "",
    resource = "",
    subresource = "",
    name = "",
  } = asked ?? {};
  return { type: "resource", verb, group: of, version, resource, subresource, namespace, name };
}
