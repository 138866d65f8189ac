// `…/NAME/SUBRESOURCEtoken` beside each subresource that can be connected to with a token: POST a TokenRequest of authentication.k8s.io/v1,
// and connect to `…/NAME/SUBRESOURCE?token=…`.

import type { ApiResponse } from "@vivarium/api";
import { invalid } from "../errors.ts";
import { timestamp } from "../meta/timestamp.ts";
import { respondJson } from "../output/respond.ts";
import { invalidValue } from "../schema/field-error.ts";
import type { Subresource } from "../subresources.ts";
import type { ConnectionTokens } from "./connection-tokens.ts";
import { decodeTokenRequest, tokenRequest, type TokenRequestSpec } from "./token-request.ts";

const usualSeconds = 60;
const minSeconds = 1;
const maxSeconds = 300;

export function connectionTokenSubresource(
  { group, plural, name: subresource }: Subresource,
  { tokens, now }: { readonly tokens: ConnectionTokens; readonly now: () => Date },
): Subresource {
  return {
    group,
    plural,
    name: `${subresource}token`,
    responseKind: { group: tokenRequest.group, version: tokenRequest.version, kind: tokenRequest.kind },
    async create({ key, uid, user }, decode): Promise<ApiResponse> {
      const { namespace = "", name } = key;
      const spec = decodeTokenRequest(decode, name);
      const seconds = checkedSeconds(spec, name);
      const issuedAt = now();
      const expiresAt = new Date(issuedAt.getTime() + seconds * 1000);
      const place = { group, plural, namespace, name, uid, subresource };
      return respondJson(201, {
        apiVersion: tokenRequest.apiVersion,
        kind: tokenRequest.kind,
        metadata: { name, namespace, creationTimestamp: timestamp(issuedAt) },
        spec: { ...spec, expirationSeconds: seconds },
        status: {
          token: await tokens.issue(place, { user, issuedAt, expiresAt }),
          expirationTimestamp: timestamp(expiresAt),
        },
      });
    },
  };
}

function checkedSeconds({ expirationSeconds, audiences, boundObjectRef }: TokenRequestSpec, name: string): number {
  const seconds = expirationSeconds ?? usualSeconds;
  const errors = [
    ...(seconds < minSeconds || seconds > maxSeconds
      ? [invalidValue("spec.expirationSeconds", seconds, `must be from ${minSeconds} to ${maxSeconds}`)]
      : []),
    ...((audiences ?? []).length > 0
      ? [invalidValue("spec.audiences", audiences, "must be empty: the token is for this server alone")]
      : []),
    ...((boundObjectRef ?? undefined) === undefined
      ? []
      : [invalidValue("spec.boundObjectRef", boundObjectRef, "must be absent: the token is bound to this object")]),
  ];
  if (errors.length > 0) throw invalid(tokenRequest, name, errors);
  return seconds;
}
