// The controller runtime: watch caches, a work queue with back-off, one reconcile contract, events.

export * from "./controller.ts";
