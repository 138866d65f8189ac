// The controllers: each keeps one kind true. `x.ts` is the controller (observe, act), `x-plan.ts` its pure half (decide); a controller of many
// parts has a folder `x/` with `x.ts` in it.

export * from "./create-controllers.ts";
export type { ChangePlanner, MachineChange } from "./virtual-machine/change-planner.ts";
export type { FieldChange } from "./virtual-machine/plan/change-plan.ts";
export type { SetChange } from "./vm-set/vm-set-change-plan.ts";
export type { SizeCheck, SizeFinding } from "./virtual-machine/size-check.ts";
export * from "./effective-provider.ts";
export * from "./image-on-provider.ts";
export type { HostVerdict } from "./placement/model.ts";
export { planDrain, planRebalance } from "./placement/moves.ts";
export type { MovePlan } from "./placement/moves.ts";
export { Placer } from "./placement/placer.ts";
export { summaryOf } from "./placement/summary.ts";
export { OpenProviders } from "./open-providers.ts";
export { expectedDigestOf } from "./image-validation/verification.ts";
export { credentialsIn, hostsOf, providerConfig } from "./provider-config.ts";
export type { DeclaredHost } from "./provider-config.ts";
export * from "./provider-registry.ts";
export { chooseRoleImage } from "./roles/choose-role-image.ts";
export { resolveRole } from "./roles/resolve-role.ts";
export * from "./stats/create-stats.ts";
export * from "./stats/metered-factories.ts";
export { identityOf } from "./virtual-machine/resolve/definition.ts";
export { connectionOfVm, hostOfVm } from "./vm-host.ts";
export type { ProviderUser } from "./effective-provider.ts";
