// The controllers: each keeps one kind true.

export * from "./provider-registry.ts";
