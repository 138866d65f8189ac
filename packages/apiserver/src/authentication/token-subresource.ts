// `serviceaccounts/NAME/token`: `kubectl create token` asks here (authentication.k8s.io/v1 TokenRequest).

import type { ApiResponse } from "@vivarium/api";
import { badRequest, invalid } from "../errors.ts";
import { respondJson } from "../output/respond.ts";
import { timestamp } from "../meta/timestamp.ts";
import { invalidValue } from "../schema/field-error.ts";
import type { Subresource } from "../subresources.ts";
import type { BoundObject, FindUid, ServiceAccountTokens } from "./service-account-tokens.ts";
import { decodeTokenRequest, tokenRequest, type TokenRequestSpec } from "./token-request.ts";

const minSeconds = 600;
const maxSeconds = 2 ** 32;
const usualSeconds = 3600;

export function tokenSubresource(options: {
  readonly tokens: ServiceAccountTokens;
  readonly audiences: readonly string[];
  readonly findUid: FindUid;
  readonly now: () => Date;
}): Subresource {
  const { tokens, findUid, now } = options;
  return {
    group: "",
    plural: "serviceaccounts",
    name: "token",
    responseKind: { group: tokenRequest.group, version: tokenRequest.version, kind: tokenRequest.kind },
    async create({ key }, decode): Promise<ApiResponse> {
      const { namespace = "", name } = key;
      const spec = decodeTokenRequest(decode, name);
      const audiences = (spec.audiences ?? []).length > 0 ? (spec.audiences ?? []) : options.audiences;
      const seconds = checkedSeconds(spec.expirationSeconds ?? usualSeconds, name);
      const uid = await findUid("serviceaccounts", namespace, name);
      const secret = await boundSecret(spec, { namespace, findUid });
      const issuedAt = now();
      const expiresAt = new Date(issuedAt.getTime() + seconds * 1000);
      const account: BoundObject = { name, uid: uid ?? "" };
      const order = { namespace, account, ...(secret && { secret }), audiences, issuedAt, expiresAt };
      return respondJson(201, {
        apiVersion: tokenRequest.apiVersion,
        kind: tokenRequest.kind,
        metadata: { name, namespace, creationTimestamp: timestamp(issuedAt) },
        spec: { ...spec, audiences, expirationSeconds: seconds },
        status: { token: await tokens.issue(order), expirationTimestamp: timestamp(expiresAt) },
      });
    },
  };
}

function checkedSeconds(seconds: number, name: string): number {
  const problem =
    seconds < minSeconds
      ? "may not specify a duration less than 10 minutes"
      : seconds > maxSeconds
        ? "may not specify a duration larger than 2^32 seconds"
        : undefined;
  if (problem !== undefined)
    throw invalid(tokenRequest, name, [invalidValue("spec.expirationSeconds", seconds, problem)]);
  return seconds;
}

async function boundSecret(
  { boundObjectRef }: TokenRequestSpec,
  { namespace, findUid }: { readonly namespace: string; readonly findUid: FindUid },
): Promise<BoundObject | undefined> {
  if (boundObjectRef === undefined || boundObjectRef === null) return undefined;
  const { kind, name = "", uid: wanted = "" } = boundObjectRef;
  if (kind !== "Secret") throw badRequest(`cannot bind token for serviceaccount to object of type ${kind ?? ""}`);
  const uid = await findUid("secrets", namespace, name);
  if (uid === undefined) throw badRequest(`cannot bind the token to the Secret "${name}": it is not there`);
  if (wanted !== "" && wanted !== uid)
    throw badRequest(`the UID in the bound object reference (${wanted}) does not match the UID in record (${uid})`);
  return { name, uid };
}
