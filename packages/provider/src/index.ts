// The provider contract: what the controllers ask of a hypervisor, free of any hypervisor.

export * from "./provider.ts";
export * from "./provider-error.ts";
