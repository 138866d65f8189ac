// The kinds and everything they share. No I/O; everyone may import this package.
//
//   kind.ts       the one shape of every kind      fields.ts, common-fields.ts  the vocabulary that schemas are written in
//   <kind>.ts     one kind: schema, type, columns  custom-resource-definition.ts  its CRD
//   meta.ts, status-error.ts, http.ts              what the API server and its clients say to each other
//   quantity.ts, duration.ts, image-sources.ts     several spellings turned into one internal form

export * from "./meta.ts";
export * from "./status-error.ts";
export * from "./http.ts";
export * from "./access-rules.ts";
export * from "./admission-match.ts";
export * from "./annotations.ts";
export * from "./cluster-role.ts";
export * from "./cluster-role-binding.ts";
export * from "./conditions.ts";
export * from "./count-or-share.ts";
export * from "./config-map.ts";
export * from "./custom-resource-definition.ts";
export * from "./duration.ts";
export { Event } from "./event.ts";
export { EventsEvent } from "./events-event.ts";
export * from "./host.ts";
export * from "./image-build.ts";
export * from "./image-sources.ts";
export * from "./invalid-value-error.ts";
export * from "./json-value.ts";
export * from "./kind.ts";
export * from "./kinds.ts";
export * from "./lease.ts";
export * from "./namespace.ts";
export * from "./operation.ts";
export * from "./provider.ts";
export * from "./quantity.ts";
export * from "./role.ts";
export * from "./role-binding.ts";
export * from "./recipe.ts";
export type { ReadinessGate } from "./readiness-gate.ts";
export * from "./resource-quota.ts";
export * from "./secret.ts";
export * from "./storage-pool.ts";
export * from "./taints.ts";
export * from "./validating-admission-policy.ts";
export * from "./validating-admission-policy-binding.ts";
export * from "./version.ts";
export * from "./service-account.ts";
export * from "./virtual-machine.ts";
export * from "./virtual-machine-metrics.ts";
export * from "./virtual-network.ts";
export * from "./vm-class.ts";
export * from "./vm-clone.ts";
export * from "./vm-group.ts";
export * from "./vm-image.ts";
export * from "./vm-migration.ts";
export * from "./vm-network-attachment.ts";
export * from "./vm-role.ts";
export * from "./vm-placement-policy.ts";
export * from "./vm-snapshot.ts";
export * from "./vm-export.ts";
export * from "./vm-template.ts";
export * from "./vm-snapshot-schedule.ts";
export * from "./vm-set.ts";
export * from "./vm-set-revision.ts";
export * from "./volume.ts";
