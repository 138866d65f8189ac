// A generic Kubernetes-style API server. It serves whatever kinds it is given as CustomResourceDefinitions and knows none of them by
// name but a few core ones (src/strategies).
//
//   request ─► router ─► dispatch ─► verb (src/verbs) ─► prepare: default, validate ─► admission ─► store
//                ▲                     └─► output: JSON, Table, watch events ◄──────────────────────┤
//                └──── tasks (src/tasks): garbage, deleted namespaces, quotas, old events ◄─────────┘

export type {
  AdmissionOperation,
  AdmissionPlugin,
  AdmissionRequest,
  AdmissionSubject,
  Settle,
  WriteOutcome,
} from "./admission/admission-plugin.ts";
export type { Credentials } from "./authentication/authenticator.ts";
export type { AuthenticationOptions } from "./authentication/server-authentication.ts";
export { OidcTokens, type OidcOptions } from "./authentication/oidc-tokens.ts";
export { ServiceAccountKeys } from "./authentication/service-account-keys.ts";
export type { TokenAuthenticator } from "./authentication/token-authenticator.ts";
export { AuditFile, type AuditFileOptions } from "./audit/audit-file.ts";
export type { AuditLevel } from "./audit/audit-event.ts";
export { EncryptedStore } from "./encryption/encrypted-store.ts";
export { EncryptionKeys, SealedValueError } from "./encryption/encryption-keys.ts";
export { createApiServer, type ApiServer, type ApiServerOptions } from "./create-api-server.ts";
export type { CustomResourceDefinition } from "./custom-resource-definition.ts";
export { listenHttps, type HttpsListener, type HttpsOptions } from "./https/listen-https.ts";
export type { MeasuredUsage, ReadObject, UsageEvaluator } from "./quota/usage-evaluator.ts";
export type { ByteStream, Connection, Subresource, SubresourceContext } from "./subresources.ts";
