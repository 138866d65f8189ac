// The controller runtime: watch caches, a work queue with back-off, one reconcile contract, events, metrics.
//
//   API server ─watch─► WatchCache ─changes─► WorkQueue ─requests─► Controller.reconcile ─writes─► API server
//                            ▲                                             │
//                            └──────────────── own writes ◄────────────────┘
//
// controller.ts is the contract and the place to start; manager.ts joins the parts.

export * from "./clock.ts";
export * from "./controller.ts";
export * from "./finalizers.ts";
export * from "./leader-election.ts";
export { createManager } from "./manager.ts";
export type { ManagerOptions } from "./manager.ts";
export { errorsTotal } from "./metrics.ts";
export { TokenBuckets } from "./token-buckets.ts";
export * from "./write-status.ts";
export * from "./manual-clock.ts";
