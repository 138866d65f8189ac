// The kinds and everything they share. No I/O; everyone may import this package.

export * from "./meta.ts";
export * from "./status-error.ts";
export * from "./http.ts";
export * from "./kind.ts";
