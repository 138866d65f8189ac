// What the benchmarks use too: a server to drive from outside, a small guest, and where things are kept.

export * from "./eventually.ts";
export * from "./manifests.ts";
export * from "./paths.ts";
export * from "./tiny-guest.ts";
export * from "./tiny-layer-guest.ts";
export * from "./viv-server.ts";
